#include "runtime/events.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "queue/bucket.h"
#include "json/write.h"

/* client-go's numbers. */
enum { SPAM_BURST = 25, MOST_SIMILAR = 10, MOST_KEPT = 4096, MOST_UNDER_WAY = 64 };
#define SPAM_RATE (1.0 / 300)
#define SIMILAR_NS (600 * NS_PER_S)

struct source { /* of one component about one object */
    struct bucket bucket;
};

struct similar { /* same but for the message */
    uint64_t first_ns;
    unsigned count;                  /* different messages, at most one more than are kept */
    uint64_t messages[MOST_SIMILAR]; /* hashes */
};

struct seen {   /* one Event on the server */
    char *path; /* of the object, once created */
    unsigned count;
    bool creating;
};

struct event_recorder {
    struct kube_client *client;
    struct loop *loop;
    struct rng *rng;
    char *instance;
    struct map sources, similars, seen;
    struct list posts;
    unsigned under_way;
    struct event_stats stats;
};

struct post { /* a request under way */
    struct list link;
    struct event_recorder *recorder;
    struct kube_call *call;
    struct seen *seen;
};

struct event_recorder *event_recorder_create(struct kube_client *client, struct loop *loop,
                                             struct rng *rng, const char *instance,
                                             struct error *err) {
    struct event_recorder *recorder = mem_zalloc(sizeof *recorder);
    if (recorder == NULL || (recorder->instance = mem_strdup(instance)) == NULL) {
        mem_free(recorder);
        error_set(err, ERROR_NOMEM, "no memory for the event recorder");
        return NULL;
    }
    recorder->client = client;
    recorder->loop = loop;
    recorder->rng = rng;
    list_init(&recorder->posts);
    return recorder;
}

static void free_values(struct map *map) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(map, &at));)
        mem_free(entry->value);
    map_finish(map);
}

static void forget_seen(struct event_recorder *recorder) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&recorder->seen, &at));) {
        struct seen *seen = entry->value;
        mem_free(seen->path);
        mem_free(seen);
    }
    map_finish(&recorder->seen);
}

void event_recorder_destroy(struct event_recorder *recorder) {
    struct list *link, *next;
    if (recorder == NULL)
        return;
    LIST_EACH(link, next, &recorder->posts) {
        struct post *post = CONTAINER_OF(link, struct post, link);
        kube_call_cancel(post->call);
        list_remove(link);
        mem_free(post);
    }
    free_values(&recorder->sources);
    free_values(&recorder->similars);
    forget_seen(recorder);
    mem_free(recorder->instance);
    mem_free(recorder);
}

/* A cache that is full starts anew, as an LRU's worst case: some Events are told again. */
static void bound(struct event_recorder *recorder) {
    if (recorder->sources.count > MOST_KEPT)
        free_values(&recorder->sources);
    if (recorder->similars.count > MOST_KEPT)
        free_values(&recorder->similars);
    if (recorder->seen.count > MOST_KEPT && recorder->under_way == 0)
        forget_seen(recorder);
}

static void *find_or_make(struct map *map, const char *key, size_t size, bool *ret_made) {
    void *value = map_get(map, str_of(key));
    *ret_made = value == NULL;
    if (value)
        return value;
    value = mem_zalloc(size);
    if (value == NULL || map_set(map, str_of(key), value, NULL) < 0) {
        mem_free(value);
        return NULL;
    }
    return value;
}

static bool too_many(struct event_recorder *recorder, const char *source_key) {
    bool made;
    uint64_t now = loop_now(recorder->loop), wait;
    struct source *source = find_or_make(&recorder->sources, source_key, sizeof *source, &made);
    if (source && made)
        bucket_init(&source->bucket, SPAM_RATE, SPAM_BURST, now, NULL);
    return source == NULL || bucket_take(&source->bucket, now, &wait) < 0;
}

/* More than MOST_SIMILAR messages in the interval: the message is left out of the key. */
static bool aggregated(struct event_recorder *recorder, const char *similar_key,
                       const char *message) {
    bool made;
    uint64_t now = loop_now(recorder->loop), hash = str_hash(str_of(message));
    struct similar *similar =
        find_or_make(&recorder->similars, similar_key, sizeof *similar, &made);
    if (similar == NULL)
        return false;
    if (made || now - similar->first_ns > SIMILAR_NS) {
        similar->first_ns = now;
        similar->count = 0;
    }
    for (unsigned i = 0; i < similar->count && i < MOST_SIMILAR; i++)
        if (similar->messages[i] == hash)
            return similar->count > MOST_SIMILAR;
    if (similar->count < MOST_SIMILAR)
        similar->messages[similar->count++] = hash;
    else
        similar->count = MOST_SIMILAR + 1;
    return similar->count > MOST_SIMILAR;
}

static void on_posted(void *context, const struct kube_answer *answer, const struct error *err) {
    struct post *post = context;
    struct event_recorder *recorder = post->recorder;
    (void)answer;
    list_remove(&post->link);
    recorder->under_way--;
    post->seen->creating = false;
    if (err == NULL) {
        recorder->stats.sent++;
    } else {
        recorder->stats.failed++;
        mem_free(post->seen->path); /* gone, or never there: the next one is created */
        post->seen->path = NULL;
    }
    mem_free(post);
}

static bool send(struct event_recorder *recorder, struct seen *seen, const char *method,
                 const char *path, const char *content_type, struct str body) {
    struct error err;
    struct post *post = mem_zalloc(sizeof *post);
    struct kube_request request = {
        .method = method, .path = path, .content_type = content_type, .body = body};
    if (post) {
        post->recorder = recorder;
        post->seen = seen;
        post->call = kube_call_start(recorder->client, &request, on_posted, post, &err);
    }
    if (post == NULL || post->call == NULL) {
        mem_free(post);
        recorder->stats.dropped++;
        return false;
    }
    recorder->under_way++;
    list_append(&recorder->posts, &post->link);
    return true;
}

