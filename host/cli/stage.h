#ifndef MOONLET_CLI_STAGE_H
#define MOONLET_CLI_STAGE_H

#include "cli/fault_list.h"
#include "cli/suite.h"
#include "testbed/testbed.h"

/*
 * Stage: one test file, loaded, whose cases can be run, each in a simulation of its own.
 *
 * Is:      the host of the isolate that runs the test file: what a case asks of `sim` becomes a
 *          call of the testbed while the case waits.
 * Is not:  aware of what is printed (cli/report.h) or of which cases are wanted (cli/test.c).
 * Threads: the caller's; none is started. Yields: never.
 */
struct stage_case {
    char *sentence, *at; /* at: "app_test.lua:7" */
    bool chaos;
    unsigned seeds, replicas; /* 0: not said */
    uint32_t faults;          /* bits of enum sim_fault: those that may happen */
    char *config;             /* JSON {definition: {key: value}}, or NULL */
};

struct stage_options {
    const struct script_engine_type *engine;
    const struct clock *clock;              /* without `simulate`: what os.time() shows */
    const char *config;                     /* JSON {definition: {key: value}}, or NULL */
    const struct script_coverage *coverage; /* or NULL */
    bool simulate;   /* false: a case that asks anything of `sim` is passed over */
    uint64_t cpu_ns; /* a case may use so much; 0 = 60 s */
};

struct stage_plan {
    uint64_t seed;
    const struct fault_list *only; /* exactly these happen, the rest says nothing; or NULL: */
    uint32_t faults;               /* bits: those of the case, or fewer */
    uint64_t most;                 /* so many are drawn at most */
    const uint8_t *drop; /* fault number i does not happen when drop[i - 1] is set; may be NULL */
    size_t drop_count;
};

struct stage_outcome {
    bool failed, passed_over;
    char *problem;            /* failed: "file:line: what was wrong" */
    struct strbuf trace;      /* its end */
    struct fault_list faults; /* that happened */
};

struct stage;
/* Loads the file, which the suite keeps. NULL: what is wrong with it. */
struct stage *stage_open(const struct stage_options *options, const struct suite_file *file,
                         struct error *err);
void stage_close(struct stage *stage); /* NULL is fine */
size_t stage_count(const struct stage *stage);
const struct stage_case *stage_at(const struct stage *stage, size_t index);
/* Runs one case. Zero *ret first; stage_outcome_finish() afterwards. */
void stage_run(struct stage *stage, size_t index, const struct stage_plan *plan,
               struct stage_outcome *ret);
void stage_outcome_finish(struct stage_outcome *outcome);

#endif
