#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/file.h"

static const struct option_spec *find_spec(const struct command *command, struct str name) {
    for (const struct option_spec *spec = command->specs; spec->name; spec++)
        if (str_is(name, spec->name))
            return spec;
    return NULL;
}

static const char *nearest_option(const struct command *command, const char *name) {
    const char *names[64];
    size_t count = 0;
    for (const struct option_spec *spec = command->specs; spec->name && count < 64; spec++)
        names[count++] = spec->name;
    return str_nearest(name, names, count);
}

static bool parse_size(const char *text, uint64_t *ret) {
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {
        {"", 1},         {"B", 1},       {"KB", 1000},     {"MB", 1000000}, {"GB", 1000000000},
        {"K", 1024},     {"M", 1 << 20}, {"G", 1 << 30},   {"Ki", 1024},    {"Mi", 1 << 20},
        {"Gi", 1 << 30}, {"KiB", 1024},  {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *text == '-')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].unit) == 0 && value < (1ull << 62) / units[i].bytes) {
            *ret = value * units[i].bytes;
            return true;
        }
    return false;
}

static bool is_choice(const char *choices, const char *value) {
    size_t len = strlen(value);
    for (const char *at = choices; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return len > 0;
    }
    return false;
}

/* What the API server takes: a namespace is a label, other names may have dots. */
static bool is_name(struct str text, bool dots) {
    char before = '.';
    for (size_t i = 0; i < text.len; before = text.data[i++]) {
        char c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool dash = c == '-' && before != '.', dot = c == '.' && before != '.' && before != '-';
        if (!plain && !dash && !(dots && dot))
            return false;
    }
    return before != '.' && before != '-' && text.len <= (dots ? 253 : 63);
}

static bool is_ref(const char *value) {
    const char *slash = strchr(value, '/');
    return slash && is_name(str_n(value, (size_t)(slash - value)), /* dots= */ false) &&
           is_name(str_of(slash + 1), /* dots= */ true);
}

static const char *expected(const struct option_spec *spec, const char *value) {
    uint64_t number;
    int64_t whole;
    switch (spec->type) {
    case OPTION_NAMESPACE:
    case OPTION_NAMESPACES:
        return is_name(str_of(value), /* dots= */ false) ? NULL : "the name of a namespace";
    case OPTION_REF:
        return is_ref(value) ? NULL : "a namespace and a name, NS/NAME";
    case OPTION_FLAG:
        return is_choice("true|false|1|0", value) ? NULL : "true or false";
    case OPTION_DURATION:
        return clock_parse_duration(value, strlen(value), &number) == 0
                   ? NULL
                   : "a duration such as 10s or 1m30s";
    case OPTION_SIZE:
        return parse_size(value, &number) ? NULL : "a size such as 64MB";
    case OPTION_NUMBER:
        return str_to_int64(str_of(value), &whole) && whole >= 0 ? NULL : "a number of 0 or more";
    default:
        return spec->choices == NULL || is_choice(spec->choices, value) ? NULL : spec->choices;
    }
}

bool option_repeats(const struct option_spec *spec) {
    return spec->type == OPTION_LIST || spec->type == OPTION_NAMESPACES;
}

static struct option_values *values_of(const struct options *options, const char *name) {
    return map_get(&options->values, str_of(name));
}

static int push(const char ***items, size_t *count, size_t *cap, const char *text) {
    if (mem_grow(items, cap, *count + 2, sizeof(char *)) < 0)
        return ERROR_NOMEM;
    (*items)[(*count)++] = text;
    (*items)[*count] = NULL;
    return 0;
}

/* A source that comes later does not add to one that came before. */
int options_add(struct options *options, const struct option_spec *spec, const char *value,
                const char *source, struct error *err) {
    const char *wanted = expected(spec, value);
    if (wanted)
        return error_set(
            err, ERROR_INVALID, "%s%s: \"%s\" is not %s%s", source,
            strcmp(source, "--") == 0 || str_ends_with(str_of(source), ": ") ? spec->name : "",
            value, spec->choices ? "one of " : "", wanted);
    struct option_values *values = values_of(options, spec->name);
    if (values == NULL) {
        values = mem_zalloc(sizeof *values);
        if (values == NULL || map_set(&options->values, str_of(spec->name), values, NULL) < 0) {
            mem_free(values);
            return error_set(err, ERROR_NOMEM, "no memory for options");
        }
        values->source = source;
    }
    if (values->source != source)
        return 0;
    if (!option_repeats(spec))
        values->count = 0;
    if (push(&values->items, &values->count, &values->cap, value) < 0)
        return error_set(err, ERROR_NOMEM, "no memory for options");
    return 0;
}

