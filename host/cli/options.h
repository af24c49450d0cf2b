#ifndef MOONLET_CLI_OPTIONS_H
#define MOONLET_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/map.h"
#include "base/str.h"

/*
 * Options: one table per command says what it takes; parsing, help, completion and the man page all
 * read it.
 *
 * Sources: flags, then MOONLET_<NAME> in the environment, then moonlet.yaml (keys are flag names),
 * then the default. The first that has a value wins. Threads: one owner. Yields: never.
 */
enum option_type {
    OPTION_FLAG, /* --once, --once=false */
    OPTION_TEXT,
    OPTION_LIST,       /* may be repeated */
    OPTION_NAMESPACE,  /* a DNS label */
    OPTION_NAMESPACES, /* may be repeated */
    OPTION_REF,        /* "namespace/name" */
    OPTION_DURATION,
    OPTION_SIZE, /* "64MB", "512KiB", bytes */
    OPTION_NUMBER
};

struct option_spec {
    const char *name; /* "log-level"; NULL ends the table */
    enum option_type type;
    const char *argument; /* "LEVEL", for help; NULL for flags */
    const char *fallback; /* text, or NULL */
    const char *choices;  /* "human|json", or NULL */
    const char *help;     /* one line */
};

/* Rows that several commands have; each table ends with OPTIONS_END. */
/* clang-format off */
#define OPTION_SET \
    {"set", OPTION_LIST, "NAME.KEY=VALUE", NULL, NULL, \
     "a config value of a controller; may be repeated"}
#define OPTION_CONFIG \
    {"config", OPTION_TEXT, "FILE", NULL, NULL, "settings file; else ./moonlet.yaml if it is there"}
#define OPTIONS_END \
    {"help", OPTION_FLAG, NULL, NULL, NULL, "this page"}, \
    {NULL, OPTION_FLAG, NULL, NULL, NULL, NULL}
/* clang-format on */

struct options;
struct command_context;
struct command {
    const char *name, *arguments, *summary, *description;
    const struct option_spec *specs;
    int (*run)(const struct command_context *context, struct options *options);
};

struct option_values {
    const char **items; /* NULL-terminated; texts are owned by the options or argv */
    size_t count, cap;
    const char *source; /* "--flag", "MOONLET_X", "moonlet.yaml:", or NULL for the default */
};

struct options {
    const struct command *command;
    struct map values;      /* name -> struct option_values * */
    const char **arguments; /* what is not an option; NULL-terminated */
    size_t argument_count, cap;
    char **owned; /* texts from the file */
    size_t owned_count, owned_cap;
    char *script_config; /* JSON of moonlet.yaml's `config`, or NULL */
};

/* Reads argv (without program and command name), the environment and, when the command has
 * --config, the file it names or ./moonlet.yaml. 0; INVALID (unknown option: names the closest;
 * wrong value: says what is expected and where it stands), NOMEM. */
int options_parse(struct options *options, const struct command *command, int argc, char **argv,
                  char **env, struct error *err);
void options_finish(struct options *options);

/* The value, or its default; NULL (0, false) when there is neither. The types were checked. */
const char *option_text(const struct options *options, const char *name);
bool option_flag(const struct options *options, const char *name);
uint64_t option_duration(const struct options *options, const char *name); /* ns */
uint64_t option_size(const struct options *options, const char *name);     /* bytes */
uint64_t option_number(const struct options *options, const char *name);
const char *const *option_list(const struct options *options, const char *name); /* or NULL */
bool option_given(const struct options *options, const char *name); /* not the default */
bool option_repeats(const struct option_spec *spec);

/* The help page of a command. */
void options_help(const struct command *command, struct strbuf *out);

#endif
