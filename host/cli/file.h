#ifndef MOONLET_CLI_FILE_H
#define MOONLET_CLI_FILE_H

#include "cli/options.h"

/*
 * Settings in a file: moonlet.yaml. Threads: the main one. Yields: never.
 */

/* Reads moonlet.yaml into the options: --config names it; ./moonlet.yaml is read when it is there.
 * Keys are flag names; `config` holds the controllers' values. 0, NOT_FOUND, INVALID, NOMEM. */
int options_read_file(struct options *options, struct error *err);

/* For file.c: one value of a source; later sources do not override earlier ones. */
int options_add(struct options *options, const struct option_spec *spec, const char *value,
                const char *source, struct error *err);

#endif
