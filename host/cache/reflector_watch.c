#include "base/list.h"
#include "cache/reflector_internal.h"

enum { WATCH_MIN_S = 300, WATCH_SPREAD_S = 301 };
#define STREAM_SILENCE (10 * NS_PER_S)    /* a streaming list silent for so long is none */
#define BOOKMARK_SILENCE (180 * NS_PER_S) /* three intervals of the server's periodic bookmarks */
#define WATCH_GRACE (30 * NS_PER_S)       /* past timeoutSeconds */
#define SHORT_WATCH NS_PER_S              /* a stream that ended sooner has failed */

static void arm_alive(struct reflector *r) {
    uint64_t now = loop_now(r->options.loop), end = r->opened + r->watch_timeout + WATCH_GRACE;
    uint64_t left = end > now ? end - now : 0;
    if (r->bookmarked && left > BOOKMARK_SILENCE) /* R22 */
        left = BOOKMARK_SILENCE;
    loop_timer_start(&r->alive, left);
}

void reflector_on_silent(struct loop_timer *timer) {
    struct reflector *r = CONTAINER_OF(timer, struct reflector, alive);
    struct error err;
    error_set(&err, ERROR_TIMEOUT, "the watch has been silent for too long");
    if (r->phase == REFLECTOR_STREAMING) {
        reflector_back_off(r, &err, /* relist= */ true);
        return;
    }
    r->errors++;
    reflector_cancel(r);
    reflector_open_watch(r, /* stream= */ false);
}

/* False when the reflector has gone on to something else. */
static bool on_bookmark(struct reflector *r, struct str json) {
    struct dag *dag = r->options.dag;
    node_t root = dag_parse(dag, json, /* drop= */ 0, NULL);
    node_t metadata = node_get(dag, root, str_of("metadata"));
    node_t annotations = node_get(dag, metadata, str_of("annotations"));
    struct str version = node_text(dag, node_get(dag, metadata, str_of("resourceVersion")));
    bool ends =
        node_is(dag, node_get(dag, annotations, str_of("k8s.io/initial-events-end")), "true");
    bool going_on = true;
    if (r->phase == REFLECTOR_STREAMING) {
        if (ends) {
            r->phase = REFLECTOR_WATCHING;
            loop_timer_stop(&r->retry);
            going_on = reflector_complete_list(r, version);
        }
    } else if (version.len > 0) {
        r->bookmarked = true;
        going_on = reflector_advance(r, version);
        if (going_on)
            store_saw_version(r->options.store, reflector_ns(r), r->number);
    }
    node_unref(dag, root);
    return going_on;
}

static void on_event(void *context, enum kube_event type, struct str object) {
    struct reflector *r = context;
    struct error err = {0};
    int rc = 0;
    if (type == KUBE_BOOKMARK) {
        if (!on_bookmark(r, object))
            return;
    } else {
        r->events++;
        rc = type == KUBE_DELETED
                 ? store_delete_event(r->options.store, object, &err)
                 : store_put(r->options.store, object, reflector_item_source(r), NULL, &err);
        if (rc < 0)
            reflector_bad_object(r, object, &err);
        else if (r->phase == REFLECTOR_STREAMING)
            reflector_raise_version(r);
        else if (r->watch && !reflector_advance(r, store_last_version(r->options.store)))
            return;
    }
    if (r->watch == NULL) /* stopped meanwhile */
        return;
    if (r->phase == REFLECTOR_STREAMING)
        loop_timer_start(&r->retry, STREAM_SILENCE);
    else if (rc == 0)
        reflector_works(r);
    arm_alive(r);
}

/* Did the server answer, and only the connection end? */
static bool is_cut(const struct error *err) {
    return err->code == ERROR_UNAVAILABLE && err->status == 200;
}

static void on_stream_end(struct reflector *r, const struct error *err) {
    struct error cut;
    if (err && err->code == ERROR_REJECTED && (err->status == 400 || err->status == 422)) {
        r->no_streaming = true;
        reflector_relist(r);
        return;
    }
    if (err == NULL)
        error_set(&cut, ERROR_UNAVAILABLE, "the watch ended before its initial events did");
    else if (err->code == ERROR_GONE || reflector_is_behind(err))
        r->consistent = true;
    reflector_back_off(r, err ? err : &cut, /* relist= */ true);
}

static void on_watch_end(void *context, const struct error *err) {
    struct reflector *r = context;
    struct error brief;
    r->watch = NULL;
    if (r->phase == REFLECTOR_STREAMING) {
        on_stream_end(r, err);
        return;
    }
    bool lasted = loop_now(r->options.loop) - r->opened >= SHORT_WATCH;
    if (err && err->code == ERROR_GONE) {
        if (loop_now(r->options.loop) - r->listed > REFLECTOR_BACKOFF_MAX)
            r->failures = 0; /* a server that is back: its absence is over */
        if (lasted)
            reflector_relist(r);
        else
            reflector_back_off(r, err, /* relist= */ true);
        return;
    }
    if (err && !(lasted && is_cut(err))) {
        r->consistent |= reflector_is_behind(err);
        reflector_back_off(r, err,
                           reflector_is_behind(err) || err->code == ERROR_NOT_FOUND ||
                               err->code == ERROR_REJECTED);
        return;
    }
    if (!lasted) {
        error_set(&brief, ERROR_UNAVAILABLE, "the watch ended at once");
        reflector_back_off(r, &brief, /* relist= */ false);
        return;
    }
    reflector_works(r);
    if (r->phase != REFLECTOR_WATCHING) /* stopped by who was told */
        return;
    reflector_cancel(r);
    reflector_open_watch(r, /* stream= */ false);
}

void reflector_open_watch(struct reflector *r, bool stream) {
    struct error err = {0};
    unsigned timeout = WATCH_MIN_S + (unsigned)rng_below(r->options.rng, WATCH_SPREAD_S);
    struct kube_watch_options options = {
        .select = r->options.select,
        .resource_version = stream && r->consistent ? NULL : strbuf_view(&r->version).data,
        .resource_version_match = stream ? "NotOlderThan" : NULL,
        .send_initial_events = stream,
        .bookmarks = true,
        .timeout_s = timeout,
        .on_event = on_event,
        .on_end = on_watch_end,
        .context = r};
    r->bookmarked = false;
    r->phase = stream ? REFLECTOR_STREAMING : REFLECTOR_WATCHING;
    r->opened = loop_now(r->options.loop);
    r->watch_timeout = timeout * NS_PER_S;
    r->watches++;
    if (stream) {
        reflector_begin_replace(r);
        loop_timer_start(&r->retry, STREAM_SILENCE);
    }
    arm_alive(r);
    r->watch = r->options.source->watch_open(r->options.source, &options, &err);
    if (r->watch == NULL)
        reflector_back_off(r, &err, stream);
}
