#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct option_spec specs[] = {
    OPTIONS_END,
};

static void print_names(const char *separator) {
    for (size_t i = 0; commands[i]; i++)
        printf("%s%s", i ? separator : "", commands[i]->name);
}

static void print_options(const struct command *command, const char *separator) {
    for (const struct option_spec *spec = command->specs; spec->name; spec++)
        printf("%s--%s%s", spec == command->specs ? "" : separator, spec->name,
               spec->argument ? "=" : "");
}

static void bash(void) {
    printf("_moonlet() {\n  local word=${COMP_WORDS[COMP_CWORD]} options=\n"
           "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '");
    print_names(" ");
    printf("' -- \"$word\")); return\n  fi\n  case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; commands[i]; i++) {
        printf("    %s) options='", commands[i]->name);
        print_options(commands[i], " ");
        printf("' ;;\n");
    }
    printf("  esac\n  case $word in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
           "        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace ;;\n"
           "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}\n"
           "complete -F _moonlet moonlet\n");
}

static void print_escaped(const char *text) {
    for (; *text; text++)
        printf("%s%c", *text == '\'' ? "'\\'" : "", *text);
}

static void zsh(void) {
    printf("#compdef moonlet\n_moonlet() {\n  local -a names=(");
    for (size_t i = 0; commands[i]; i++)
        printf("\n    '%s:%s'", commands[i]->name, commands[i]->summary);
    printf(")\n  if (( CURRENT == 2 )); then _describe command names; return; fi\n"
           "  local -a options\n  case $words[2] in\n");
    for (size_t i = 0; commands[i]; i++) {
        printf("    %s) options=(", commands[i]->name);
        print_options(commands[i], " ");
        printf(") ;;\n");
    }
    printf("  esac\n  compadd -- $options\n  _files\n}\n_moonlet \"$@\"\n");
}

static void fish(void) {
    for (size_t i = 0; commands[i]; i++) {
        printf("complete -c moonlet -n __fish_use_subcommand -a %s -d '", commands[i]->name);
        print_escaped(commands[i]->summary);
        printf("'\n");
        for (const struct option_spec *spec = commands[i]->specs; spec->name; spec++) {
            printf("complete -c moonlet -n '__fish_seen_subcommand_from %s' -l %s%s -d '",
                   commands[i]->name, spec->name, spec->argument ? " -r" : "");
            print_escaped(spec->help);
            printf("'\n");
        }
    }
}

static int completion(const struct command_context *context, struct options *options) {
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    (void)context;
    for (size_t i = 0; options->argument_count == 1 && i < 3; i++)
        if (strcmp(options->arguments[0], shells[i].shell) == 0) {
            shells[i].print();
            return EXIT_OK;
        }
    struct error err;
    error_set(&err, ERROR_INVALID, "for which shell? bash, zsh or fish");
    return cli_usage(options->command, &err);
}

const struct command command_completion = {
    "completion",
    "bash|zsh|fish",
    "Prints a completion script for a shell.",
    "bash: source <(moonlet completion bash)\n"
    "zsh:  moonlet completion zsh > \"${fpath[1]}/_moonlet\"\n"
    "fish: moonlet completion fish > ~/.config/fish/completions/moonlet.fish",
    specs,
    completion};
