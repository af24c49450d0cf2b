#include "cache/reflector.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "json/scan.h"

enum { PAGE = 500, WATCH_MIN_S = 300, WATCH_SPREAD_S = 301 };
#define BACKOFF_FIRST (800 * NS_PER_MS)
#define BACKOFF_MAX (30 * NS_PER_S)
#define BACKOFF_RESET (120 * NS_PER_S)
#define STREAM_SILENCE                                                                             \
    (10 * NS_PER_S) /* a streaming list that says nothing for so long is none                      \
                     */
#define BOOKMARK_SILENCE (180 * NS_PER_S) /* three intervals of the server's periodic bookmarks */
#define WATCH_GRACE (30 * NS_PER_S)       /* past timeoutSeconds */
#define SHORT_WATCH NS_PER_S              /* a stream that ended sooner has failed */

static void open_watch(struct reflector *r, bool stream);
static void start_list(struct reflector *r, const char *continue_token);

static void cancel(struct reflector *r) {
    struct kube_watch *watch = r->watch;
    struct kube_list *list = r->list;
    r->watch = NULL;
    r->list = NULL;
    if (watch)
        r->options.source->watch_close(watch);
    if (list)
        r->options.source->list_cancel(list);
    loop_timer_stop(&r->retry);
    loop_timer_stop(&r->alive);
}

static struct str ns_of(const struct reflector *r) {
    const char *ns = r->options.select.ns;
    return ns && *ns ? str_of(ns) : (struct str){0};
}

static void set_version(struct reflector *r, struct str version) {
    int64_t number = 0;
    if (version.len == 0)
        return;
    strbuf_clear(&r->version);
    strbuf_add(&r->version, version.data, version.len);
    r->number = str_to_int64(version, &number) && number > 0 ? (uint64_t)number : 0;
}

/* A list that does not come to its end has shown how far the server is, all the same. */
static void raise_version(struct reflector *r) {
    struct str version = store_last_version(r->options.store);
    int64_t number = 0;
    if (str_to_int64(version, &number) && number > 0 && (uint64_t)number > r->number)
        set_version(r, version);
}

static void forget_version(struct reflector *r) {
    strbuf_clear(&r->version);
    r->number = 0;
}

static void works(struct reflector *r) {
    if (!r->failing)
        return;
    r->failing = false;
    if (r->options.on_error)
        r->options.on_error(r->options.context, NULL);
}

/* Tells of the failure and goes on after a while, by a list or by a watch from the last version. */
static void back_off(struct reflector *r, const struct error *err, bool relist) {
    uint64_t now = loop_now(r->options.loop), longest = BACKOFF_FIRST;
    cancel(r);
    if (now - r->failed > BACKOFF_RESET)
        r->failures = 0;
    for (unsigned i = 0; i < r->failures && longest < BACKOFF_MAX; i++)
        longest *= 2;
    longest = longest < BACKOFF_MAX ? longest : BACKOFF_MAX;
    uint64_t delay = (uint64_t)(rng_unit(r->options.rng) * (double)longest);
    if (err && err->retry_after_ns > delay)
        delay = err->retry_after_ns;
    r->failures++;
    r->failed = now;
    r->errors++;
    r->failing = true;
    r->relist = relist;
    r->phase = REFLECTOR_BACKING_OFF;
    loop_timer_start(&r->retry, delay);
    if (r->options.on_error)
        r->options.on_error(r->options.context, err);
}

static void relist(struct reflector *r) {
    cancel(r);
    if (r->no_streaming)
        start_list(r, NULL);
    else
        open_watch(r, /* stream= */ true);
}

/* The server has lost what we have seen: it was restored from a backup, say. From here on versions
 * tell nothing about what is there; the next list is made from its newest state and believed. */
static void go_back(struct reflector *r) {
    forget_version(r);
    r->consistent = r->believed = true;
}

/* What the watch has come to. False when that is older than what we have seen, which no server
 * tells that still has it. */
static bool advance(struct reflector *r, struct str version) {
    struct error err;
    uint64_t seen = r->number;
    set_version(r, version);
    if (seen == 0 || r->number == 0 || r->number >= seen)
        return true;
    error_set(&err, ERROR_UNAVAILABLE, "the watch went back from version %llu to %llu",
              (unsigned long long)seen, (unsigned long long)r->number);
    go_back(r);
    back_off(r, &err, /* relist= */ true);
    return false;
}

/* A list begins, from its first page. What is believed holds all that was acknowledged so far. */
static void begin_replace(struct reflector *r) {
    r->lists++;
    if (r->believed)
        store_distrust_versions(r->options.store, ns_of(r));
    r->begun = store_replace_begin(r->options.store);
}

