#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/command.h"

const struct command *const commands[] = {&command_run,  &command_dev,        &command_check,
                                          &command_test, &command_crds,       &command_rbac,
                                          &command_new,  &command_migrate,    &command_version,
                                          &command_help, &command_completion, NULL};

int cli_fail(const struct error *err) {
    fprintf(stderr, "moonlet: %s\n", err->message);
    return EXIT_FAILED;
}

int cli_usage(const struct command *command, const struct error *err) {
    fprintf(stderr, "moonlet %s: %s\nTry: moonlet help %s\n", command->name, err->message,
            command->name);
    return EXIT_USAGE;
}

const char *const *cli_folders(const struct options *options) {
    if (options->argument_count > 0)
        return options->arguments;
    struct error err;
    error_set(&err, ERROR_INVALID, "which folder? moonlet %s %s", options->command->name,
              options->command->arguments);
    cli_usage(options->command, &err);
    return NULL;
}

char *const *cli_namespaces(const struct options *options) {
    return (char *const *)(uintptr_t)option_list(options, "namespace");
}

static bool is_setting(const char *text) {
    const char *equals = strchr(text, '='), *dot = strchr(text, '.');
    return equals && dot && dot < equals && dot > text && dot + 1 < equals;
}

static int check_settings(const struct options *options, struct error *err) {
    for (const char *const *one = option_list(options, "set"); one && *one; one++)
        if (!is_setting(*one))
            return error_set(err, ERROR_INVALID, "--set %s: written controller.key=value", *one);
    return 0;
}

/* A value that is JSON (80, true) is that, anything else a string. */
static int add_setting(json_t *root, const char *text, struct error *err) {
    const char *equals = strchr(text, '='), *dot = strchr(text, '.');
    CLEANUP(mem_freep) char *name = mem_strndup(text, (size_t)(dot - text));
    CLEANUP(mem_freep) char *key = mem_strndup(dot + 1, (size_t)(equals - dot - 1));
    json_t *value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        value = json_string(equals + 1);
    if (name == NULL || key == NULL || value == NULL) {
        json_decref(value);
        return error_set(err, ERROR_INVALID, "--set %s: not UTF-8, or no memory", text);
    }
    if (json_object_get(root, name) == NULL)
        json_object_set_new(root, name, json_object());
    json_object_set_new(json_object_get(root, name), key, value);
    return 0;
}

char *cli_script_config(const struct options *options, struct error *err) {
    json_t *root =
        options->script_config ? json_loads(options->script_config, 0, NULL) : json_object();
    int rc = root ? 0 : error_set(err, ERROR_NOMEM, "no memory for settings");
    for (const char *const *one = option_list(options, "set"); rc == 0 && one && *one; one++)
        rc = add_setting(root, *one, err);
    char *text = rc == 0 ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    char *copy = mem_strdup(text);
    free(text);
    json_decref(root);
    return copy;
}

static int unknown_command(const char *name) {
    const char *names[16];
    size_t count = 0;
    for (; commands[count]; count++)
        names[count] = commands[count]->name;
    const char *near = str_nearest(name, names, count);
    fprintf(stderr, "moonlet: unknown command \"%s\"%s%s%s\nTry: moonlet help\n", name,
            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return EXIT_USAGE;
}

static int run_command(const struct command_context *context, const struct command *command,
                       int argc, char **argv) {
    struct options options;
    struct error err;
    int exit_code;
    if (options_parse(&options, command, argc, argv, context->env, &err) < 0 ||
        check_settings(&options, &err) < 0) {
        exit_code = cli_usage(command, &err);
    } else if (option_flag(&options, "help")) {
        struct strbuf page = {0};
        options_help(command, &page);
        fputs(page.data ? page.data : "", stdout);
        strbuf_finish(&page);
        exit_code = EXIT_OK;
    } else {
        exit_code = command->run(context, &options);
    }
    options_finish(&options);
    return exit_code;
}

/* What was printed must have arrived: a full disk would leave half a list of permissions. */
static int end_output(int exit_code) {
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !failed)
        return exit_code;
    fprintf(stderr, "moonlet: standard output: %s\n", strerror(errno));
    return exit_code == EXIT_OK ? EXIT_FAILED : exit_code;
}

int cli_main(const struct command_context *context, int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return end_output(run_command(context, commands[i], argc > 2 ? argc - 2 : 0, argv + 2));
    return unknown_command(name);
}
