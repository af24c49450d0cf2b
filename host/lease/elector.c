#include "lease/elector.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

enum step { STEP_IDLE, STEP_GET, STEP_CREATE, STEP_UPDATE, STEP_RELEASE };

struct elector {
    struct elector_options options;
    char *ns, *name, *identity;
    char *path, *collection;
    char *holder;     /* as last seen */
    char *record;     /* the Lease's spec and version as last seen; changes are what counts */
    uint64_t seen_ns; /* when the record last changed, on our clock */
    uint64_t sent_ns; /* when the write under way was sent: it is what a renewal counts from */
    json_t *lease;    /* the object as last seen */
    struct kube_call *call;
    struct loop_timer retry, deadline;
    enum step step;
    bool leading;
    void (*released)(void *context);
    void *released_context;
};

static void try_now(struct elector *elector);

static const struct clock *clock_of(const struct elector *elector) {
    return loop_clock(elector->options.loop);
}

static void plan(struct elector *elector) {
    /* client-go jitters by up to 1.2 of the period while it waits to acquire. */
    uint64_t period = elector->options.retry_period_ns;
    uint64_t jitter = elector->leading ? 0 : rng_below(elector->options.rng, period / 5 * 6);
    elector->step = STEP_IDLE;
    loop_timer_start(&elector->retry, period + jitter);
}

static void note_leader(struct elector *elector, const char *holder) {
    if (elector->holder && strcmp(elector->holder, holder) == 0)
        return;
    char *copy = mem_strdup(holder);
    if (copy == NULL)
        return;
    mem_free(elector->holder);
    elector->holder = copy;
    if (*holder && elector->options.on_leader)
        elector->options.on_leader(elector->options.context, holder);
}

static void lose(struct elector *elector) {
    if (!elector->leading)
        return;
    elector->leading = false;
    loop_timer_stop(&elector->deadline);
    elector->options.on_stopped(elector->options.context);
}

static void win(struct elector *elector, uint64_t asked_ns) {
    bool was = elector->leading;
    elector->leading = true;
    uint64_t spent = loop_now(elector->options.loop) - asked_ns;
    uint64_t left = elector->options.renew_deadline_ns;
    loop_timer_start(&elector->deadline, left > spent ? left - spent : 0);
    note_leader(elector, elector->identity);
    if (!was)
        elector->options.on_started(elector->options.context);
}

static void on_deadline(struct loop_timer *timer) {
    lose(CONTAINER_OF(timer, struct elector, deadline));
}

/* Remembers the Lease; a change of it is a sign of life of its holder. */
static void observe(struct elector *elector, struct str body) {
    json_t *lease = json_loadb(body.data, body.len, 0, NULL);
    if (lease == NULL)
        return;
    json_t *spec = json_object_get(lease, "spec");
    const char *holder = json_string_value(json_object_get(spec, "holderIdentity"));
    char *record = spec ? json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (record && (elector->record == NULL || strcmp(record, elector->record) != 0)) {
        mem_free(elector->record);
        elector->record = mem_strdup(record);
        elector->seen_ns = loop_now(elector->options.loop);
    }
    free(record);
    json_decref(elector->lease);
    elector->lease = lease;
    if (holder && *holder)
        note_leader(elector, holder);
}

static bool held_by_other(const struct elector *elector) {
    json_t *spec = json_object_get(elector->lease, "spec");
    const char *holder = json_string_value(json_object_get(spec, "holderIdentity"));
    uint64_t now = loop_now(elector->options.loop), lasts = elector->options.lease_ns;
    json_int_t said = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
    if (said > 0) /* what its holder counts on */
        lasts = (uint64_t)said * NS_PER_S;
    return holder && *holder && strcmp(holder, elector->identity) != 0 &&
           now - elector->seen_ns < lasts;
}

static void set_time(json_t *spec, const char *field, const struct elector *elector) {
    char text[CLOCK_TEXT];
    clock_format(clock_wall(clock_of(elector)), /* micros= */ 1, text);
    json_object_set_new(spec, field, json_string(text));
}

/* The Lease as it should be, from what is there. NULL: no memory. */
static char *lease_text(struct elector *elector, const char *holder) {
    json_t *lease =
        elector->lease
            ? json_deep_copy(elector->lease)
            : json_pack("{s:s,s:s,s:{s:s,s:s}}", "apiVersion", "coordination.k8s.io/v1", "kind",
                        "Lease", "metadata", "name", elector->name, "namespace", elector->ns);
    json_t *spec = json_object_get(lease, "spec");
    if (spec == NULL) {
        json_object_set_new(lease, "spec", json_object());
        spec = json_object_get(lease, "spec");
    }
    const char *before = json_string_value(json_object_get(spec, "holderIdentity"));
    if (*holder && (before == NULL || strcmp(before, holder) != 0)) {
        json_int_t moves = json_integer_value(json_object_get(spec, "leaseTransitions"));
        json_object_set_new(spec, "leaseTransitions", json_integer(elector->lease ? moves + 1 : 0));
        set_time(spec, "acquireTime", elector);
    }
    json_object_set_new(spec, "holderIdentity", json_string(holder));
    json_object_set_new(
        spec, "leaseDurationSeconds",
        json_integer(*holder ? (json_int_t)(elector->options.lease_ns / NS_PER_S) : 1));
    set_time(spec, "renewTime", elector);
    char *text = lease ? json_dumps(lease, JSON_COMPACT) : NULL;
    json_decref(lease);
    return text;
}

static void on_answer(void *context, const struct kube_answer *answer, const struct error *err);

