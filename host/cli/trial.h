#ifndef MOONLET_CLI_TRIAL_H
#define MOONLET_CLI_TRIAL_H

#include "cli/stage.h"

/*
 * Trial: one case for some seeds, and the least that makes a seed fail.
 *
 * Is:      runs on a stage, and a result that can be sent through a pipe.
 * Threads: the caller's. Yields: never.
 */
struct trial_result {
    bool failed;
    uint64_t seed;  /* failed: the first that did */
    char *problem;  /* failed: "file:line: what was wrong" */
    char *detail;   /* lines for people: which faults it takes, the end of the trace */
    char *faults;   /* fault_list_write()'s text, when these alone make it fail; or NULL */
    uint64_t tried; /* seeds */
    char *coverage; /* coverage_write()'s text, or NULL */
};
/* Runs the seeds in turn, up to the first that fails. Zero *ret first. */
void trial_run(struct stage *stage, size_t index, uint64_t seed, uint64_t seeds,
               struct trial_result *ret);
/* Runs a seed that fails with fewer and fewer faults, as long as it still does, and says what is
 * left: in `detail`. */
void trial_shrink(struct stage *stage, size_t index, uint64_t seed, struct trial_result *ret);

/* Runs a seed with exactly these faults. When some do not come up, `detail` says so, whether it
 * fails or not. Zero *ret first. */
void trial_replay(struct stage *stage, size_t index, uint64_t seed, const struct fault_list *faults,
                  struct trial_result *ret);

void trial_write(const struct trial_result *result, struct strbuf *out);
int trial_read(struct str text, struct trial_result *ret); /* 0 or PROTOCOL */
void trial_finish(struct trial_result *result);

#endif
