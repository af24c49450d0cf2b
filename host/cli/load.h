#ifndef MOONLET_CLI_LOAD_H
#define MOONLET_CLI_LOAD_H

#include "addon/declaration.h"
#include "cli/command.h"
#include "runtime/source.h"

/*
 * Loading without a cluster: what check, crds and rbac share.
 *
 * Is:      an engine on the caller's thread, every file loaded and its declaration read.
 * Threads: the caller's. Yields: never.
 */
struct loaded { /* one file */
    const struct script_source *source;
    struct script *script;           /* NULL when it failed */
    struct declaration *declaration; /* NULL when it failed */
    struct error error;              /* code 0 = none */
};

struct loader;
/* Scans and loads. NULL: NOT_FOUND (a folder), INVALID (--set for a name that no file defines; not
 * checked when a file failed), NOMEM. Files that fail are in the list. */
struct loader *loader_open(const struct command_context *context, const struct options *options,
                           const char *const *folders, struct error *err);
size_t loader_count(const struct loader *loader);
const struct loaded *loader_at(const struct loader *loader, size_t index);
/* Prints each failure; how many there were. */
size_t loader_print_errors(const struct loader *loader);
const char *loader_config(const struct loader *loader); /* JSON, as cli_script_config() */
void loader_close(struct loader *loader);               /* NULL is fine */

#endif
