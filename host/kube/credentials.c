#include "kube/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "kube/base64.h"
#include "kube/plugin.h"

enum { FILE_MAX = 4 * 1024 * 1024 };
#define REREAD_NS (60 * NS_PER_S) /* also when stat() shows no change */
#define EARLY_NS (30 * NS_PER_S)  /* a plugin runs so long before its credential expires... */
#define EARLY_SHARE 5             /* ...or in the last fifth of a short life */

/* A file that may be replaced while we run. */
struct source {
    const char *path, *what; /* borrowed; path NULL = none */
    char *text;              /* owned; NULL until read */
    struct stat seen;
    uint64_t read_at;
};

struct kube_credentials {
    struct loop *loop;
    const struct kube_config *config;
    struct source ca, cert, key, token;
    struct kube_identity *now;  /* NULL: to be built */
    struct kube_plugin *plugin; /* under way, or NULL */
    bool has_result;            /* of the plugin; the four below */
    int64_t expires, renew;     /* wall ns; expires 0 = never; renew: a new one is asked for */
    char *plugin_token, *plugin_cert, *plugin_key;
    struct list waiters;
};

static void wipe(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    mem_free(text);
}

void kube_identity_unref(struct kube_identity *identity) {
    if (identity == NULL || --identity->refs)
        return;
    mem_free(identity->ca);
    mem_free(identity->cert);
    wipe(identity->key);
    wipe(identity->authorization);
    mem_free(identity);
}

static int read_source(struct source *source, struct error *err) {
    struct strbuf text = {0};
    struct stat seen = {0};
    int fd = open(source->path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fstat(fd, &seen) < 0 || fd_read_all(fd, FILE_MAX, &text) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc) {
        strbuf_finish(&text);
        return error_set(err, rc == ENOMEM ? ERROR_NOMEM : ERROR_INVALID, "%s '%s': %s",
                         source->what, source->path, strerror(rc));
    }
    wipe(source->text);
    source->text = strbuf_take(&text);
    source->seen = seen;
    return 0;
}

static bool looks_changed(const struct source *source) {
    struct stat now;
    if (stat(source->path, &now) < 0)
        return false; /* in the middle of being replaced: what we have is what there is */
    return now.st_ino != source->seen.st_ino || now.st_size != source->seen.st_size ||
           now.st_mtim.tv_sec != source->seen.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != source->seen.st_mtim.tv_nsec;
}

/* Reads the file when it is time. A file that was readable once and is not now keeps its text.
 * *changed is set, never cleared. */
static int refresh(struct kube_credentials *c, struct source *source, bool *changed,
                   struct error *err) {
    uint64_t now = loop_now(c->loop);
    if (source->path == NULL ||
        (source->text && now - source->read_at < REREAD_NS && !looks_changed(source)))
        return 0;
    char *before = source->text;
    source->text = NULL;
    int rc = read_source(source, err);
    if (rc < 0) {
        source->text = before;
        return before ? 0 : rc;
    }
    source->read_at = now;
    if (before == NULL || strcmp(before, source->text) != 0)
        *changed = true;
    wipe(before);
    return 0;
}

static int refresh_all(struct kube_credentials *c, bool *changed, struct error *err) {
    struct source *sources[] = {&c->ca, &c->cert, &c->key, &c->token};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int rc = refresh(c, sources[i], changed, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_bearer(struct strbuf *out, const char *token, const char *what, struct error *err) {
    while (*token == ' ' || *token == '\n' || *token == '\r' || *token == '\t')
        token++;
    size_t len = strcspn(token, " \n\r\t");
    for (const char *at = token + len; *at; at++)
        if (strchr(" \n\r\t", *at) == NULL)
            return error_set(err, ERROR_INVALID, "%s: a token has no blanks inside", what);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)token[i] < 0x20)
            return error_set(err, ERROR_INVALID, "%s: a token has no control characters", what);
    if (len) {
        strbuf_adds(out, "Bearer ");
        strbuf_add(out, token, len);
    }
    return 0;
}

