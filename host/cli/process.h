#ifndef MOONLET_CLI_PROCESS_H
#define MOONLET_CLI_PROCESS_H

#include "cli/command.h"
#include "runtime/manager.h"

/*
 * Process: what the commands that run a host share (run, dev): the loop and what stands on it, and
 * the way from options to a host. An option that a command does not have is as if it was not given.
 *
 * Threads: core. Yields: never, but for process_run().
 */
struct kube_config;
struct kube_config_options;
struct process { /* closed in reverse order */
    struct loop *loop;
    struct kube_config *config;
    struct http_transport *transports[3]; /* watches, calls, fetches */
    char *script_config;
    char *service, *secret; /* of webhooks, when they are defaults */
    char identity[128], instance[64];
    struct log log;
};
/* Checks the command line and opens everything but the config; then `serve`, which says by whom the
 * host is told where its cluster is, and runs it. The exit code. */
int process_start(const struct command_context *context, const struct options *options,
                  int (*serve)(struct process *process, const struct command_context *context,
                               const struct options *options, const char *const *folders));
/* For `serve`. */
int process_connect(struct process *process, const struct kube_config_options *where,
                    struct error *err);
/* Runs a host until its end; the exit code. `observer` may be NULL. */
int process_run(struct process *process, const struct command_context *context,
                const struct options *options, const char *const *folders,
                const struct observer *observer);

/* Rows of the option tables. */
/* clang-format off */
#define PROCESS_OPTIONS_SERVING \
    {"namespace", OPTION_NAMESPACES, "NAME", NULL, NULL, \
     "watch this namespace only; may be repeated"}, \
    {"workers", OPTION_NUMBER, "N", "2", NULL, "threads that run Lua"}, \
    {"metrics-bind-address", OPTION_TEXT, "ADDR", "127.0.0.1:8080", NULL, \
     "/metrics; 0 turns it off"}, \
    {"health-probe-bind-address", OPTION_TEXT, "ADDR", "127.0.0.1:8081", NULL, \
     "/healthz, /readyz; 0 turns it off"}, \
    {"log-format", OPTION_TEXT, "FORMAT", "human", "human|json", "how lines look"}, \
    {"log-level", OPTION_TEXT, "LEVEL", "info", "debug|info|warn|error", "the least level shown"}, \
    {"strict", OPTION_FLAG, NULL, "false", NULL, \
     "exit 1 when a file cannot be loaded at the start"}, \
    {"crd-update", OPTION_TEXT, "MODE", "safe", "safe|any", "may an update of a CRD narrow it?"}

#define PROCESS_OPTIONS_SCRIPTS \
    OPTION_SET, \
    {"config-map", OPTION_REF, "NS/NAME", NULL, NULL, \
     "ConfigMap with config values, followed as it changes"}, \
    OPTION_CONFIG, \
    {"lua-memory", OPTION_SIZE, "SIZE", "64MB", NULL, "memory per controller file"}, \
    {"lua-cpu", OPTION_DURATION, "TIME", "1s", NULL, "CPU time of a handler between two waits"}, \
    {"reload-grace", OPTION_DURATION, "TIME", "10s", NULL, \
     "how long old calls may go on after a reload"}, \
    {"watch-files", OPTION_FLAG, NULL, "true", NULL, "load files anew when they change"}, \
    OPTIONS_END
/* clang-format on */

#endif
