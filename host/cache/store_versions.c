#include "base/mem.h"
#include "cache/store_index.h"

/* NULL: nothing is known of it, or no memory to keep it. */
static struct stream *stream_of(struct store *store, struct str ns, bool make) {
    if (!store->options.split)
        return &store->stream;
    struct stream *stream = map_get(&store->streams, ns);
    if (stream || !make)
        return stream;
    stream = mem_zalloc(sizeof *stream);
    if (stream && map_set(&store->streams, ns, stream, NULL) < 0) {
        mem_free(stream);
        stream = NULL;
    }
    return stream;
}

void store_saw_version(struct store *store, struct str ns, uint64_t version) {
    /* without memory an own write may come back to life until a relist */
    struct stream *stream = stream_of(store, ns, /* make= */ true);
    if (stream && version > stream->newest)
        stream->newest = version;
}

/* An item of a list is older than `known`: the list is, or the server has gone back. */
static void dispute(struct store *store, struct str ns, uint64_t known) {
    struct stream *stream = stream_of(store, ns, /* make= */ true);
    if (stream && (stream->disputed == 0 || known < stream->disputed - 1))
        stream->disputed = 1 + known;
}

bool store_replace_contradicts(struct store *store, struct str ns, uint64_t version) {
    struct stream *stream = stream_of(store, ns, /* make= */ false);
    bool contradicts = stream && stream->disputed > 0 && stream->disputed - 1 <= version;
    if (stream)
        stream->disputed = 0;
    return contradicts;
}

/* R5: is what came older than what is there? Versions that are not integers cannot tell. */
static bool is_stale(const struct entry *entry, const struct object *object,
                     enum store_source source) {
    uint64_t known = entry->now->version;
    if (entry->distrusted)
        return false;
    if (known == 0 || object->version == 0)
        return false;
    return source == STORE_WRITE ? object->version <= known : object->version < known;
}

/* R5: has the watch brought this write, and perhaps a deletion after it, already? */
static bool is_late_write(struct store *store, const struct object *object,
                          enum store_source source) {
    if (source != STORE_WRITE || object->version == 0)
        return false;
    const struct stream *stream = stream_of(store, object_namespace(object), /* make= */ false);
    return stream && object->version <= stream->newest;
}

bool store_knows_better(struct store *store, const struct entry *entry, const struct object *object,
                        enum store_source source) {
    uint64_t known = 0;
    if (is_late_write(store, object, source))
        return true;
    if (!tombstone_covers(store, object, &known)) {
        if (entry == NULL || !is_stale(entry, object, source))
            return false;
        known = entry->now->version;
    }
    if (source == STORE_INITIAL || source == STORE_LISTED)
        dispute(store, object_namespace(object), known);
    return true;
}

void store_distrust_versions(struct store *store, struct str ns) {
    struct table_slots *slots = store->objects.slots;
    for (size_t i = 0; slots && i <= slots->mask; i++) {
        struct keyed *keyed = table_slot(slots, i);
        struct entry *entry = keyed ? CONTAINER_OF(keyed, struct entry, keyed) : NULL;
        if (entry && (ns.data == NULL || str_equal(object_namespace(entry->now), ns)))
            entry->distrusted = true;
    }
    tombstones_clear(store, ns);
    struct stream *stream = stream_of(store, ns, /* make= */ false);
    if (stream)
        *stream = (struct stream){0};
}
