/* The answer to a list: however the bytes are cut (the first byte says how), the same items and the
 * same end come out, and nothing is left over. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http/http.h"
#include "kube/watch.h"
#include "json/scan.h"

struct http_call {
    struct http_request request;
    bool open;
};

struct world {
    struct http_transport transport; /* first */
    struct http_call call;
    uint64_t items, end; /* hashes of what came */
    int ends;
};

static struct http_call *start(struct http_transport *transport, const struct http_request *request,
                               struct error *err) {
    struct world *world = (struct world *)transport;
    (void)err;
    world->call = (struct http_call){*request, true};
    return &world->call;
}

static void cancel(struct http_transport *transport, struct http_call *call) {
    (void)transport;
    call->open = false;
}

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

/* Pieces of 1 to `most` bytes, by a xorshift; most 0: in one. */
static void feed(struct world *world, const char *data, size_t size, unsigned most) {
    const struct http_answer answer = {.status = 200};
    unsigned state = most + 1;
    world->call.request.on_headers(world->call.request.context, &answer);
    for (size_t at = 0; at < size && world->call.open;) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        size_t piece = most ? 1 + state % most : size;
        piece = piece < size - at ? piece : size - at;
        char *copy = malloc(piece); /* reading past a piece is seen */
        memcpy(copy, data + at, piece);
        world->call.request.on_data(world->call.request.context, copy, piece);
        free(copy);
        at += piece;
    }
    if (world->call.open)
        world->call.request.on_done(world->call.request.context, &answer, str_of(""), NULL);
}

static struct world run(const char *data, size_t size, unsigned most) {
    static const struct kube_resource pods = {.group = "",
                                              .version = "v1",
                                              .kind = "Pod",
                                              .plural = "pods",
                                              .api_version = "v1",
                                              .namespaced = true};
    struct kube_config config = {.server = "https://a"};
    struct world world = {.transport = {.start = start, .cancel = cancel}};
    struct loop *loop = loop_create(clock_real(), NULL);
    struct kube_client_options options = {
        .loop = loop, .config = &config, .watches = &world.transport, .calls = &world.transport};
    struct kube_client *client = kube_client_create(&options, NULL);
    struct kube_list_options list = {
        .select = {.resource = &pods}, .on_item = on_item, .on_done = on_done, .context = &world};
    if (kube_list_start(client, &list, NULL) == NULL || !world.call.open)
        abort();
    feed(&world, data, size, most);
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
