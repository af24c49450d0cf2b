#include "cache/epochs.h"

#include <assert.h>

#include "base/list.h"
#include "base/mem.h"

/*
 * The core unlinks a thing, stamps it with the epoch and moves the epoch on; a reader that enters
 * later carries a greater number and cannot have seen the thing. Entering and every load of a
 * shared pointer is sequentially consistent: either the core sees the reader inside, or the reader
 * sees the thing unlinked.
 */
enum { READERS = 64, CACHE_LINE = 64 };

struct epoch_reader {
    uint64_t inside; /* atomic: the epoch it entered in, 0 = outside */
    struct epochs *epochs;
    bool used; /* core */
} __attribute__((aligned(CACHE_LINE)));

struct epochs {
    struct epoch_reader readers[READERS];
    uint64_t epoch; /* atomic; only the core writes */
    struct dag *dag;
    void (*wake)(void *context);
    void *context;
    struct limbo *first, **last; /* waiting, oldest first */
    struct limbo *posted;        /* atomic stack: seen by nobody, to be released */
    int64_t objects;             /* alive */
};

struct epochs *epochs_create(struct dag *dag, void (*wake)(void *context), void *context,
                             struct error *err) {
    void *block = mem_zalloc(sizeof(struct epochs) + CACHE_LINE + sizeof(void *));
    if (block == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the cache's epochs");
        return NULL;
    }
    uintptr_t at = ((uintptr_t)block + sizeof(void *) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    ((void **)at)[-1] = block;
    struct epochs *epochs = (struct epochs *)at;
    *epochs = (struct epochs){.epoch = 1, .dag = dag, .wake = wake, .context = context};
    epochs->last = &epochs->first;
    return epochs;
}

static void release_posted(struct epochs *epochs) {
    struct limbo *limbo = __atomic_exchange_n(&epochs->posted, NULL, __ATOMIC_ACQUIRE), *next;
    for (; limbo; limbo = next) {
        next = limbo->next;
        limbo->release(limbo);
    }
}

/* Releases what was retired before `until`. */
static void release_before(struct epochs *epochs, uint64_t until) {
    while (epochs->first && epochs->first->epoch < until) {
        struct limbo *limbo = epochs->first;
        epochs->first = limbo->next;
        if (epochs->first == NULL)
            epochs->last = &epochs->first;
        limbo->release(limbo);
    }
}

void epochs_reclaim(struct epochs *epochs) {
    release_posted(epochs);
    if (epochs->first == NULL)
        return;
    uint64_t oldest = UINT64_MAX;
    for (int i = 0; i < READERS; i++) {
        uint64_t inside = __atomic_load_n(&epochs->readers[i].inside, __ATOMIC_SEQ_CST);
        if (inside && inside < oldest)
            oldest = inside;
    }
    release_before(epochs, oldest);
}

static bool has_readers(const struct epochs *epochs) {
    for (int i = 0; i < READERS; i++)
        if (epochs->readers[i].used)
            return true;
    return false;
}

bool epochs_destroy(struct epochs *epochs) {
    if (epochs == NULL)
        return true;
    release_before(epochs, UINT64_MAX);
    release_posted(epochs);
    if (has_readers(epochs)) /* of threads that were given up: they may still read all of it */
        return false;
    assert(epochs->objects == 0 && "pins are left");
    mem_free(((void **)epochs)[-1]);
    return true;
}

struct dag *epochs_dag(const struct epochs *epochs) {
    return epochs->dag;
}

void epochs_count_object(struct epochs *epochs, int change) {
    epochs->objects += change;
}

void epochs_post(struct epochs *epochs, struct limbo *limbo) {
    struct limbo *first = __atomic_load_n(&epochs->posted, __ATOMIC_RELAXED);
    do
        limbo->next = first;
    while (!__atomic_compare_exchange_n(&epochs->posted, &first, limbo, /* weak= */ true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (first == NULL && epochs->wake) /* else who put the first one has woken the core */
        epochs->wake(epochs->context);
}

void epochs_limbo(struct epochs *epochs, struct limbo *limbo,
                  void (*release)(struct limbo *limbo)) {
    limbo->next = NULL;
    limbo->release = release;
    limbo->epoch = epochs->epoch;
    __atomic_store_n(&epochs->epoch, epochs->epoch + 1, __ATOMIC_SEQ_CST);
    *epochs->last = limbo;
    epochs->last = &limbo->next;
}

struct retired {
    struct limbo limbo;
    void *block;
    void (*release)(void *block);
};

static void release_block(struct limbo *limbo) {
    struct retired *retired = CONTAINER_OF(limbo, struct retired, limbo);
    retired->release(retired->block);
    mem_free(retired);
}

int epochs_retire(struct epochs *epochs, void *block, void (*release)(void *block)) {
    struct retired *retired = mem_alloc(sizeof *retired);
    if (retired == NULL)
        return ERROR_NOMEM;
    retired->block = block;
    retired->release = release;
    epochs_limbo(epochs, &retired->limbo, release_block);
    return 0;
}

struct epoch_reader *epoch_reader_create(struct epochs *epochs, struct error *err) {
    for (int i = 0; i < READERS; i++) {
        struct epoch_reader *reader = &epochs->readers[i];
        if (reader->used)
            continue;
        reader->used = true;
        reader->epochs = epochs;
        return reader;
    }
    error_set(err, ERROR_INVALID, "more than %d readers of one cache", READERS);
    return NULL;
}

void epoch_reader_destroy(struct epoch_reader *reader) {
    if (reader == NULL)
        return;
    assert(__atomic_load_n(&reader->inside, __ATOMIC_ACQUIRE) == 0);
    reader->used = false;
}

void epoch_enter(struct epoch_reader *reader) {
    uint64_t epoch = __atomic_load_n(&reader->epochs->epoch, __ATOMIC_SEQ_CST);
    __atomic_store_n(&reader->inside, epoch, __ATOMIC_SEQ_CST);
}

void epoch_leave(struct epoch_reader *reader) {
    __atomic_store_n(&reader->inside, 0, __ATOMIC_RELEASE);
}
