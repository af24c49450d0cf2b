#ifndef MOONLET_CLI_POOL_H
#define MOONLET_CLI_POOL_H

#include "base/error.h"
#include "base/str.h"

/*
 * Pool: work spread over processes, which are forked before there is any thread.
 *
 * Is:      a number of units, each done by whichever process is free, in the order of their
 *          numbers; a process that dies takes one unit with it and is replaced.
 * Is not:  shared memory: a unit's result is the bytes it leaves.
 * Threads: the caller's, and no other may exist. Yields: never.
 */
struct pool_options {
    unsigned jobs; /* processes; 1: the work is done in this one */
    size_t count;  /* units */
    /* Is it still wanted when its turn comes? NULL: always. */
    bool (*wanted)(void *context, size_t unit);
    /* In a process of the pool. */
    void (*work)(void *context, size_t unit, struct strbuf *ret);
    /* In this process; data NULL: the process died in it, `how` says how. */
    void (*done)(void *context, size_t unit, struct str result, const char *how);
    /* At the end of each process of the pool. May be NULL. */
    void (*leave)(void *context);
    void *context;
};
/* 0, or UNAVAILABLE: a process or a pipe cannot be had. */
int pool_run(const struct pool_options *options, struct error *err);

#endif