static int unknown(const struct options *options, const char *name, struct error *err) {
    const char *near = nearest_option(options->command, name);
    return error_set(err, ERROR_INVALID, "unknown option --%s%s%s%s", name,
                     near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

/* One "--name=value", "--name value" or flag. Returns how many words it took, or < 0. */
static int read_option(struct options *options, int left, char **words, struct error *err) {
    const char *text = words[0] + 2, *equals = strchr(text, '=');
    struct str name = str_n(text, equals ? (size_t)(equals - text) : strlen(text));
    const struct option_spec *spec = find_spec(options->command, name);
    if (spec == NULL) {
        CLEANUP(mem_freep) char *copy = mem_strndup(name.data, name.len);
        return unknown(options, copy ? copy : text, err);
    }
    const char *value = equals ? equals + 1 : NULL;
    int took = 1;
    if (value == NULL && spec->type == OPTION_FLAG) {
        value = "true";
    } else if (value == NULL) {
        if (left < 2)
            return error_set(err, ERROR_INVALID, "--%s needs a value: --%s=%s", spec->name,
                             spec->name, spec->argument);
        value = words[1];
        took = 2;
    }
    int rc = options_add(options, spec, value, "--", err);
    return rc < 0 ? rc : took;
}

static int read_arguments(struct options *options, int argc, char **argv, struct error *err) {
    bool only_arguments = false;
    for (int i = 0; i < argc;) {
        int took = 1;
        if (!only_arguments && strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else if (!only_arguments && strcmp(argv[i], "-h") == 0)
            argv[i] = (char *)"--help", took = 0;
        else if (!only_arguments && strncmp(argv[i], "--", 2) == 0)
            took = read_option(options, argc - i, argv + i, err);
        else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0')
            return error_set(err, ERROR_INVALID, "unknown option %s; options are written --name",
                             argv[i]);
        else if (push(&options->arguments, &options->argument_count, &options->cap, argv[i]) < 0)
            return error_set(err, ERROR_NOMEM, "no memory for options");
        if (took < 0)
            return took;
        i += took;
    }
    return 0;
}

/* MOONLET_LOG_LEVEL for --log-level. */
static const char *from_environment(const struct option_spec *spec, char **env) {
    static const char prefix[] = "MOONLET_";
    for (; env && *env; env++) {
        const char *at = *env, *name = spec->name;
        if (strncmp(at, prefix, sizeof prefix - 1) != 0)
            continue;
        for (at += sizeof prefix - 1; *name; name++, at++)
            if (*at != (*name == '-' ? '_' : toupper((unsigned char)*name)))
                break;
        if (*name == '\0' && *at == '=')
            return at + 1;
    }
    return NULL;
}

static int read_environment(struct options *options, char **env, struct error *err) {
    for (const struct option_spec *spec = options->command->specs; spec->name; spec++) {
        const char *value = from_environment(spec, env);
        if (value == NULL || *value == '\0')
            continue;
        if (options_add(options, spec, value, "environment: ", err) < 0)
            return err->code;
    }
    return 0;
}

int options_parse(struct options *options, const struct command *command, int argc, char **argv,
                  char **env, struct error *err) {
    *options = (struct options){.command = command};
    int rc = read_arguments(options, argc, argv, err);
    if (rc == 0)
        rc = read_environment(options, env, err);
    if (rc == 0 && find_spec(command, str_of("config")) && !option_flag(options, "help"))
        rc = options_read_file(options, err);
    return rc;
}

void options_finish(struct options *options) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&options->values, &at));) {
        struct option_values *values = entry->value;
        mem_free(values->items);
        mem_free(values);
    }
    map_finish(&options->values);
    for (size_t i = 0; i < options->owned_count; i++)
        mem_free(options->owned[i]);
    mem_free(options->owned);
    mem_free(options->arguments);
    mem_free(options->script_config);
    *options = (struct options){0};
}

const char *option_text(const struct options *options, const char *name) {
    const struct option_values *values = values_of(options, name);
    if (values && values->count > 0)
        return values->items[0];
    const struct option_spec *spec = find_spec(options->command, str_of(name));
    return spec ? spec->fallback : NULL;
}

bool option_flag(const struct options *options, const char *name) {
    const char *text = option_text(options, name);
    return text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

uint64_t option_duration(const struct options *options, const char *name) {
    const char *text = option_text(options, name);
    uint64_t ns = 0;
    if (text)
        clock_parse_duration(text, strlen(text), &ns);
    return ns;
}

uint64_t option_size(const struct options *options, const char *name) {
    const char *text = option_text(options, name);
    uint64_t bytes = 0;
    if (text)
        parse_size(text, &bytes);
    return bytes;
}

uint64_t option_number(const struct options *options, const char *name) {
    const char *text = option_text(options, name);
    return text ? strtoull(text, NULL, 10) : 0;
}

const char *const *option_list(const struct options *options, const char *name) {
    const struct option_values *values = values_of(options, name);
    return values && values->count > 0 ? values->items : NULL;
}

bool option_given(const struct options *options, const char *name) {
    return values_of(options, name) != NULL;
}

void options_help(const struct command *command, struct strbuf *out) {
    strbuf_printf(out, "%s\n\nUsage: moonlet %s%s%s%s\n", command->summary, command->name,
                  command->specs->name ? " [options]" : "", *command->arguments ? " " : "",
                  command->arguments);
    if (command->description)
        strbuf_printf(out, "\n%s\n", command->description);
    strbuf_adds(out, "\nOptions:\n");
    for (const struct option_spec *spec = command->specs; spec->name; spec++) {
        CLEANUP(mem_freep)
        char *left = mem_printf("--%s%s%s", spec->name, spec->argument ? "=" : "",
                                spec->argument ? spec->argument : "");
        strbuf_printf(out, "  %-34s %s", left ? left : spec->name, spec->help);
        if (spec->choices)
            strbuf_printf(out, " (%s)", spec->choices);
        if (spec->fallback)
            strbuf_printf(out, " [%s]", spec->fallback);
        strbuf_addc(out, '\n');
    }
}
