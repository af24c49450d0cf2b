#include "runtime/intents.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "cache/diff.h"

struct intent {
    struct list used; /* oldest use first */
    char *key;
    node_t intent, answer;
};

struct intents {
    struct dag *dag;
    struct map by_key;
    struct list used;
    size_t limit;
};

struct intents *intents_create(struct dag *dag, size_t limit, struct error *err) {
    struct intents *intents = mem_zalloc(sizeof *intents);
    if (intents == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the memory of applies");
        return NULL;
    }
    intents->dag = dag;
    intents->limit = limit;
    list_init(&intents->used);
    return intents;
}

static void forget(struct intents *intents, struct intent *intent) {
    map_remove(&intents->by_key, str_of(intent->key));
    list_remove(&intent->used);
    node_unref(intents->dag, intent->intent);
    node_unref(intents->dag, intent->answer);
    mem_free(intent->key);
    mem_free(intent);
}

void intents_destroy(struct intents *intents) {
    if (intents == NULL)
        return;
    while (!list_empty(&intents->used))
        forget(intents, CONTAINER_OF(intents->used.next, struct intent, used));
    map_finish(&intents->by_key);
    mem_free(intents);
}

static char *key_of(struct str uid, const char *manager) {
    return mem_printf(STR_FORMAT "|%s", STR_ARG(uid), manager);
}

bool intents_hold(struct intents *intents, struct str uid, const char *manager, node_t intent,
                  node_t now) {
    CLEANUP(mem_freep) char *key = key_of(uid, manager);
    struct intent *last = key ? map_get(&intents->by_key, str_of(key)) : NULL;
    if (last == NULL || last->intent != intent)
        return false;
    list_remove(&last->used);
    list_append(&intents->used, &last->used);
    return node_intent_holds(intents->dag, intent, last->answer, now);
}

void intents_remember(struct intents *intents, struct str uid, const char *manager, node_t intent,
                      node_t answer) {
    char *key = key_of(uid, manager);
    if (key == NULL)
        return;
    struct intent *old = map_get(&intents->by_key, str_of(key));
    if (old)
        forget(intents, old);
    struct intent *fresh = mem_zalloc(sizeof *fresh);
    if (fresh == NULL || map_set(&intents->by_key, str_of(key), fresh, NULL) < 0) {
        mem_free(fresh);
        mem_free(key);
        return;
    }
    fresh->key = key;
    fresh->intent = node_ref(intents->dag, intent);
    fresh->answer = node_ref(intents->dag, answer);
    list_append(&intents->used, &fresh->used);
    if (intents->by_key.count > intents->limit)
        forget(intents, CONTAINER_OF(intents->used.next, struct intent, used));
}

size_t intents_count(const struct intents *intents) {
    return intents->by_key.count;
}
