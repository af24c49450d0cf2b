#include "runtime/certificates.h"

#include <errno.h>
#include <string.h>

#include "addon/certificate_secret.h"
#include "base/fd.h"
#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/rotation.h"

enum { MOST_POLL_S = 60, DIR_POLL_S = 5, MOST_FILE = 1 << 20 };

struct certificates {
    struct certificates_options options;
    struct loop_timer timer;
    struct kube_call *call;
    struct strbuf path;
    struct rotation_state state;      /* as stored, or as it is in memory */
    struct certificate_secret secret; /* only metadata is kept between calls */
    int64_t next_check;
    char *cert, *key, *bundle; /* as told */
    char *complaint;           /* the last failure told */
    int64_t published_s;
    unsigned failures;
};

static int64_t now_s(const struct certificates *certificates) {
    return clock_wall(certificates->options.host->clock) / (int64_t)NS_PER_S;
}

static void check_in(struct certificates *certificates, int64_t seconds) {
    if (seconds < 1)
        seconds = 1;
    loop_timer_start(&certificates->timer, (uint64_t)seconds * NS_PER_S);
}

static bool same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Takes copies, and tells when something is new. 0 or NOMEM. */
static int publish(struct certificates *certificates, const char *cert, const char *key,
                   const char *bundle, struct error *err) {
    certificates->failures = 0;
    mem_free(certificates->complaint);
    certificates->complaint = NULL;
    if (certificates->cert && same(cert, certificates->cert) && same(key, certificates->key) &&
        same(bundle, certificates->bundle))
        return 0;
    char *copies[3] = {mem_strdup(cert), mem_strdup(key), mem_strdup(bundle)};
    if (copies[0] == NULL || copies[1] == NULL || (bundle && copies[2] == NULL)) {
        for (int i = 0; i < 3; i++)
            mem_free(copies[i]);
        return error_set(err, ERROR_NOMEM, "no memory for a certificate");
    }
    if (!same(bundle, certificates->bundle))
        certificates->published_s = 0;
    mem_free(certificates->cert);
    mem_free(certificates->key);
    mem_free(certificates->bundle);
    certificates->cert = copies[0];
    certificates->key = copies[1];
    certificates->bundle = copies[2];
    certificates->options.changed(certificates->options.context);
    return 0;
}

static void fail(struct certificates *certificates, const struct error *err) {
    unsigned failures = certificates->failures < 5 ? certificates->failures++ : 5;
    bool news = !same(certificates->complaint, err->message);
    check_in(certificates, 1 << failures);
    if (!news)
        return;
    mem_free(certificates->complaint);
    certificates->complaint = mem_strdup(err->message);
    certificates->options.failed(certificates->options.context, err);
}

/* A folder */

static int read_file(const char *dir, const char *name, struct strbuf *out, struct error *err) {
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", dir, name);
    if (path == NULL)
        return error_set(err, ERROR_NOMEM, "%s/%s: no memory", dir, name);
    if (fd_read_file(path, MOST_FILE, out) == 0)
        return 0;
    return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_INVALID, "%s: %s", path,
                     strerror(errno));
}

/* None is fine; one without a certificate in it is being written, or a mistake. */
static int read_ca(const char *dir, struct strbuf *out, struct error *err) {
    size_t count;
    int rc = read_file(dir, "ca.crt", out, err);
    if (rc == 0 && certificate_count(out->data ? out->data : "", &count, err) < 0)
        rc = error_prefix(err, "%s/ca.crt", dir);
    return rc == ERROR_NOT_FOUND ? 0 : rc;
}

static void check_dir(struct certificates *certificates) {
    const char *dir = certificates->options.dir;
    struct strbuf cert = {0}, key = {0}, ca = {0};
    struct error err;
    int rc = read_file(dir, "tls.crt", &cert, &err);
    if (rc == 0)
        rc = read_file(dir, "tls.key", &key, &err);
    if (rc == 0)
        rc = read_ca(dir, &ca, &err);
    if (rc == 0) /* half of a rotation is no reason to break what works */
        rc = certificate_check_key(cert.data ? cert.data : "", key.data ? key.data : "", &err);
    if (rc == 0)
        rc = publish(certificates, cert.data, key.data, ca.data, &err);
    if (rc < 0) {
        error_prefix(&err, "--webhook-cert-dir");
        fail(certificates, &err);
    } else {
        check_in(certificates, DIR_POLL_S);
    }
    strbuf_finish(&cert);
    strbuf_finish(&key);
    strbuf_finish(&ca);
}

