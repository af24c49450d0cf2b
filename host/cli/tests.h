#ifndef MOONLET_CLI_TESTS_H
#define MOONLET_CLI_TESTS_H

#include "cli/load.h"

/*
 * Tests of controllers as `moonlet check` runs them: the cases that need no cluster.
 *
 * Is:      each test file in an isolate of its own, where `require "<name>"` gives what the
 *          controller's file returns, and moonlet.test calls its handlers on tables.
 * Is not:  a simulation: a case that asks anything of `sim`, and each t.chaos, is passed over and
 *          counted; `moonlet test` runs them.
 * Threads: the caller's. Yields: never.
 */
struct tests_count {
    size_t passed, failed; /* cases; a file that cannot be run counts as one that failed */
    size_t passed_over;
};

/* Runs them all and prints each failure, "file:line: sentence: ...". Tests of a file that did not
 * load are passed over without being counted. 0; NOT_FOUND or FORBIDDEN (a folder), NOMEM. */
int tests_run(const struct command_context *context, const struct loader *loader,
              const char *const *folders, struct tests_count *ret, struct error *err);

/* "file:line: sentence: what was wrong" */
void tests_describe(const char *sentence, const char *problem, struct strbuf *out);

#endif
