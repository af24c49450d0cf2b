#ifndef MOONLET_CLI_TESTS_H
#define MOONLET_CLI_TESTS_H

#include "cli/load.h"

/*
 * Tests of controllers: the `*_test.lua` files beside them, or inside a controller's folder.
 *
 * Is:      each test file in an isolate of its own, where `require "<name>"` gives what the
 *          controller's file returns, and moonlet.test calls its handlers on tables.
 * Is not:  a cluster, simulated or real.
 * Threads: the caller's. Yields: never.
 */
struct tests_count {
    size_t passed, failed; /* cases; a file that cannot be run counts as one that failed */
};

/* Runs them all and prints each failure, "file:line: sentence: ...". Tests of a file that did not
 * load are passed over. 0; NOT_FOUND or FORBIDDEN (a folder), NOMEM. */
int tests_run(struct loader *loader, const char *const *folders, struct tests_count *ret,
              struct error *err);

#endif