/* The Authorization header's value; stays NULL when there is nothing to say. */
static int authorize(struct kube_credentials *c, char **ret, struct error *err) {
    const struct kube_config *config = c->config;
    struct strbuf text = {0};
    int rc = 0;
    if (c->plugin_token) {
        rc = add_bearer(&text, c->plugin_token, config->exec->command, err);
    } else if (c->token.text) {
        rc = add_bearer(&text, c->token.text, c->token.path, err);
    } else if (config->token) {
        rc = add_bearer(&text, config->token, "token", err);
    } else if (config->username) {
        CLEANUP(mem_freep)
        char *pair =
            mem_printf("%s:%s", config->username, config->password ? config->password : "");
        strbuf_adds(&text, "Basic ");
        if (pair)
            base64_encode(&text, pair, strlen(pair));
        text.failed |= pair == NULL;
    }
    if (rc == 0 && text.len)
        *ret = strbuf_take(&text);
    if (rc == 0 && text.failed)
        rc = error_set(err, ERROR_NOMEM, "no memory for credentials");
    strbuf_finish(&text);
    return rc;
}

static int copy(char **ret, const char *text) {
    *ret = mem_strdup(text);
    return text && *ret == NULL ? ERROR_NOMEM : 0;
}

static const char *cert_of(const struct kube_credentials *c) {
    if (c->plugin_cert)
        return c->plugin_cert;
    return c->config->cert_pem ? c->config->cert_pem : c->cert.text;
}

static const char *key_of(const struct kube_credentials *c) {
    if (c->plugin_cert)
        return c->plugin_key;
    return c->config->key_pem ? c->config->key_pem : c->key.text;
}

static struct kube_identity *build(struct kube_credentials *c, struct error *err) {
    const struct kube_config *config = c->config;
    struct kube_identity *identity = mem_zalloc(sizeof *identity);
    if (identity == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for credentials");
        return NULL;
    }
    identity->refs = 1;
    if (copy(&identity->ca, config->ca_pem ? config->ca_pem : c->ca.text) < 0 ||
        copy(&identity->cert, cert_of(c)) < 0 || copy(&identity->key, key_of(c)) < 0) {
        error_set(err, ERROR_NOMEM, "no memory for credentials");
        goto failed;
    }
    if (authorize(c, &identity->authorization, err) < 0)
        goto failed;
    identity->tls = (struct http_tls){.ca_pem = identity->ca,
                                      .cert_pem = identity->cert,
                                      .key_pem = identity->key,
                                      .server_name = config->tls_server_name,
                                      .insecure = config->insecure_skip_tls_verify};
    return identity;
failed:
    kube_identity_unref(identity);
    return NULL;
}

static void forget_result(struct kube_credentials *c) {
    wipe(c->plugin_token);
    mem_free(c->plugin_cert);
    wipe(c->plugin_key);
    c->plugin_token = c->plugin_cert = c->plugin_key = NULL;
    c->has_result = false;
    kube_identity_unref(c->now);
    c->now = NULL;
}

/* True when what the plugin said is good now. */
static bool is_current(const struct kube_credentials *c) {
    return c->has_result && (c->expires == 0 || clock_wall(loop_clock(c->loop)) < c->expires);
}

static int keep_result(struct kube_credentials *c, const struct kube_plugin_result *result,
                       struct error *err) {
    if (result->expires && result->expires <= clock_wall(loop_clock(c->loop)))
        return error_set(err, ERROR_UNAVAILABLE,
                         "plugin '%s': its credentials have expired already",
                         c->config->exec->command);
    forget_result(c);
    c->expires = result->expires;
    c->renew = INT64_MAX;
    if (c->expires) {
        int64_t life = c->expires - clock_wall(loop_clock(c->loop));
        int64_t early = life / EARLY_SHARE;
        c->renew = c->expires - (early < (int64_t)EARLY_NS ? early : (int64_t)EARLY_NS);
    }
    c->has_result = true;
    if (copy(&c->plugin_token, result->token) == 0 &&
        copy(&c->plugin_cert, result->cert_pem) == 0 && copy(&c->plugin_key, result->key_pem) == 0)
        return 0;
    forget_result(c);
    return error_set(err, ERROR_NOMEM, "no memory for credentials");
}

