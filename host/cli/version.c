#include <stdio.h>

#include "cli/command.h"

static const struct option_spec specs[] = {
    OPTIONS_END,
};

static int version(const struct command_context *context, struct options *options) {
    (void)options;
    printf("moonlet %s (%s)\n", MOONLET_VERSION, context->engine->name);
    return EXIT_OK;
}

static int help(const struct command_context *context, struct options *options) {
    struct strbuf page = {0};
    (void)context;
    for (size_t i = 0; options->argument_count > 0 && commands[i]; i++)
        if (str_is(str_of(options->arguments[0]), commands[i]->name)) {
            options_help(commands[i], &page);
            fputs(page.data ? page.data : "", stdout);
            strbuf_finish(&page);
            return EXIT_OK;
        }
    if (options->argument_count > 0) {
        fprintf(stderr, "moonlet: there is no command \"%s\"\n", options->arguments[0]);
        return EXIT_USAGE;
    }
    printf("moonlet hosts Kubernetes controllers written in Lua.\n\nCommands:\n");
    for (size_t i = 0; commands[i]; i++)
        printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nStart with: moonlet new hello && moonlet dev controllers\n"
           "More about one: moonlet help run\n");
    return EXIT_OK;
}

const struct command command_version = {"version", "", "Prints the version.", NULL, specs, version};
const struct command command_help = {"help", "[COMMAND]", "Explains a command.", NULL, specs, help};
