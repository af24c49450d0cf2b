#ifndef MOONLET_CLI_SUITE_H
#define MOONLET_CLI_SUITE_H

#include "runtime/source.h"

/*
 * Suite: the test files of some folders: `*_test.lua` beside a controller, or in a controller's
 * folder.
 *
 * Is:      which files there are and what each may `require`: the modules of its controller.
 * Is not:  running them (cli/stage.h).
 * Threads: the caller's. Yields: never.
 */
struct suite_file {
    char *path;                   /* as found: "controllers/app_test.lua" */
    char *folder;                 /* it stands in: "controllers" */
    char *home;                   /* the controller's files stand in: the same, or the one above */
    char *owner;                  /* the controller's name */
    struct script_source *source; /* the test first, then the controller's modules; NULL: */
    struct error error;           /* why it cannot be run */
};

struct suite {
    struct suite_file *files;
    size_t count, cap;
};

/* In the order of the folders, then of the names. `folders` may name controller files, whose tests
 * stand beside them, and test files. 0; NOT_FOUND or FORBIDDEN (a folder), NOMEM. */
int suite_find(const char *const *folders, struct suite *ret, struct error *err);
void suite_finish(struct suite *suite);

#endif