static void on_plugin(void *context, const struct kube_plugin_result *result,
                      const struct error *failure) {
    struct kube_credentials *c = context;
    struct error err;
    c->plugin = NULL;
    if (failure == NULL && keep_result(c, result, &err) < 0)
        failure = &err;
    if (failure && is_current(c)) /* it ran early; what there is will do, and then it runs again */
        c->renew += (c->expires - c->renew) / 2;
    else if (failure)
        forget_result(c);
    if (list_empty(&c->waiters))
        return;
    struct list now = c->waiters; /* who waits anew waits for another run */
    now.next->prev = now.prev->next = &now;
    list_init(&c->waiters);
    while (!list_empty(&now)) {
        struct kube_waiter *waiter = CONTAINER_OF(now.next, struct kube_waiter, link);
        list_remove(&waiter->link);
        waiter->ready(waiter, failure);
    }
}

int kube_credentials_get(struct kube_credentials *c, struct kube_identity **ret,
                         struct error *err) {
    bool changed = c->now == NULL;
    int rc = refresh_all(c, &changed, err);
    if (rc < 0)
        return rc;
    bool current = is_current(c);
    if (c->config->exec && c->plugin == NULL &&
        (!current || clock_wall(loop_clock(c->loop)) >= c->renew)) {
        const char *ca = c->config->ca_pem ? c->config->ca_pem : c->ca.text;
        c->plugin = kube_plugin_start(c->loop, c->config, ca, on_plugin, c, current ? NULL : err);
        if (c->plugin == NULL && !current)
            return ERROR_UNAVAILABLE;
    }
    if (c->config->exec && !current)
        return KUBE_CREDENTIALS_PENDING;
    if (changed) {
        struct error local;
        struct kube_identity *fresh = build(c, &local);
        if (fresh == NULL) {
            if (err)
                *err = local;
            return local.code;
        }
        kube_identity_unref(c->now);
        c->now = fresh;
    }
    c->now->refs++;
    *ret = c->now;
    return 0;
}

bool kube_credentials_refused(struct kube_credentials *c, const struct kube_identity *identity) {
    struct source *sources[] = {&c->cert, &c->key, &c->token};
    if (identity != c->now)
        return true; /* another request found out before */
    bool changed = c->config->exec != NULL;
    if (changed)
        forget_result(c);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        sources[i]->read_at = 0;
        if (sources[i]->path) {
            uint64_t now = loop_now(c->loop);
            sources[i]->read_at = now > REREAD_NS ? now - REREAD_NS : 0;
            refresh(c, sources[i], &changed, NULL);
        }
    }
    if (changed) {
        kube_identity_unref(c->now);
        c->now = NULL;
    }
    return changed;
}

struct kube_credentials *
kube_credentials_create(struct loop *loop, const struct kube_config *config, struct error *err) {
    struct kube_credentials *c = mem_zalloc(sizeof *c);
    if (c == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for credentials");
        return NULL;
    }
    c->loop = loop;
    c->config = config;
    list_init(&c->waiters);
    c->ca = (struct source){.path = config->ca_pem ? NULL : config->ca_file,
                            .what = "certificate-authority"};
    c->cert = (struct source){.path = config->cert_pem ? NULL : config->cert_file,
                              .what = "client-certificate"};
    c->key =
        (struct source){.path = config->key_pem ? NULL : config->key_file, .what = "client-key"};
    c->token = (struct source){.path = config->token_file, .what = "tokenFile"};
    bool changed = false; /* a plugin runs when the first request needs it */
    struct kube_identity *first = NULL;
    int rc = config->exec ? refresh_all(c, &changed, err) : kube_credentials_get(c, &first, err);
    kube_identity_unref(first);
    if (rc == 0)
        return c;
    kube_credentials_destroy(c);
    return NULL;
}

void kube_credentials_destroy(struct kube_credentials *c) {
    if (c == NULL)
        return;
    kube_plugin_cancel(c->plugin);
    forget_result(c);
    struct source *sources[] = {&c->ca, &c->cert, &c->key, &c->token};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        wipe(sources[i]->text);
    mem_free(c);
}

void kube_credentials_wait(struct kube_credentials *c, struct kube_waiter *waiter) {
    list_append(&c->waiters, &waiter->link);
}
