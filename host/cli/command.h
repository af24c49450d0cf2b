#ifndef MOONLET_CLI_COMMAND_H
#define MOONLET_CLI_COMMAND_H

#include "cli/options.h"
#include "runtime/script_engine.h"

/*
 * Commands: what `moonlet` can be told to do; one file each.
 *
 * Exit codes: 0 ok, 1 failed, 2 usage, 3 lease lost.
 * Threads: the main one; a command returns when it is done.
 */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_LEASE_LOST = 3 };

/* What main.c brings: the real clock, transport and engine. */
struct command_context {
    const struct clock *clock;
    uint64_t seed;
    const struct script_engine_type *engine;
    struct http_transport *(*open_transport)(struct loop *loop, struct error *err);
    char **env;
};

extern const struct command command_run, command_dev, command_check, command_test, command_crds,
    command_rbac, command_new, command_migrate, command_version, command_help, command_completion;
extern const struct command *const commands[]; /* NULL-terminated */

/* The whole program. Returns the exit code. */
int cli_main(const struct command_context *context, int argc, char **argv);

/* "moonlet: ..." on stderr; returns EXIT_FAILED or EXIT_USAGE. */
int cli_fail(const struct error *err);
int cli_usage(const struct command *command, const struct error *err);

/* The folders a command was given; NULL and a usage message when there are none. */
const char *const *cli_folders(const struct options *options);

/* --namespace of run and rbac; NULL-terminated, NULL: all. */
char *const *cli_namespaces(const struct options *options);

/* --set name.key=value and moonlet.yaml's `config` as one JSON object, to be mem_free'd. NULL:
 * INVALID (not UTF-8), NOMEM; *err tells. */
char *cli_script_config(const struct options *options, struct error *err);

#endif
