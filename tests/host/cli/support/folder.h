#ifndef MOONLET_TESTS_CLI_FOLDER_H
#define MOONLET_TESTS_CLI_FOLDER_H

#include <stdio.h>

#include "cli/command.h"

/*
 * Folder: commands on a folder of files, without Lua, with what they say.
 *
 * The engine's "language" is the declaration itself: what a file says is what it declares.
 */
extern const struct script_engine_type fake_engine;
extern char fake_engine_seen[2048]; /* the modules of each test source that was loaded, in order */

struct folder {
    char path[64];
    char said[4096];     /* to stderr */
    char printed[16384]; /* to stdout */
};
void folder_make(struct folder *folder);
void folder_write(const struct folder *folder, const char *name, const char *text);
void folder_drop(struct folder *folder);
/* `moonlet WORDS...`; its exit code. `words` end with NULL, at most 14; env NULL: empty. */
int folder_run(struct folder *folder, char **env, char *const *words);

struct capture {
    FILE *file;
    int fd, kept;
};
void capture_begin(struct capture *capture, int fd);
void capture_end(struct capture *capture, char *ret, size_t size);

#endif
