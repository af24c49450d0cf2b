#ifndef MOONLET_KUBE_KUBECONFIG_INTERNAL_H
#define MOONLET_KUBE_KUBECONFIG_INTERNAL_H

#include <jansson.h>

#include "kube/kubeconfig.h"

/* For kubeconfig*.c alone. */

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

int kubeconfig_no_memory(struct merge *m);
int kubeconfig_bad(struct merge *m, const struct entry *e, const char *field, const char *why);

/* A field of `object`, which is the entry's body or in it. One that is absent or null leaves *ret
 * as it was, and so does an empty text; what is read is the caller's. 0, INVALID or NOMEM. */
int kubeconfig_get_text(struct merge *m, const struct entry *e, const json_t *object,
                        const char *field, char **ret);
int kubeconfig_get_bool(struct merge *m, const struct entry *e, const json_t *object,
                        const char *field, bool *ret);
/* NULL-terminated; after a failure *ret may hold some of it. */
int kubeconfig_get_list(struct merge *m, const struct entry *e, const json_t *object,
                        const char *field, char ***ret);
int kubeconfig_get_env(struct merge *m, const struct entry *e, const json_t *exec, char ***ret);
/* Of the body: a path, made absolute; base64, decoded to PEM. */
int kubeconfig_get_path(struct merge *m, const struct entry *e, const char *field, char **ret);
int kubeconfig_get_data(struct merge *m, const struct entry *e, const char *field, char **ret);
/* Relative to the folder of the file that names it. */
int kubeconfig_make_absolute(struct merge *m, const struct entry *e, char **path);

/* 0, INVALID or NOMEM, with *config partly filled. */
int kubeconfig_read_user(struct merge *m, const struct entry *e, struct kube_config *config);
int kubeconfig_read_cluster(struct merge *m, const struct entry *e, struct kube_config *config);
/* config->cluster_json: spec.cluster of an ExecCredential (client.authentication.k8s.io): who asks,
 * for plugins that serve several clusters. */
int kubeconfig_describe_cluster(struct merge *m, const struct entry *e, struct kube_config *config);

#endif
