#ifndef MOONLET_CLI_DEV_VIEW_H
#define MOONLET_CLI_DEV_VIEW_H

#include "base/log.h"
#include "runtime/observer.h"

/*
 * Dev view: what `moonlet dev` shows while it runs: which controller worked on which key, what it
 * wrote, and what that changed. The log stays the log; here it only gets colours.
 *
 * Threads: the log's lines come from any, all else from the core. Yields: never.
 */
struct dev_view {
    const struct clock *clock;
    struct observer observer; /* for manager_options */
    int out;                  /* descriptor; the log goes to 2 */
    bool colour, log_colour;
};
/* Colours only on a terminal, and not with NO_COLOR in `env`. */
void dev_view_init(struct dev_view *view, const struct clock *clock, int out, char *const *env);
/* For struct log: `context` is the view. */
int dev_view_log(void *view, const char *line, size_t len);

#endif
