#ifndef MOONLET_CLI_REPORT_H
#define MOONLET_CLI_REPORT_H

#include <stdio.h>

#include "cli/stage.h"
#include "cli/trial.h"

/*
 * Report: what came out of each case, for people and for machines.
 *
 * Threads: the caller's. Yields: never.
 */
struct report_case {
    size_t file;    /* of the suite */
    size_t index;   /* in its file */
    char *sentence; /* owned */
    char *at;       /* owned: "app_test.lua:7" */
    bool chaos;
    uint64_t seeds;  /* 1 unless it is chaos */
    uint64_t passed; /* seeds that did */
    struct trial_result result;
};

struct report {
    const struct suite *suite;
    struct report_case *cases;
    size_t count, cap;
    const char *replay; /* "moonlet test controllers", to which the case and seed are added */
    uint64_t only_seed; /* --seed; 0: none */
};

/* A file that cannot be run is a case of its own, which failed. */
void report_text(const struct report *report,
                 FILE *out); /* the failures, and what else is to be said */
void report_summary(const struct report *report, FILE *out); /* "57 passed, 0 failed" */
void report_tap(const struct report *report, FILE *out);
void report_junit(const struct report *report, FILE *out);
void report_count(const struct report *report, size_t *ret_passed, size_t *ret_failed);

#endif
