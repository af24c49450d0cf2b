#ifndef MOONLET_BASE_FD_H
#define MOONLET_BASE_FD_H

#include "base/str.h"

/* File descriptors. Threads: any. Yields: never; it blocks as long as the descriptor does. */

/* Writes all of it, over interruptions and short writes. 0, or -1 with errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* Appends what is left to read, `most` bytes at the most; `out` is a text then, "" for nothing. 0,
 * or -1 with errno (EFBIG: more than `most`; ENOMEM), and then `out` may have some of it. */
int fd_read_all(int fd, size_t most, struct strbuf *out);
/* The same of what stands at `path`: a file, or a pipe that somebody writes. */
int fd_read_file(const char *path, size_t most, struct strbuf *out);
/* Writes a file beside it, for its owner alone, and renames that over `path`: readers find what was
 * there or all of it. 0, or -1 with errno, and then `path` is as before. */
int fd_replace_file(const char *path, const void *data, size_t len);

#endif
