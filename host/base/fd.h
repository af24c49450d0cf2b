#ifndef MOONLET_BASE_FD_H
#define MOONLET_BASE_FD_H

#include <stddef.h>

/* File descriptors. Threads: any. Yields: never; it blocks as long as the descriptor does. */

/* Writes all of it, over interruptions and short writes. 0, or -1 with errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* Writes a file beside it, for its owner alone, and renames that over `path`: readers find what was
 * there or all of it. 0, or -1 with errno, and then `path` is as before. */
int fd_replace_file(const char *path, const void *data, size_t len);

#endif