/* Rotation */

/* Since when the present bundle is known to be trusted. Who is not the one to publish it cannot
 * know, and must not go on to the next CA. */
static int64_t published(const struct certificates *certificates) {
    if (certificates->options.unpublished)
        return 0;
    bool known = certificates->options.host->leading && certificates->published_s > 0;
    return known ? certificates->published_s : now_s(certificates);
}

static int step(struct certificates *certificates, struct rotation_state *ret, bool *ret_changed,
                struct error *err) {
    int64_t serving_s = (int64_t)(certificates->options.lifetime_ns / NS_PER_S);
    struct rotation_options options = {.now = now_s(certificates),
                                       .published = published(certificates),
                                       .names = certificates->options.names,
                                       .serving_s = serving_s};
    if (serving_s > 0 && serving_s < 6 * ROTATION_OVERLAP_S) { /* a test's */
        options.ca_s = 4 * serving_s;
        options.overlap_s = serving_s / 6;
    }
    return rotation_step(&certificates->state, &options, ret, ret_changed,
                         &certificates->next_check, err);
}

static int publish_state(struct certificates *certificates, struct error *err) {
    char *bundle = NULL;
    int rc = rotation_bundle(&certificates->state, &bundle, err);
    if (rc == 0)
        rc = publish(certificates, certificates->state.cert, certificates->state.key, bundle, err);
    mem_free(bundle);
    return rc;
}

static void take_state(struct certificates *certificates, struct rotation_state *state) {
    rotation_state_finish(&certificates->state);
    certificates->state = *state;
    *state = (struct rotation_state){0};
}

static void check_memory(struct certificates *certificates) {
    struct rotation_state fresh = {0};
    struct error err;
    bool changed;
    int rc = step(certificates, &fresh, &changed, &err);
    if (rc == 0) {
        take_state(certificates, &fresh);
        rc = publish_state(certificates, &err);
    }
    if (rc < 0)
        fail(certificates, &err);
    else
        check_in(certificates, certificates->next_check - now_s(certificates));
}

/* The Secret: read -> step -> write when the step changed something -> serve. A conflict means that
 * another replica was faster: read again. */

static void read_secret(struct certificates *certificates);

/* Between replicas the state is at most so old, which must be less than the overlap. */
static void check_secret_later(struct certificates *certificates) {
    int64_t left = certificates->next_check - now_s(certificates);
    int64_t lifetime = (int64_t)(certificates->options.lifetime_ns / NS_PER_S);
    int64_t poll = lifetime > 0 && lifetime / 24 < MOST_POLL_S ? lifetime / 24 : MOST_POLL_S;
    check_in(certificates, left < poll ? left : poll);
}

static void settle(struct certificates *certificates) {
    struct error err;
    if (publish_state(certificates, &err) < 0)
        fail(certificates, &err);
    else
        check_secret_later(certificates);
}

static void on_written(void *context, const struct kube_answer *answer, const struct error *err) {
    struct certificates *certificates = context;
    struct error failure;
    (void)answer;
    certificates->call = NULL;
    if (err == NULL) {
        settle(certificates);
    } else if (err->code == ERROR_CONFLICT || err->code == ERROR_EXISTS) {
        read_secret(certificates);
    } else {
        failure = *err;
        error_prefix(&failure, "Secret %s", certificates->options.secret);
        fail(certificates, &failure);
    }
}

/* Lends the texts of the state to the codec's struct. */
static struct certificate_secret as_secret(const struct rotation_state *state, char *metadata) {
    return (struct certificate_secret){.ca_cert = state->ca_cert,
                                       .ca_key = state->ca_key,
                                       .next_ca_cert = state->next_ca_cert,
                                       .next_ca_key = state->next_ca_key,
                                       .cert = state->cert,
                                       .key = state->key,
                                       .old_ca_cert = state->old_ca_cert,
                                       .next_since = state->next_since,
                                       .metadata = metadata};
}

