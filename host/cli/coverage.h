#ifndef MOONLET_CLI_COVERAGE_H
#define MOONLET_CLI_COVERAGE_H

#include <stdio.h>

#include "base/map.h"
#include "runtime/script_engine.h"

/*
 * Coverage: which lines of controllers' files have run.
 *
 * Is:      a set of lines by file, which can be sent through a pipe and added to another.
 * Is not:  of tests: files whose name ends in _test.lua are left out.
 * Threads: one owner. Yields: never.
 */
struct coverage {
    struct map files;               /* path -> struct covered *, coverage.c */
    struct script_coverage watcher; /* for script_limits */
};
void coverage_init(struct coverage *coverage); /* it must not move afterwards */
void coverage_finish(struct coverage *coverage);
void coverage_write(const struct coverage *coverage, struct strbuf *out);
void coverage_add(struct coverage *coverage, struct str text); /* what coverage_write() wrote */
/* "app.lua: 95 % of 40 lines ran; not 12, 15-18", one line for each file. */
void coverage_print(const struct coverage *coverage, FILE *out);

#endif
