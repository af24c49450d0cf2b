/* The answer to a list: however the bytes are cut (the first byte says how), the same items and the
 * same end come out, and nothing is left over. */
#include <stdlib.h>

#include "base/mem.h"
#include "kube/watch.h"
#include "pieces.h"
#include "json/scan.h"

struct world {
    struct pieces pieces;
    uint64_t items, end; /* hashes of what came */
    int ends;
};

static int on_item(void *context, struct str object, struct error *err) {
    struct world *world = context;
    world->items = world->items * 31 + str_hash(object);
    return json_check(object, err);
}

static void on_done(void *context, const char *version, const char *more, const struct error *err) {
    struct world *world = context;
    world->ends++;
    world->end = str_hash(str_of(err ? err->message : version)) * 31 + str_hash(str_of(more));
}

static struct world run(const char *data, size_t size, unsigned most) {
    static const struct kube_resource pods = {.group = "",
                                              .version = "v1",
                                              .kind = "Pod",
                                              .plural = "pods",
                                              .api_version = "v1",
                                              .namespaced = true};
    struct kube_config config = {.server = "https://a"};
    struct world world = {.pieces = pieces_of()};
    struct loop *loop = loop_create(clock_real(), NULL);
    struct kube_client_options options = {.loop = loop,
                                          .config = &config,
                                          .watches = &world.pieces.transport,
                                          .calls = &world.pieces.transport};
    struct kube_client *client = kube_client_create(&options, NULL);
    struct kube_list_options list = {
        .select = {.resource = &pods}, .on_item = on_item, .on_done = on_done, .context = &world};
    if (kube_list_start(client, &list, NULL) == NULL || !world.pieces.call.open)
        abort();
    pieces_feed(&world.pieces, data, size, most);
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
    if (whole.items != cut.items || whole.end != cut.end || whole.ends != 1 || cut.ends != 1 ||
        mem_stats().blocks != blocks)
        abort();
    return 0;
}
