/* Watch frames into a store: however the bytes are cut (the first byte says how), the same events
 * and the same end come out, and nothing is left over. */
#include <stdlib.h>

#include "base/mem.h"
#include "cache/store.h"
#include "kube/watch.h"
#include "pieces.h"

struct world {
    struct pieces pieces;
    struct kube_watch *watch;
    struct store *store;
    uint64_t events, deltas; /* hashes of all that came */
    int end;                 /* 1: none yet */
    size_t count;
};

static void on_delta(void *context, const struct store_delta *delta) {
    struct world *world = context;
    const struct object *object = delta->now ? delta->now : delta->old;
    world->deltas = world->deltas * 31 + str_hash(object_name(object)) + delta->change;
}

static void on_event(void *context, enum kube_event type, struct str object) {
    struct world *world = context;
    struct error err;
    world->events = world->events * 31 + str_hash(object) + type;
    if (type == KUBE_ADDED || type == KUBE_MODIFIED)
        store_put(world->store, object, STORE_EVENT, NULL, &err);
    else if (type == KUBE_DELETED)
        store_delete_event(world->store, object, &err);
}

static void on_end(void *context, const struct error *err) {
    struct world *world = context;
    if (world->end <= 0)
        abort(); /* it ends once */
    world->end = err ? err->code : 0;
    world->watch = NULL;
}

static struct world run(const char *data, size_t size, unsigned most) {
    static const struct kube_resource pods = {.group = "",
                                              .version = "v1",
                                              .kind = "Pod",
                                              .plural = "pods",
                                              .api_version = "v1",
                                              .namespaced = true};
    struct kube_config config = {.server = "https://a"};
    struct world world = {.pieces = pieces_of(), .end = 1};
    struct loop *loop = loop_create(clock_real(), NULL);
    struct kube_client_options options = {.loop = loop,
                                          .config = &config,
                                          .watches = &world.pieces.transport,
                                          .calls = &world.pieces.transport};
    struct kube_client *client = kube_client_create(&options, NULL);
    struct dag *dag = dag_create(NULL, NULL);
    struct epochs *epochs = epochs_create(dag, NULL, NULL, NULL);
    world.store = store_create(
        &(struct store_options){.epochs = epochs, .dag = dag, .emit = on_delta, .context = &world},
        NULL);
    struct kube_watch_options watch = {
        .select = {.resource = &pods}, .on_event = on_event, .on_end = on_end, .context = &world};
    world.watch = kube_watch_open(client, &watch, NULL);
    if (world.watch == NULL || !world.pieces.call.open)
        abort();
    pieces_feed(&world.pieces, data, size, most);
    kube_watch_close(world.watch);
    world.count = store_count(world.store);
    store_destroy(world.store);
    epochs_destroy(epochs);
    dag_destroy(dag);
    kube_client_destroy(client);
    loop_destroy(loop);
    return world;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    uint64_t blocks = mem_stats().blocks;
    const char *text = (const char *)data + 1;
    struct world whole = run(text, size - 1, 0), cut = run(text, size - 1, 1 + data[0] % 32);
    if (whole.events != cut.events || whole.deltas != cut.deltas || whole.end != cut.end ||
        whole.count != cut.count || whole.end > 0 || mem_stats().blocks != blocks)
        abort();
    return 0;
}
