#include "kube/kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/base64.h"
#include "yaml/yaml.h"

enum { FILES_MAX = 64, FILE_MAX = 4 * 1024 * 1024 };

struct file {
    char *path;
    json_t *root; /* an object */
};

struct merge {
    struct file files[FILES_MAX];
    size_t count;
    struct error *err;
};

/* One named entry, and where it stands. */
struct entry {
    const struct file *file;
    const char *list, *name; /* "users", "admin" */
    const json_t *body;      /* its "user" */
};

char *kubeconfig_read_file(const char *path, size_t *ret_len) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) == 0 && !S_ISREG(info.st_mode))
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    else if (info.st_size > FILE_MAX)
        errno = EFBIG;
    else {
        size_t len = 0;
        ssize_t got = 1;
        char *text = mem_alloc((size_t)info.st_size + 1);
        while (text && got > 0 && len < (size_t)info.st_size) {
            got = read(fd, text + len, (size_t)info.st_size - len);
            len += got > 0 ? (size_t)got : 0;
        }
        close(fd);
        if (text == NULL)
            errno = ENOMEM;
        else
            text[len] = '\0';
        if (ret_len)
            *ret_len = len;
        return text;
    }
    int why = errno;
    close(fd);
    errno = why;
    return NULL;
}

static int no_memory(struct merge *m) {
    return error_set(m->err, ERROR_NOMEM, "no memory for the kubeconfig");
}

static int read_one(struct merge *m, const char *path, size_t len) {
    struct file *file = &m->files[m->count];
    file->path = mem_strndup(path, len);
    if (file->path == NULL)
        return no_memory(m);
    size_t size = 0;
    char *text = kubeconfig_read_file(file->path, &size);
    if (text == NULL) {
        int rc = 0;
        if (errno == ENOMEM)
            rc = no_memory(m);
        else if (errno != ENOENT && errno != ENOTDIR)
            rc = error_set(m->err, ERROR_INVALID, "kubeconfig '%s': %s", file->path,
                           strerror(errno));
        mem_free(file->path);
        return rc;
    }
    file->root = yaml_load(text, size, m->err);
    explicit_bzero(text, size);
    mem_free(text);
    m->count++;
    if (file->root == NULL) {
        if (m->err && m->err->code == ERROR_REJECTED)
            m->err->code = ERROR_INVALID;
        error_prefix(m->err, "kubeconfig '%s'", file->path);
        return m->err ? m->err->code : ERROR_INVALID;
    }
    if (!json_is_object(file->root) && !json_is_null(file->root))
        return error_set(m->err, ERROR_INVALID, "kubeconfig '%s': not a map", file->path);
    return 0;
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

static int bad(struct merge *m, const struct entry *e, const char *field, const char *why) {
    return error_set(m->err, ERROR_INVALID, "kubeconfig '%s': %s '%s': %s %s", e->file->path,
                     e->list, e->name, field, why);
}

static int get_text(struct merge *m, const struct entry *e, const json_t *object, const char *field,
                    char **ret) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return bad(m, e, field, "must be text");
    if (json_string_length(value) == 0)
        return 0;
    *ret = mem_strdup(json_string_value(value));
    return *ret ? 0 : no_memory(m);
}

/* Relative to the folder of the file that names it. */
static int make_absolute(struct merge *m, const struct entry *e, char **path) {
    const char *slash = strrchr(e->file->path, '/');
    if (*path == NULL || **path == '/' || slash == NULL)
        return 0;
    char *whole = mem_printf("%.*s/%s", (int)(slash - e->file->path), e->file->path, *path);
    if (whole == NULL)
        return no_memory(m);
    mem_free(*path);
    *path = whole;
    return 0;
}

static int get_path(struct merge *m, const struct entry *e, const char *field, char **ret) {
    int rc = get_text(m, e, e->body, field, ret);
    return rc < 0 ? rc : make_absolute(m, e, ret);
}

static int get_bool(struct merge *m, const struct entry *e, const json_t *object, const char *field,
                    bool *ret) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return bad(m, e, field, "must be true or false");
    *ret = json_is_true(value);
    return 0;
}