static void send(struct elector *elector, enum step step) {
    struct error err;
    struct kube_request request = {.timeout_ns = elector->options.renew_deadline_ns / 2};
    char *text = NULL;
    elector->step = step;
    if (step == STEP_GET) {
        request.method = "GET";
        request.path = elector->path;
    } else {
        text = lease_text(elector, step == STEP_RELEASE ? "" : elector->identity);
        request.method = step == STEP_CREATE ? "POST" : "PUT";
        request.path = step == STEP_CREATE ? elector->collection : elector->path;
        request.body = str_of(text);
        elector->sent_ns = loop_now(elector->options.loop);
    }
    elector->call = step == STEP_GET || text ? kube_call_start(elector->options.client, &request,
                                                               on_answer, elector, &err)
                                             : NULL;
    free(text);
    if (elector->call == NULL && step != STEP_RELEASE)
        plan(elector);
}

static void finish_release(struct elector *elector) {
    void (*released)(void *) = elector->released;
    void *context = elector->released_context;
    elector_destroy(elector);
    released(context);
}

static void after_get(struct elector *elector, const struct kube_answer *answer,
                      const struct error *err) {
    if (err && err->code == ERROR_NOT_FOUND) {
        json_decref(elector->lease);
        elector->lease = NULL;
        send(elector, STEP_CREATE);
        return;
    }
    if (err) {
        plan(elector);
        return;
    }
    observe(elector, answer->body);
    if (!held_by_other(elector)) {
        send(elector, STEP_UPDATE);
        return;
    }
    lose(elector); /* somebody took it from us */
    plan(elector);
}

static void on_answer(void *context, const struct kube_answer *answer, const struct error *err) {
    struct elector *elector = context;
    enum step step = elector->step;
    elector->call = NULL;
    if (elector->released) {
        finish_release(elector);
    } else if (step == STEP_GET) {
        after_get(elector, answer, err);
    } else if (err) {
        /* A conflict means that another was faster: look again. */
        json_decref(elector->lease);
        elector->lease = NULL;
        plan(elector);
    } else {
        observe(elector, answer->body);
        win(elector, elector->sent_ns);
        plan(elector);
    }
}

/* While we lead and the Lease is as we left it, one PUT renews it; else it is read first. */
static void try_now(struct elector *elector) {
    send(elector, elector->leading && elector->lease ? STEP_UPDATE : STEP_GET);
}

static void on_retry(struct loop_timer *timer) {
    struct elector *elector = CONTAINER_OF(timer, struct elector, retry);
    if (elector->released)
        finish_release(elector);
    else
        try_now(elector);
}

static void set_default(uint64_t *value, uint64_t unset) {
    if (*value == 0)
        *value = unset;
}

static struct elector_options with_defaults(const struct elector_options *options) {
    struct elector_options full = *options;
    set_default(&full.lease_ns, 15 * NS_PER_S);
    set_default(&full.renew_deadline_ns, 10 * NS_PER_S);
    set_default(&full.retry_period_ns, 2 * NS_PER_S);
    return full;
}

int elector_check_times(const struct elector_options *options, struct error *err) {
    struct elector_options full = with_defaults(options);
    if (full.renew_deadline_ns < full.lease_ns &&
        full.retry_period_ns * 6 / 5 < full.renew_deadline_ns)
        return 0;
    return error_set(
        err, ERROR_INVALID,
        "leader election: the renew deadline must be below the lease duration, and 1.2 "
        "retry periods below the renew deadline");
}

struct elector *elector_start(const struct elector_options *options, struct error *err) {
    struct elector *elector = mem_zalloc(sizeof *elector);
    if (elector == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for leader election");
        return NULL;
    }
    elector->options = with_defaults(options);
    loop_timer_init(options->loop, &elector->retry, on_retry);
    loop_timer_init(options->loop, &elector->deadline, on_deadline);
    if (elector_check_times(options, err) < 0) {
        elector_destroy(elector);
        return NULL;
    }
    elector->ns = mem_strdup(options->ns);
    elector->name = mem_strdup(options->name);
    elector->identity = mem_strdup(options->identity);
    elector->collection =
        mem_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", options->ns);
    elector->path = mem_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases/%s", options->ns,
                               options->name);
    if (!elector->ns || !elector->name || !elector->identity || !elector->collection ||
        !elector->path || loop_timer_start(&elector->retry, 0) < 0) {
        error_set(err, ERROR_NOMEM, "no memory for leader election");
        elector_destroy(elector);
        return NULL;
    }
    return elector;
}

bool elector_leads(const struct elector *elector) {
    return elector->leading;
}

const char *elector_leader(const struct elector *elector) {
    return elector->holder ? elector->holder : "";
}

void elector_release(struct elector *elector, void (*done)(void *context), void *context) {
    elector->released = done;
    elector->released_context = context;
    loop_timer_stop(&elector->deadline);
    kube_call_cancel(elector->call);
    elector->call = NULL;
    bool ours = elector->leading && elector->lease;
    loop_timer_start(&elector->retry, ours ? 2 * NS_PER_S : 0);
    if (ours)
        send(elector, STEP_RELEASE);
}

void elector_destroy(struct elector *elector) {
    if (elector == NULL)
        return;
    kube_call_cancel(elector->call);
    loop_timer_stop(&elector->retry);
    loop_timer_stop(&elector->deadline);
    json_decref(elector->lease);
    mem_free(elector->ns);
    mem_free(elector->name);
    mem_free(elector->identity);
    mem_free(elector->path);
    mem_free(elector->collection);
    mem_free(elector->holder);
    mem_free(elector->record);
    mem_free(elector);
}