static void write_secret(struct certificates *certificates) {
    const char *where = certificates->options.secret, *slash = strchr(where, '/');
    CLEANUP(mem_freep) char *ns = mem_strndup(where, (size_t)(slash - where));
    bool create = certificates->secret.metadata == NULL;
    struct certificate_secret secret =
        as_secret(&certificates->state, certificates->secret.metadata);
    struct strbuf body = {0};
    struct error err;
    CLEANUP(mem_freep) char *collection = mem_printf("/api/v1/namespaces/%s/secrets", ns ? ns : "");
    int rc = ns && collection ? certificate_secret_print(&secret, ns, slash + 1, &body, &err)
                              : error_set(&err, ERROR_NOMEM, "no memory for a Secret");
    if (rc == 0) {
        struct kube_request request = {.method = create ? "POST" : "PUT",
                                       .path = create ? collection : certificates->path.data,
                                       .query = "fieldManager=moonlet",
                                       .body = strbuf_view(&body)};
        certificates->call = kube_call_start(certificates->options.host->client, &request,
                                             on_written, certificates, &err);
    }
    strbuf_finish(&body);
    if (certificates->call == NULL)
        fail(certificates, &err);
}

static struct rotation_state as_state(struct certificate_secret *secret) {
    struct rotation_state state = {.ca_cert = secret->ca_cert,
                                   .ca_key = secret->ca_key,
                                   .next_ca_cert = secret->next_ca_cert,
                                   .next_ca_key = secret->next_ca_key,
                                   .cert = secret->cert,
                                   .key = secret->key,
                                   .old_ca_cert = secret->old_ca_cert,
                                   .next_since = secret->next_since};
    *secret = (struct certificate_secret){.metadata = secret->metadata};
    return state;
}

static void on_read(void *context, const struct kube_answer *answer, const struct error *err) {
    struct certificates *certificates = context;
    struct rotation_state fresh = {0}, stored = {0};
    struct error failure;
    bool changed = false;
    int rc = 0;
    certificates->call = NULL;
    certificate_secret_finish(&certificates->secret);
    if (err == NULL)
        rc = certificate_secret_parse(answer->body, &certificates->secret, &failure);
    else if (err->code != ERROR_NOT_FOUND) {
        failure = *err;
        rc = failure.code;
    }
    if (rc == 0) {
        stored = as_state(&certificates->secret);
        take_state(certificates, &stored);
        rc = step(certificates, &fresh, &changed, &failure);
    }
    if (rc < 0) {
        error_prefix(&failure, "Secret %s", certificates->options.secret);
        fail(certificates, &failure);
        return;
    }
    take_state(certificates, &fresh);
    if (changed)
        write_secret(certificates);
    else
        settle(certificates);
}

static void read_secret(struct certificates *certificates) {
    const char *where = certificates->options.secret, *slash = strchr(where, '/');
    struct error err;
    strbuf_clear(&certificates->path);
    strbuf_printf(&certificates->path, "/api/v1/namespaces/%.*s/secrets/%s", (int)(slash - where),
                  where, slash + 1);
    struct kube_request request = {.method = "GET", .path = certificates->path.data};
    if (certificates->path.failed)
        error_set(&err, ERROR_NOMEM, "no memory for a Secret");
    else
        certificates->call = kube_call_start(certificates->options.host->client, &request, on_read,
                                             certificates, &err);
    if (certificates->call == NULL)
        fail(certificates, &err);
}

static void on_timer(struct loop_timer *timer) {
    struct certificates *certificates = CONTAINER_OF(timer, struct certificates, timer);
    if (certificates->options.dir)
        check_dir(certificates);
    else if (certificates->options.secret)
        read_secret(certificates);
    else
        check_memory(certificates);
}

struct certificates *certificates_start(const struct certificates_options *options,
                                        struct error *err) {
    struct certificates *certificates = mem_zalloc(sizeof *certificates);
    if (certificates == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for certificates");
        return NULL;
    }
    certificates->options = *options;
    loop_timer_init(options->host->loop, &certificates->timer, on_timer);
    loop_timer_start(&certificates->timer, 0);
    return certificates;
}

void certificates_stop(struct certificates *certificates) {
    if (certificates == NULL)
        return;
    loop_timer_stop(&certificates->timer);
    kube_call_cancel(certificates->call);
    strbuf_finish(&certificates->path);
    rotation_state_finish(&certificates->state);
    certificate_secret_finish(&certificates->secret);
    mem_free(certificates->cert);
    mem_free(certificates->key);
    mem_free(certificates->bundle);
    mem_free(certificates->complaint);
    mem_free(certificates);
}

const char *certificates_cert(const struct certificates *certificates) {
    return certificates ? certificates->cert : NULL;
}

const char *certificates_key(const struct certificates *certificates) {
    return certificates ? certificates->key : NULL;
}

const char *certificates_bundle(const struct certificates *certificates) {
    return certificates ? certificates->bundle : NULL;
}

void certificates_published(struct certificates *certificates) {
    certificates->published_s = now_s(certificates);
}