static int get_data(struct merge *m, const struct entry *e, const char *field, char **ret) {
    char *text = NULL;
    int rc = get_text(m, e, e->body, field, &text);
    if (rc < 0 || text == NULL)
        return rc;
    struct strbuf out = {0};
    if (!base64_decode(text, &out))
        rc = bad(m, e, field, "is not base64");
    else if (memchr(out.data ? out.data : "", '\0', out.len))
        rc = bad(m, e, field, "is not PEM");
    else if ((*ret = strbuf_take(&out)) == NULL)
        rc = no_memory(m);
    explicit_bzero(text, strlen(text));
    mem_free(text);
    strbuf_finish(&out);
    return rc;
}

static int get_list(struct merge *m, const struct entry *e, const json_t *object, const char *field,
                    char ***ret) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return bad(m, e, field, "must be a list");
    *ret = mem_calloc(json_array_size(value) + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));
        if (text == NULL)
            return bad(m, e, field, "must be a list of texts");
        if (((*ret)[i] = mem_strdup(text)) == NULL)
            return no_memory(m);
    }
    return *ret ? 0 : no_memory(m);
}

static int get_env(struct merge *m, const struct entry *e, const json_t *exec, char ***ret) {
    const json_t *list = json_object_get(exec, "env");
    size_t count = json_array_size(list);
    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return bad(m, e, "exec.env", "must be a list");
    *ret = mem_calloc(count + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *value = json_string_value(json_object_get(item, "value"));
        if (name == NULL || *name == '\0' || value == NULL)
            return bad(m, e, "exec.env", "needs name and value");
        if (((*ret)[i] = mem_printf("%s=%s", name, value)) == NULL)
            return no_memory(m);
    }
    return *ret ? 0 : no_memory(m);
}

static int read_exec(struct merge *m, const struct entry *e, struct kube_config *config) {
    const json_t *exec = json_object_get(e->body, "exec");
    if (exec == NULL || json_is_null(exec))
        return 0;
    if (!json_is_object(exec))
        return bad(m, e, "exec", "must be a map");
    struct kube_exec *x = config->exec = mem_zalloc(sizeof *x);
    int rc = x ? 0 : no_memory(m);
    char *mode = NULL;
    if (rc == 0)
        rc = get_text(m, e, exec, "apiVersion", &x->api_version);
    if (rc == 0)
        rc = get_text(m, e, exec, "command", &x->command);
    if (rc == 0)
        rc = get_text(m, e, exec, "installHint", &x->install_hint);
    if (rc == 0)
        rc = get_list(m, e, exec, "args", &x->args);
    if (rc == 0)
        rc = get_env(m, e, exec, &x->env);
    if (rc == 0)
        rc = get_bool(m, e, exec, "provideClusterInfo", &x->provide_cluster_info);
    if (rc == 0)
        rc = get_text(m, e, exec, "interactiveMode", &mode);
    if (rc == 0 && mode && strcmp(mode, "Always") == 0)
        rc = bad(m, e, "exec.interactiveMode", "is Always, but nobody is there to answer");
    mem_free(mode);
    if (rc < 0)
        return rc;
    if (x->command == NULL)
        return bad(m, e, "exec.command", "is missing");
    if (x->api_version == NULL ||
        (strcmp(x->api_version, "client.authentication.k8s.io/v1") != 0 &&
         strcmp(x->api_version, "client.authentication.k8s.io/v1beta1") != 0))
        return bad(m, e, "exec.apiVersion", "must be client.authentication.k8s.io/v1 or v1beta1");
    return strchr(x->command, '/') ? make_absolute(m, e, &x->command) : 0;
}