/* The list that has just ended, at `version`. False when it has to be made again, because it is
 * older than what we have seen, or lacks some of it. */
static bool complete_list(struct reflector *r, struct str version) {
    uint64_t seen = r->number;
    set_version(r, version);
    bool back = seen > 0 && r->number > 0 && r->number < seen;
    back |= store_replace_contradicts(r->options.store, ns_of(r), r->number);
    if (back && !r->believed) {
        go_back(r);
        relist(r);
        return false;
    }
    r->consistent = r->believed = r->unpaged = false;
    store_replace_end(r->options.store, r->begun, ns_of(r), r->number);
    r->listed = loop_now(r->options.loop);
    works(r);
    if (!r->synced) {
        r->synced = true;
        if (r->options.on_synced)
            r->options.on_synced(r->options.context);
    }
    return true;
}

static void arm_alive(struct reflector *r) {
    uint64_t now = loop_now(r->options.loop), end = r->opened + r->watch_timeout + WATCH_GRACE;
    uint64_t left = end > now ? end - now : 0;
    if (r->bookmarked && left > BOOKMARK_SILENCE) /* R22 */
        left = BOOKMARK_SILENCE;
    loop_timer_start(&r->alive, left);
}

/* The watch is silent: the next one is the probe. */
static void on_silent(struct loop_timer *timer) {
    struct reflector *r = CONTAINER_OF(timer, struct reflector, alive);
    struct error err;
    error_set(&err, ERROR_TIMEOUT, "the watch has been silent for too long");
    if (r->phase == REFLECTOR_STREAMING) {
        back_off(r, &err, /* relist= */ true);
        return;
    }
    r->errors++;
    cancel(r);
    open_watch(r, /* stream= */ false);
}

static void on_retry(struct loop_timer *timer) {
    struct reflector *r = CONTAINER_OF(timer, struct reflector, retry);
    if (r->phase == REFLECTOR_STREAMING) { /* no initial events, no end of them */
        r->no_streaming = true;
        relist(r);
    } else if (r->relist || r->version.len == 0) {
        relist(r);
    } else {
        open_watch(r, /* stream= */ false);
    }
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
            going_on = complete_list(r, version);
        }
    } else if (version.len > 0) {
        r->bookmarked = true;
        going_on = advance(r, version);
        if (going_on)
            store_saw_version(r->options.store, ns_of(r), r->number);
    }
    node_unref(dag, root);
    return going_on;
}

/* An object that cannot be taken. No memory now: the event must come again. */
static void on_bad_object(struct reflector *r, struct str object, struct error *err) {
    struct strbuf name = {0};
    kube_name_add(&name, object);
    if (name.len > 0)
        error_prefix(err, "%s", name.data);
    strbuf_finish(&name);
    if (err->code == ERROR_NOMEM) {
        back_off(r, err, /* relist= */ r->phase != REFLECTOR_WATCHING);
        return;
    }
    r->errors++;
    if (r->options.on_error)
        r->options.on_error(r->options.context, err);
}

static enum store_source item_source(const struct reflector *r) {
    return r->phase == REFLECTOR_WATCHING ? STORE_EVENT : r->synced ? STORE_LISTED : STORE_INITIAL;
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
        rc = type == KUBE_DELETED ? store_delete_event(r->options.store, object, &err)
                                  : store_put(r->options.store, object, item_source(r), NULL, &err);
        if (rc < 0)
            on_bad_object(r, object, &err);
        else if (r->phase == REFLECTOR_STREAMING)
            raise_version(r);
        else if (r->watch && !advance(r, store_last_version(r->options.store)))
            return;
    }
    if (r->watch == NULL) /* stopped meanwhile */
        return;
    if (r->phase == REFLECTOR_STREAMING)
        loop_timer_start(&r->retry, STREAM_SILENCE);
    else if (rc == 0)
        works(r);
    arm_alive(r);
}

/* Does the server say that it has not come to the version we have seen? */
static bool is_behind(const struct error *err) {
    return err->code == ERROR_TIMEOUT && err->status == 504;
}

/* Did the server answer, and only the connection end? */
static bool is_cut(const struct error *err) {
    return err->code == ERROR_UNAVAILABLE && err->status == 200;
}

