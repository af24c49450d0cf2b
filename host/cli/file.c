#include "cli/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/command.h"
#include "yaml/yaml.h"

enum { MOST_BYTES = 1 << 20 };

static int read_whole(const char *path, bool must, struct strbuf *ret, struct error *err) {
    if (fd_read_file(path, MOST_BYTES, ret) == 0 || (errno == ENOENT && !must))
        return 0;
    int code = errno == ENOENT   ? ERROR_NOT_FOUND
               : errno == EACCES ? ERROR_FORBIDDEN
               : errno == ENOMEM ? ERROR_NOMEM
                                 : ERROR_INVALID;
    return error_set(err, code, "%s: %s", path, strerror(errno));
}

/* The options keep the text. */
static const char *own(struct options *options, char *text) {
    if (text == NULL ||
        mem_grow(&options->owned, &options->owned_cap, options->owned_count + 1, sizeof text) < 0) {
        mem_free(text);
        return NULL;
    }
    return options->owned[options->owned_count++] = text;
}

static int add_scalar(struct options *options, const struct option_spec *spec, const json_t *value,
                      const char *path, const char *source, struct error *err) {
    char *text = json_is_string(value)    ? mem_strdup(json_string_value(value))
                 : json_is_boolean(value) ? mem_strdup(json_is_true(value) ? "true" : "false")
                 : json_is_integer(value) ? mem_printf("%lld", (long long)json_integer_value(value))
                 : json_is_real(value)    ? mem_printf("%g", json_real_value(value))
                                          : NULL;
    if (text == NULL)
        return error_set(err, ERROR_INVALID, "%s: %s must be a plain value", path, spec->name);
    const char *kept = own(options, text);
    return kept ? options_add(options, spec, kept, source, err)
                : error_set(err, ERROR_NOMEM, "%s: no memory", path);
}

/* moonlet.yaml is one file for all commands: `check` passes over what is `run`'s. */
static bool other_command_knows(const char *key) {
    for (size_t i = 0; commands[i]; i++)
        for (const struct option_spec *spec = commands[i]->specs; spec->name; spec++)
            if (strcmp(spec->name, key) == 0)
                return true;
    return false;
}

static int add_key(struct options *options, const char *key, json_t *value, const char *path,
                   const char *source, struct error *err) {
    const struct option_spec *spec = options->command->specs;
    const char *names[64];
    size_t count = 0;
    for (; spec->name && strcmp(spec->name, key) != 0; spec++)
        if (count < 64)
            names[count++] = spec->name;
    if (spec->name == NULL && other_command_knows(key))
        return 0;
    if (spec->name == NULL) {
        const char *near = str_nearest(key, names, count);
        return error_set(err, ERROR_INVALID, "%s: unknown key %s%s%s%s", path, key,
                         near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    if (!json_is_array(value))
        return add_scalar(options, spec, value, path, source, err);
    if (!option_repeats(spec))
        return error_set(err, ERROR_INVALID, "%s: %s takes one value, not a list", path, key);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++)
        rc = add_scalar(options, spec, json_array_get(value, i), path, source, err);
    return rc;
}

static int keep_config(struct options *options, json_t *config, const char *path,
                       struct error *err) {
    const char *name;
    json_t *values;
    if (!json_is_object(config))
        return error_set(err, ERROR_INVALID, "%s: config must be a map of controller names", path);
    json_object_foreach(config, name, values) {
        if (!json_is_object(values))
            return error_set(err, ERROR_INVALID, "%s: config.%s must be a map of values", path,
                             name);
    }
    char *text = json_dumps(config, JSON_COMPACT);
    options->script_config = mem_strdup(text);
    free(text);
    return options->script_config ? 0 : error_set(err, ERROR_NOMEM, "%s: no memory", path);
}

int options_read_file(struct options *options, struct error *err) {
    const char *given = option_text(options, "config"), *path = given ? given : "moonlet.yaml";
    struct strbuf text = {0};
    int rc = read_whole(path, given != NULL, &text, err);
    json_t *root = rc == 0 && text.len > 0 ? yaml_load(text.data, text.len, err) : NULL;
    if (rc == 0 && text.len > 0 && root == NULL)
        rc = error_prefix(err, "%s", path);
    if (rc == 0 && root && !json_is_object(root) && !json_is_null(root))
        rc = error_set(err, ERROR_INVALID, "%s: a map of settings expected", path);
    const char *key, *source = rc == 0 ? own(options, mem_printf("%s: ", path)) : NULL;
    json_t *value;
    if (rc == 0 && source == NULL)
        rc = error_set(err, ERROR_NOMEM, "%s: no memory", path);
    if (json_is_object(root)) {
        json_object_foreach(root, key, value) {
            if (rc < 0)
                break;
            rc = strcmp(key, "config") == 0 ? keep_config(options, value, path, err)
                                            : add_key(options, key, value, path, source, err);
        }
    }
    json_decref(root);
    strbuf_finish(&text);
    return rc;
}