static int read_user(struct merge *m, const struct entry *e, struct kube_config *config) {
    static const char *const unsupported[] = {"auth-provider", "as-user-extra"};
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        const json_t *value = json_object_get(e->body, unsupported[i]);
        if (value && !json_is_null(value))
            return bad(m, e, unsupported[i], "is not supported");
    }
    int rc = get_path(m, e, "client-certificate", &config->cert_file);
    if (rc == 0)
        rc = get_data(m, e, "client-certificate-data", &config->cert_pem);
    if (rc == 0)
        rc = get_path(m, e, "client-key", &config->key_file);
    if (rc == 0)
        rc = get_data(m, e, "client-key-data", &config->key_pem);
    if (rc == 0)
        rc = get_text(m, e, e->body, "token", &config->token);
    if (rc == 0)
        rc = get_path(m, e, "tokenFile", &config->token_file);
    if (rc == 0)
        rc = get_text(m, e, e->body, "username", &config->username);
    if (rc == 0)
        rc = get_text(m, e, e->body, "password", &config->password);
    if (rc == 0)
        rc = get_text(m, e, e->body, "as", &config->as_user);
    if (rc == 0)
        rc = get_text(m, e, e->body, "as-uid", &config->as_uid);
    if (rc == 0)
        rc = get_list(m, e, e->body, "as-groups", &config->as_groups);
    if (rc == 0)
        rc = read_exec(m, e, config);
    if (rc < 0)
        return rc;
    if ((config->cert_pem || config->cert_file) != (config->key_pem || config->key_file))
        return bad(m, e, "client-certificate and client-key", "go together");
    if ((config->as_uid || config->as_groups) && config->as_user == NULL)
        return bad(m, e, "as-uid and as-groups", "need as");
    return 0;
}

static int read_cluster(struct merge *m, const struct entry *e, struct kube_config *config) {
    int rc = get_text(m, e, e->body, "server", &config->server);
    if (rc == 0)
        rc = get_text(m, e, e->body, "tls-server-name", &config->tls_server_name);
    if (rc == 0)
        rc = get_text(m, e, e->body, "proxy-url", &config->proxy_url);
    if (rc == 0)
        rc = get_bool(m, e, e->body, "insecure-skip-tls-verify", &config->insecure_skip_tls_verify);
    if (rc == 0)
        rc = get_path(m, e, "certificate-authority", &config->ca_file);
    if (rc == 0)
        rc = get_data(m, e, "certificate-authority-data", &config->ca_pem);
    if (rc < 0)
        return rc;
    if (config->server == NULL)
        return bad(m, e, "server", "is missing");
    if (strncmp(config->server, "https://", 8) != 0 && strncmp(config->server, "http://", 7) != 0)
        return bad(m, e, "server", "must begin with https:// or http://");
    if (config->insecure_skip_tls_verify && (config->ca_file || config->ca_pem))
        return bad(m, e, "insecure-skip-tls-verify", "contradicts a certificate-authority");
    return 0;
}

/* spec.cluster of an ExecCredential: who asks, for plugins that serve several clusters. */
static int describe_cluster(struct merge *m, const struct entry *e, struct kube_config *config) {
    static const char *const same[] = {"server", "tls-server-name", "insecure-skip-tls-verify",
                                       "certificate-authority-data", "proxy-url"};
    json_t *cluster = json_object();
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *value = json_object_get(e->body, same[i]);
        if (value && !json_is_null(value))
            json_object_set(cluster, same[i], value);
    }
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(e->body, "extensions"), i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, "client.authentication.k8s.io/exec") == 0)
            json_object_set(cluster, "config", json_object_get(item, "extension"));
    }
    char *text = json_dumps(cluster, JSON_COMPACT);
    json_decref(cluster);
    config->cluster_json = mem_strdup(text);
    void (*release)(void *block) = NULL;
    json_get_alloc_funcs(NULL, &release);
    if (text)
        release(text);
    return config->cluster_json ? 0 : no_memory(m);
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
        rc = no_memory(m);
    if (rc == 0)
        rc = get_text(m, &context, context.body, "namespace", &config->namespace_);
    if (rc == 0)
        rc = get_text(m, &context, context.body, "cluster", &cluster_name);
    if (rc == 0)
        rc = get_text(m, &context, context.body, "user", &user_name);
    if (rc == 0 && cluster_name == NULL)
        rc = bad(m, &context, "cluster", "is missing");
    if (rc == 0)
        rc = find(m, "clusters", "cluster", cluster_name, &cluster);
    if (rc == 0)
        rc = read_cluster(m, &cluster, config);
    if (rc == 0 && user_name)
        rc = find(m, "users", "user", user_name, &user);
    if (rc == 0 && user_name)
        rc = read_user(m, &user, config);
    if (rc == 0 && config->exec && config->exec->provide_cluster_info)
        rc = describe_cluster(m, &cluster, config);
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
        rc = no_memory(&m);
    finish(&m);
    return rc;
}
