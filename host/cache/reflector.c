#include "base/list.h"
#include "cache/reflector_internal.h"

#define BACKOFF_FIRST (800 * NS_PER_MS)
#define BACKOFF_RESET (120 * NS_PER_S)

void reflector_cancel(struct reflector *r) {
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

struct str reflector_ns(const struct reflector *r) {
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

void reflector_raise_version(struct reflector *r) {
    struct str version = store_last_version(r->options.store);
    int64_t number = 0;
    if (str_to_int64(version, &number) && number > 0 && (uint64_t)number > r->number)
        set_version(r, version);
}

static void forget_version(struct reflector *r) {
    strbuf_clear(&r->version);
    r->number = 0;
}

void reflector_works(struct reflector *r) {
    if (!r->failing)
        return;
    r->failing = false;
    if (r->options.on_error)
        r->options.on_error(r->options.context, NULL);
}

void reflector_back_off(struct reflector *r, const struct error *err, bool relist) {
    uint64_t now = loop_now(r->options.loop), longest = BACKOFF_FIRST;
    reflector_cancel(r);
    if (now - r->failed > BACKOFF_RESET)
        r->failures = 0;
    for (unsigned i = 0; i < r->failures && longest < REFLECTOR_BACKOFF_MAX; i++)
        longest *= 2;
    longest = longest < REFLECTOR_BACKOFF_MAX ? longest : REFLECTOR_BACKOFF_MAX;
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

void reflector_relist(struct reflector *r) {
    reflector_cancel(r);
    if (r->no_streaming)
        reflector_start_list(r, NULL);
    else
        reflector_open_watch(r, /* stream= */ true);
}

/* The server has lost what we have seen: it was restored from a backup, say. From here on versions
 * tell nothing about what is there; the next list is made from its newest state and believed. */
static void go_back(struct reflector *r) {
    forget_version(r);
    r->consistent = r->believed = true;
}

bool reflector_advance(struct reflector *r, struct str version) {
    struct error err;
    uint64_t seen = r->number;
    set_version(r, version);
    if (seen == 0 || r->number == 0 || r->number >= seen)
        return true;
    error_set(&err, ERROR_UNAVAILABLE, "the watch went back from version %llu to %llu",
              (unsigned long long)seen, (unsigned long long)r->number);
    go_back(r);
    reflector_back_off(r, &err, /* relist= */ true);
    return false;
}

void reflector_begin_replace(struct reflector *r) {
    r->lists++;
    if (r->believed)
        store_distrust_versions(r->options.store, reflector_ns(r));
    r->begun = store_replace_begin(r->options.store);
}

bool reflector_complete_list(struct reflector *r, struct str version) {
    uint64_t seen = r->number;
    set_version(r, version);
    bool back = seen > 0 && r->number > 0 && r->number < seen;
    back |= store_replace_contradicts(r->options.store, reflector_ns(r), r->number);
    if (back && !r->believed) {
        go_back(r);
        reflector_relist(r);
        return false;
    }
    r->consistent = r->believed = r->unpaged = false;
    store_replace_end(r->options.store, r->begun, reflector_ns(r), r->number);
    r->listed = loop_now(r->options.loop);
    reflector_works(r);
    if (!r->synced) {
        r->synced = true;
        if (r->options.on_synced)
            r->options.on_synced(r->options.context);
    }
    return true;
}

static void on_retry(struct loop_timer *timer) {
    struct reflector *r = CONTAINER_OF(timer, struct reflector, retry);
    if (r->phase == REFLECTOR_STREAMING) { /* no initial events, no end of them */
        r->no_streaming = true;
        reflector_relist(r);
    } else if (r->relist || r->version.len == 0) {
        reflector_relist(r);
    } else {
        reflector_open_watch(r, /* stream= */ false);
    }
}

void reflector_bad_object(struct reflector *r, struct str object, struct error *err) {
    struct strbuf name = {0};
    kube_name_add(&name, object);
    if (name.len > 0)
        error_prefix(err, "%s", name.data);
    strbuf_finish(&name);
    if (err->code == ERROR_NOMEM) {
        reflector_back_off(r, err, /* relist= */ r->phase != REFLECTOR_WATCHING);
        return;
    }
    r->errors++;
    if (r->options.on_error)
        r->options.on_error(r->options.context, err);
}

enum store_source reflector_item_source(const struct reflector *r) {
    return r->phase == REFLECTOR_WATCHING ? STORE_EVENT : r->synced ? STORE_LISTED : STORE_INITIAL;
}

void reflector_init(struct reflector *reflector, const struct reflector_options *options) {
    *reflector = (struct reflector){.options = *options, .consistent = options->consistent};
    loop_timer_init(options->loop, &reflector->retry, on_retry);
    loop_timer_init(options->loop, &reflector->alive, reflector_on_silent);
}

void reflector_start(struct reflector *reflector) {
    reflector->failed = loop_now(reflector->options.loop);
    reflector->failures = 0;
    reflector_relist(reflector);
}

void reflector_stop(struct reflector *reflector) {
    reflector_cancel(reflector);
    reflector->failing = false;
    reflector->phase = REFLECTOR_STOPPED;
}

void reflector_finish(struct reflector *reflector) {
    if (reflector->options.loop == NULL)
        return;
    reflector_stop(reflector);
    strbuf_finish(&reflector->version);
    *reflector = (struct reflector){0};
}
