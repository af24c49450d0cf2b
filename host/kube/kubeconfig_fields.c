#include <string.h>

#include "base/mem.h"
#include "kube/base64.h"
#include "kube/kubeconfig_internal.h"

int kubeconfig_no_memory(struct merge *m) {
    return error_set(m->err, ERROR_NOMEM, "no memory for the kubeconfig");
}

int kubeconfig_bad(struct merge *m, const struct entry *e, const char *field, const char *why) {
    return error_set(m->err, ERROR_INVALID, "kubeconfig '%s': %s '%s': %s %s", e->file->path,
                     e->list, e->name, field, why);
}

int kubeconfig_get_text(struct merge *m, const struct entry *e, const json_t *object,
                        const char *field, char **ret) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return kubeconfig_bad(m, e, field, "must be text");
    if (json_string_length(value) == 0)
        return 0;
    *ret = mem_strdup(json_string_value(value));
    return *ret ? 0 : kubeconfig_no_memory(m);
}

int kubeconfig_make_absolute(struct merge *m, const struct entry *e, char **path) {
    const char *slash = strrchr(e->file->path, '/');
    if (*path == NULL || **path == '/' || slash == NULL)
        return 0;
    char *whole = mem_printf("%.*s/%s", (int)(slash - e->file->path), e->file->path, *path);
    if (whole == NULL)
        return kubeconfig_no_memory(m);
    mem_free(*path);
    *path = whole;
    return 0;
}

int kubeconfig_get_path(struct merge *m, const struct entry *e, const char *field, char **ret) {
    int rc = kubeconfig_get_text(m, e, e->body, field, ret);
    return rc < 0 ? rc : kubeconfig_make_absolute(m, e, ret);
}

int kubeconfig_get_bool(struct merge *m, const struct entry *e, const json_t *object,
                        const char *field, bool *ret) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return kubeconfig_bad(m, e, field, "must be true or false");
    *ret = json_is_true(value);
    return 0;
}

int kubeconfig_get_data(struct merge *m, const struct entry *e, const char *field, char **ret) {
    char *text = NULL;
    int rc = kubeconfig_get_text(m, e, e->body, field, &text);
    if (rc < 0 || text == NULL)
        return rc;
    struct strbuf out = {0};
    if (!base64_decode(text, &out))
        rc = kubeconfig_bad(m, e, field, "is not base64");
    else if (memchr(out.data ? out.data : "", '\0', out.len))
        rc = kubeconfig_bad(m, e, field, "is not PEM");
    else if ((*ret = strbuf_take(&out)) == NULL)
        rc = kubeconfig_no_memory(m);
    explicit_bzero(text, strlen(text));
    mem_free(text);
    strbuf_finish(&out);
    return rc;
}

int kubeconfig_get_list(struct merge *m, const struct entry *e, const json_t *object,
                        const char *field, char ***ret) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return kubeconfig_bad(m, e, field, "must be a list");
    *ret = mem_calloc(json_array_size(value) + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));
        if (text == NULL)
            return kubeconfig_bad(m, e, field, "must be a list of texts");
        if (((*ret)[i] = mem_strdup(text)) == NULL)
            return kubeconfig_no_memory(m);
    }
    return *ret ? 0 : kubeconfig_no_memory(m);
}

int kubeconfig_get_env(struct merge *m, const struct entry *e, const json_t *exec, char ***ret) {
    const json_t *list = json_object_get(exec, "env");
    size_t count = json_array_size(list);
    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return kubeconfig_bad(m, e, "exec.env", "must be a list");
    *ret = mem_calloc(count + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *value = json_string_value(json_object_get(item, "value"));
        if (name == NULL || *name == '\0' || value == NULL)
            return kubeconfig_bad(m, e, "exec.env", "needs name and value");
        if (((*ret)[i] = mem_printf("%s=%s", name, value)) == NULL)
            return kubeconfig_no_memory(m);
    }
    return *ret ? 0 : kubeconfig_no_memory(m);
}