static void on_stream_end(struct reflector *r, const struct error *err) {
    struct error cut;
    if (err && err->code == ERROR_REJECTED && (err->status == 400 || err->status == 422)) {
        r->no_streaming = true;
        relist(r);
        return;
    }
    if (err == NULL)
        error_set(&cut, ERROR_UNAVAILABLE, "the watch ended before its initial events did");
    else if (err->code == ERROR_GONE || is_behind(err))
        r->consistent = true;
    back_off(r, err ? err : &cut, /* relist= */ true);
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
        if (loop_now(r->options.loop) - r->listed > BACKOFF_MAX)
            r->failures = 0; /* a server that is back: its absence is over */
        if (lasted)
            relist(r);
        else
            back_off(r, err, /* relist= */ true);
        return;
    }
    if (err && !(lasted && is_cut(err))) {
        r->consistent |= is_behind(err);
        back_off(r, err,
                 is_behind(err) || err->code == ERROR_NOT_FOUND || err->code == ERROR_REJECTED);
        return;
    }
    if (!lasted) {
        error_set(&brief, ERROR_UNAVAILABLE, "the watch ended at once");
        back_off(r, &brief, /* relist= */ false);
        return;
    }
    works(r);
    if (r->phase != REFLECTOR_WATCHING) /* stopped by who was told */
        return;
    cancel(r);
    open_watch(r, /* stream= */ false);
}

/* A watch from the last version, or one that begins with a streaming list. */
static void open_watch(struct reflector *r, bool stream) {
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
        begin_replace(r);
        loop_timer_start(&r->retry, STREAM_SILENCE);
    }
    arm_alive(r);
    r->watch = r->options.source->watch_open(r->options.source, &options, &err);
    if (r->watch == NULL)
        back_off(r, &err, stream);
}

/* What is no JSON may have hidden more than one object, and no memory is no reason to forget one:
 * such a list does not come to its end. */
static int on_item(void *context, struct str object, struct error *err) {
    struct reflector *r = context;
    int rc = store_put(r->options.store, object, item_source(r), NULL, err);
    if (rc == 0) {
        r->events++;
        raise_version(r);
        return 0;
    }
    if (rc == ERROR_NOMEM || json_check(object, /* err= */ NULL) < 0)
        return rc;
    on_bad_object(r, object, err);
    return 0;
}

/* A list that failed: from where to try again. */
static void on_list_failed(struct reflector *r, const struct error *err) {
    if (err->code == ERROR_GONE && r->paging) { /* the pages are of a version that is gone */
        r->unpaged = true;
        start_list(r, NULL);
        return;
    }
    bool was = r->consistent;
    r->consistent |= err->code == ERROR_GONE || is_behind(err);
    if (err->code == ERROR_GONE && !was)
        start_list(r, NULL);
    else
        back_off(r, err, /* relist= */ true);
}

static void on_list_done(void *context, const char *resource_version, const char *continue_token,
                         const struct error *err) {
    struct reflector *r = context;
    r->list = NULL;
    if (err) {
        on_list_failed(r, err);
        return;
    }
    if (continue_token && *continue_token) {
        start_list(r, continue_token);
        return;
    }
    if (!complete_list(r, str_of(resource_version)) || r->phase != REFLECTOR_LISTING)
        return;
    open_watch(r, /* stream= */ false);
}

/* The first page, or the next. From a version the server's cache may answer, and does so whole;
 * without one it pages through its newest state. */
static void start_list(struct reflector *r, const char *continue_token) {
    struct error err = {0};
    bool known = r->version.len > 0 && !r->consistent;
    struct kube_list_options options = {
        .select = r->options.select,
        .resource_version = continue_token || r->consistent ? NULL
                            : known                         ? r->version.data
                                                            : "0",
        .resource_version_match = known && !continue_token ? "NotOlderThan" : NULL,
        .limit = r->unpaged || (known && !continue_token) ? 0 : PAGE,
        .continue_token = continue_token,
        .on_item = on_item,
        .on_done = on_list_done,
        .context = r};
    r->phase = REFLECTOR_LISTING;
    r->paging = continue_token != NULL;
    if (!r->paging)
        begin_replace(r);
    r->list = r->options.source->list_start(r->options.source, &options, &err);
    if (r->list == NULL)
        back_off(r, &err, /* relist= */ true);
}

void reflector_init(struct reflector *reflector, const struct reflector_options *options) {
    *reflector = (struct reflector){.options = *options, .consistent = options->consistent};
    loop_timer_init(options->loop, &reflector->retry, on_retry);
    loop_timer_init(options->loop, &reflector->alive, on_silent);
}

void reflector_start(struct reflector *reflector) {
    reflector->failed = loop_now(reflector->options.loop);
    reflector->failures = 0;
    reflector->failing = false;
    relist(reflector);
}

void reflector_stop(struct reflector *reflector) {
    cancel(reflector);
    reflector->phase = REFLECTOR_STOPPED;
}

void reflector_finish(struct reflector *reflector) {
    if (reflector->options.loop == NULL)
        return;
    reflector_stop(reflector);
    strbuf_finish(&reflector->version);
    *reflector = (struct reflector){0};
}