static void text_field(struct json_writer *writer, const char *key, const char *value) {
    if (value && *value)
        json_write_key_string(writer, key, str_of(value));
}

static void write_about(struct json_writer *writer, const struct event_about *about) {
    json_write_key(writer, str_of("involvedObject"));
    json_write_object_begin(writer);
    text_field(writer, "apiVersion", about->api_version);
    text_field(writer, "kind", about->kind);
    text_field(writer, "namespace", about->ns);
    text_field(writer, "name", about->name);
    text_field(writer, "uid", about->uid);
    text_field(writer, "resourceVersion", about->resource_version);
    json_write_object_end(writer);
}

struct event {
    const char *component, *type, *reason, *message;
    const struct event_about *about;
};

static const char *namespace_of(const struct event_about *about) {
    return about->ns && *about->ns ? about->ns : "default";
}

static void create(struct event_recorder *recorder, struct seen *seen, const struct event *event) {
    struct strbuf body = {0};
    struct json_writer writer;
    char now[CLOCK_TEXT], name[300];
    int64_t wall = clock_wall(loop_clock(recorder->loop));
    clock_format(wall, /* micros= */ 0, now);
    snprintf(name, sizeof name, "%.200s.%llx", event->about->name,
             (unsigned long long)wall ^ (rng_next(recorder->rng) & 0xffff));
    json_writer_init(&writer, &body);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of("v1"));
    json_write_key_string(&writer, "kind", str_of("Event"));
    json_write_key(&writer, str_of("metadata"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "name", str_of(name));
    json_write_key_string(&writer, "namespace", str_of(namespace_of(event->about)));
    json_write_object_end(&writer);
    write_about(&writer, event->about);
    json_write_key_string(&writer, "type", str_of(event->type));
    json_write_key_string(&writer, "reason", str_of(event->reason));
    json_write_key_string(&writer, "message", str_of(event->message));
    json_write_key(&writer, str_of("source"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "component", str_of(event->component));
    json_write_object_end(&writer);
    json_write_key_string(&writer, "reportingComponent", str_of(event->component));
    json_write_key_string(&writer, "reportingInstance", str_of(recorder->instance));
    json_write_key_string(&writer, "firstTimestamp", str_of(now));
    json_write_key_string(&writer, "lastTimestamp", str_of(now));
    json_write_key(&writer, str_of("count"));
    json_write_int(&writer, 1);
    json_write_object_end(&writer);
    char *collection = mem_printf("/api/v1/namespaces/%s/events", namespace_of(event->about));
    seen->count = 1;
    mem_free(seen->path);
    seen->path = collection ? mem_printf("%s/%s", collection, name) : NULL;
    if (body.failed || seen->path == NULL)
        recorder->stats.dropped++;
    else
        seen->creating = send(recorder, seen, "POST", collection, NULL, strbuf_view(&body));
    if (!seen->creating) { /* the next one tries again */
        mem_free(seen->path);
        seen->path = NULL;
    }
    mem_free(collection);
    strbuf_finish(&body);
}

static void count_again(struct event_recorder *recorder, struct seen *seen,
                        const struct event *event) {
    struct strbuf body = {0};
    struct json_writer writer;
    char now[CLOCK_TEXT];
    clock_format(clock_wall(loop_clock(recorder->loop)), /* micros= */ 0, now);
    json_writer_init(&writer, &body);
    json_write_object_begin(&writer);
    json_write_key(&writer, str_of("count"));
    json_write_int(&writer, ++seen->count);
    json_write_key_string(&writer, "lastTimestamp", str_of(now));
    json_write_key_string(&writer, "message", str_of(event->message));
    json_write_object_end(&writer);
    if (body.failed)
        recorder->stats.dropped++;
    else
        send(recorder, seen, "PATCH", seen->path, "application/merge-patch+json",
             strbuf_view(&body));
    strbuf_finish(&body);
}

void event_record(struct event_recorder *recorder, const char *component,
                  const struct event_about *about, const char *type, const char *reason,
                  const char *message) {
    bool made;
    bound(recorder);
    CLEANUP(mem_freep)
    char *source = mem_printf("%s|%s|%s/%s|%s", component, about->kind, namespace_of(about),
                              about->name, about->uid ? about->uid : "");
    CLEANUP(mem_freep) char *kind = source ? mem_printf("%s|%s|%s", source, type, reason) : NULL;
    if (kind == NULL || recorder->under_way >= MOST_UNDER_WAY || too_many(recorder, source)) {
        recorder->stats.dropped++;
        return;
    }
    bool combine = aggregated(recorder, kind, message);
    CLEANUP(mem_freep)
    char *text =
        mem_printf("%s%.1000s", combine ? "(combined from similar events): " : "", message);
    CLEANUP(mem_freep) char *key = mem_printf("%s|%s", kind, combine ? "*" : message);
    struct seen *seen =
        key && text ? find_or_make(&recorder->seen, key, sizeof *seen, &made) : NULL;
    struct event event = {component, type, reason, text, about};
    if (seen == NULL || seen->creating)
        recorder->stats.dropped++;
    else if (seen->path)
        count_again(recorder, seen, &event);
    else
        create(recorder, seen, &event);
}

struct event_stats event_recorder_stats(const struct event_recorder *recorder) {
    return recorder->stats;
}

bool event_recorder_idle(const struct event_recorder *recorder) {
    return recorder->under_way == 0;
}
