#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "kube/kubeconfig_internal.h"
#include "yaml/yaml.h"

static int load(struct file *file, struct str text, struct error *err) {
    file->root = yaml_load(text.data, text.len, err);
    if (file->root == NULL) {
        if (err && err->code == ERROR_REJECTED)
            err->code = ERROR_INVALID;
        error_prefix(err, "kubeconfig '%s'", file->path);
        return err ? err->code : ERROR_INVALID;
    }
    if (!json_is_object(file->root) && !json_is_null(file->root))
        return error_set(err, ERROR_INVALID, "kubeconfig '%s': not a map", file->path);
    return 0;
}

/* 0: there is none. */
static int refuse_file(struct merge *m, const char *path, int why) {
    if (why == ENOENT || why == ENOTDIR)
        return 0;
    if (why == ENOMEM)
        return kubeconfig_no_memory(m);
    return error_set(m->err, ERROR_INVALID, "kubeconfig '%s': %s", path, strerror(why));
}

static int read_one(struct merge *m, const char *path, size_t len) {
    struct file *file = &m->files[m->count];
    struct strbuf text = {0};
    int rc;
    file->path = mem_strndup(path, len);
    if (file->path == NULL)
        return kubeconfig_no_memory(m);
    if (fd_read_file(file->path, FILE_MAX, &text) == 0) {
        m->count++;
        rc = load(file, strbuf_view(&text), m->err);
    } else {
        rc = refuse_file(m, file->path, errno);
        mem_free(file->path);
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    strbuf_finish(&text);
    return rc;
}

static int read_files(struct merge *m, const char *paths) {
    int rc = 0;
    for (const char *at = paths; rc == 0 && *at;) {
        size_t len = strcspn(at, ":");
        if (len && m->count == FILES_MAX)
            return error_set(m->err, ERROR_INVALID, "more than %d kubeconfig files", FILES_MAX);
        if (len)
            rc = read_one(m, at, len);
        at += len + (at[len] == ':');
    }
    if (rc == 0 && m->count == 0)
        return error_set(m->err, ERROR_NOT_FOUND, "no kubeconfig at '%s'", paths);
    return rc;
}

static void finish(struct merge *m) {
    for (size_t i = 0; i < m->count; i++) {
        json_decref(m->files[i].root);
        mem_free(m->files[i].path);
    }
}

/* Finds {name: NAME, KEY: {...}} in the first file whose list has it. */
static int find(struct merge *m, const char *list, const char *key, const char *name,
                struct entry *ret) {
    for (size_t f = 0; f < m->count; f++) {
        size_t i;
        const json_t *item;
        json_array_foreach(json_object_get(m->files[f].root, list), i, item) {
            const char *its = json_string_value(json_object_get(item, "name"));
            if (its == NULL || strcmp(its, name) != 0)
                continue;
            *ret = (struct entry){&m->files[f], list, name, json_object_get(item, key)};
            if (json_is_object(ret->body))
                return 0;
            return error_set(m->err, ERROR_INVALID, "kubeconfig '%s': %s '%s' has no %s",
                             m->files[f].path, list, name, key);
        }
    }
    return error_set(m->err, ERROR_INVALID, "kubeconfig '%s': there is no '%s' in %s",
                     m->files[0].path, name, list);
}

static const char *current_context(const struct merge *m) {
    for (size_t i = 0; i < m->count; i++) {
        const char *name = json_string_value(json_object_get(m->files[i].root, "current-context"));
        if (name && *name)
            return name;
    }
    return NULL;
}

static int read_context(struct merge *m, const char *name, struct kube_config *config) {
    struct entry context, cluster, user;
    char *cluster_name = NULL, *user_name = NULL;
    int rc = find(m, "contexts", "context", name, &context);
    if (rc == 0 && (config->context = mem_strdup(name)) == NULL)
        rc = kubeconfig_no_memory(m);
    if (rc == 0)
        rc = kubeconfig_get_text(m, &context, context.body, "namespace", &config->namespace_);
    if (rc == 0)
        rc = kubeconfig_get_text(m, &context, context.body, "cluster", &cluster_name);
    if (rc == 0)
        rc = kubeconfig_get_text(m, &context, context.body, "user", &user_name);
    if (rc == 0 && cluster_name == NULL)
        rc = kubeconfig_bad(m, &context, "cluster", "is missing");
    if (rc == 0)
        rc = find(m, "clusters", "cluster", cluster_name, &cluster);
    if (rc == 0)
        rc = kubeconfig_read_cluster(m, &cluster, config);
    if (rc == 0 && user_name)
        rc = find(m, "users", "user", user_name, &user);
    if (rc == 0 && user_name)
        rc = kubeconfig_read_user(m, &user, config);
    if (rc == 0 && config->exec && config->exec->provide_cluster_info)
        rc = kubeconfig_describe_cluster(m, &cluster, config);
    mem_free(cluster_name);
    mem_free(user_name);
    return rc;
}

int kubeconfig_read(struct kube_config *config, const char *paths, const char *context,
                    struct error *err) {
    struct merge m = {.err = err};
    int rc = read_files(&m, paths);
    if (rc == 0 && context == NULL)
        context = current_context(&m);
    if (rc == 0 && context == NULL)
        rc = error_set(err, ERROR_INVALID, "kubeconfig '%s': there is no current-context", paths);
    if (rc == 0)
        rc = read_context(&m, context, config);
    if (rc == 0 && config->namespace_ == NULL &&
        (config->namespace_ = mem_strdup("default")) == NULL)
        rc = kubeconfig_no_memory(&m);
    finish(&m);
    return rc;
}
