#include "runtime/support/world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/hooks.h"
#include "runtime/intents.h"
#include "runtime/telemetry.h"
#include "runtime/worker_internal.h"

static const struct kube_resource resources[] = {
    {"", "v1", "ConfigMap", "configmaps", "v1", true, false, false},
    {"", "v1", "Pod", "pods", "v1", true, true, false},
    {"", "v1", "Namespace", "namespaces", "v1", false, true, false},
    {"apps", "v1", "Deployment", "deployments", "apps/v1", true, true, true},
};

static const char core_v1[] =
    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":["
    "{\"name\":\"configmaps\",\"namespaced\":true,\"kind\":\"ConfigMap\"},"
    "{\"name\":\"pods\",\"namespaced\":true,\"kind\":\"Pod\"},"
    "{\"name\":\"pods/status\",\"namespaced\":true,\"kind\":\"Pod\"},"
    "{\"name\":\"pods/eviction\",\"namespaced\":true,\"kind\":\"Eviction\"},"
    "{\"name\":\"secrets\",\"namespaced\":true,\"kind\":\"Secret\"},"
    "{\"name\":\"serviceaccounts\",\"namespaced\":true,\"kind\":\"ServiceAccount\"},"
    "{\"name\":\"serviceaccounts/token\",\"namespaced\":true,\"kind\":\"TokenRequest\"},"
    "{\"name\":\"namespaces\",\"namespaced\":false,\"kind\":\"Namespace\"}]}";
static const char apps_v1[] =
    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"apps/v1\",\"resources\":["
    "{\"name\":\"deployments\",\"namespaced\":true,\"kind\":\"Deployment\"},"
    "{\"name\":\"deployments/scale\",\"namespaced\":true,\"kind\":\"Scale\"},"
    "{\"name\":\"deployments/status\",\"namespaced\":true,\"kind\":\"Deployment\"}]}";

static void on_changed(struct host *host) {
    (void)host;
}

static void on_result(struct controller *controller, const char *result, double seconds) {
    struct world *world = CONTAINER_OF(controller->host, struct world, host);
    (void)seconds;
    char *more = mem_printf("%s%s ", world->results ? world->results : "", result);
    mem_free(world->results);
    world->results = more;
}

static void on_lost(void *context, struct worker *worker) {
    struct world *world = context;
    (void)worker;
    world->lost++;
    reload_rebuild_lost(world->host.reload);
}

/* Reader threads hand objects back; every turn reclaims. */
static void on_wake(void *context) {
    (void)context;
}

static void on_known(void *context, const struct kube_resource *resource, const struct error *err) {
    (void)context, (void)err;
    assert_non_null(resource);
}

static void learn(struct world *world, const char *api_version, const char *kind,
                  const char *list) {
    discovery_resolve(world->host.discovery, api_version, kind, on_known, world);
    fake_transport_answer(&world->calls, 200, list);
}

static void start_host(struct world *world) {
    struct host *host = &world->host;
    struct error err;
    struct kube_client_options client = {.loop = host->loop,
                                         .config = &world->config,
                                         .watches = &world->calls.base,
                                         .calls = &world->calls.base,
                                         .user_agent = "test"};
    host->mailbox = mailbox_create(host->loop, &err);
    host->client = kube_client_create(&client, &err);
    host->discovery = discovery_create(host->client, &err);
    host->dag = dag_create(NULL, &err);
    host->epochs = epochs_create(host->dag, on_wake, NULL, &err);
    host->intents = intents_create(host->dag, 100, &err);
    host->events = event_recorder_create(host->client, host->loop, &host->rng, "test", &err);
    struct informer_set_options informers = {.loop = host->loop,
                                             .dag = host->dag,
                                             .epochs = host->epochs,
                                             .rng = &host->rng,
                                             .log = host->log};
    host->informers = informer_set_create_over(&informers, &world->source.source, &err);
    host->reload = reload_create(host, world->folders, NULL, /* watch= */ false, &err);
    world->metrics = metrics_create(&err);
    host->telemetry = telemetry_create(host, world->metrics, &err);
    struct hooks_options hooks = {.instance = "test", .address = "127.0.0.1:0"};
    host->hooks = hooks_create(host, &hooks, &err);
    assert_non_null(host->telemetry);
    assert_non_null(host->hooks);
    struct worker_options worker = {.core = host->loop,
                                    .engine = &world->engine.type,
                                    .log = host->log,
                                    .epochs = host->epochs,
                                    .name = "worker-1",
                                    .host_name = "test",
                                    .host_namespace = host->ns,
                                    .stuck_ns = 30 * NS_PER_S,
                                    .on_lost = on_lost,
                                    .context = world};
    host->workers = world->workers;
    host->worker_count = 1;
    world->workers[0] = worker_start(&worker, &err);
    assert_non_null(world->workers[0]);
}

void world_begin(struct world *world) {
    *world = (struct world){.before = mem_stats(), .config = {.server = "https://a"}};
    clock_fake_init(&world->clock, 1000 * NS_PER_S, 0);
    fake_engine_init(&world->engine, &world->clock.clock);
    fake_transport_init(&world->calls);
    fake_source_init(&world->source);
    snprintf(world->folder, sizeof world->folder, "/tmp/moonlet-runtime-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->folders[0] = world->folder;
    world->host = (struct host){.loop = loop_create(&world->clock.clock, NULL),
                                .clock = &world->clock.clock,
                                .log = &world->engine.log,
                                .config = &world->config,
                                .calls = &world->calls.base,
                                .watches = &world->calls.base,
                                .fetches = &world->calls.base,
                                .ns = "default",
                                .reload_grace_ns = 10 * NS_PER_S,
                                .leading = true,
                                .changed = on_changed,
                                .on_result = on_result};
    rng_init(&world->host.rng, 7);
    start_host(world);
    learn(world, "v1", "Pod", core_v1);
    learn(world, "apps/v1", "Deployment", apps_v1);
}

void world_end(struct world *world) {
    struct host *host = &world->host;
    world_until(world, reload_quiet(host->reload));
    hooks_destroy(world->host.hooks);
    reload_destroy(host->reload);
    worker_stop(world->workers[0]);
    informer_set_destroy(host->informers);
    event_recorder_destroy(host->events);
    intents_destroy(host->intents);
    metrics_destroy(world->metrics);
    telemetry_destroy(host->telemetry);
    mailbox_destroy(host->mailbox);
    if (epochs_destroy(host->epochs))
        dag_destroy(host->dag);
    discovery_destroy(host->discovery);
    kube_client_destroy(host->client);
    loop_destroy(host->loop);
    assert_int_equal(fake_transport_waiting(&world->calls), 0);
    assert_int_equal(fake_source_open(&world->source), 0);
    fake_engine_finish(&world->engine);
    mem_free(world->results);
    rmdir(world->folder);
    if (world->lost == 0) /* what an abandoned thread holds is lost on purpose */
        assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static const struct kube_resource *resource_of(const char *kind) {
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (strcmp(resources[i].kind, kind) == 0)
            return &resources[i];
    return NULL;
}

static void begin_watch(struct world *world, struct kube_watch *watch) {
    for (size_t i = 0; i < world->object_count; i++)
        if (strcmp(world->objects[i].kind, watch->options.select.resource->kind) == 0)
            fake_event(watch, KUBE_ADDED, world->objects[i].json);
    fake_bookmark(watch, 100, /* ends_initial= */ true);
}

static void serve(struct world *world) {
    struct fake_source *source = &world->source;
    for (int i = 0; i < FAKE_STREAMS; i++) {
        struct discovery_lookup *lookup = &source->lookup[i];
        if (lookup->open)
            fake_resolve(lookup, resource_of(lookup->kind), 0);
        if (!source->watch[i].open)
            world->listed[i] = false;
        else if (!world->listed[i]) {
            world->listed[i] = true;
            begin_watch(world, &source->watch[i]);
        }
    }
    while (strstr(fake_transport_what(&world->calls), "selfsubjectaccessreviews"))
        fake_transport_answer(&world->calls, 201, "{\"status\":{\"allowed\":true}}");
}

void world_turn(struct world *world) {
    loop_poll(world->host.loop);
    epochs_reclaim(world->host.epochs);
    serve(world);
    sched_yield();
}

/* A message to the worker and back: what was sent before it has been received by then. */
struct fence {
    struct message message;
    struct mailbox *back;
    bool passed;
};

static void pass_fence(struct message *message) {
    CONTAINER_OF(message, struct fence, message)->passed = true;
}

static void send_fence_back(struct message *message) {
    struct fence *fence = CONTAINER_OF(message, struct fence, message);
    message->deliver = pass_fence;
    mailbox_post(fence->back, message);
}

void world_rest(struct world *world) {
    const struct worker_body *body = world->workers[0]->body;
    for (int idle = 0; idle < 3; idle++) { /* an answer may lead to another question */
        struct fence fence = {.message = {.deliver = send_fence_back}, .back = body->core};
        uint64_t turn = atomic_load(&body->turn);
        if (fake_engine_hung(&world->engine) > world->lost)
            return; /* nothing comes back */
        mailbox_post(body->mailbox, &fence.message);
        world_until(world, fence.passed);
        if (atomic_load(&body->turn) != turn)
            idle = -1;
    }
}

void world_pass(struct world *world, uint64_t ns) {
    world_rest(world);
    loop_advance(world->host.loop, &world->clock, ns);
    world_turn(world);
}

void world_expect(struct world *world, const char *line) {
    char got[512];
    world_until(world, fake_engine_next(&world->engine, got, sizeof got));
    assert_string_equal(got, line);
}

void world_expect_request(struct world *world, const char *what) {
    world_until(world, fake_transport_waiting(&world->calls) > 0);
    const char *got = fake_transport_what(&world->calls);
    const char *path = strstr(got, "https://a");
    char text[1024];
    snprintf(text, sizeof text, "%.*s%s", path ? (int)(path - got) : 0, got,
             path ? path + strlen("https://a") : got);
    assert_string_equal(text, what);
}

void world_expect_nothing(struct world *world) {
    char line[512];
    for (int i = 0; i < 50; i++) {
        world_turn(world);
        if (fake_engine_next(&world->engine, line, sizeof line))
            fail_msg("the engine was asked: %s", line);
        assert_string_equal(fake_transport_what(&world->calls), "");
    }
}

void world_has(struct world *world, const char *kind, const char *json) {
    world->objects[world->object_count].kind = kind;
    world->objects[world->object_count++].json = json;
}

void world_event(struct world *world, const char *kind, enum kube_event type, const char *json) {
    for (int i = 0; i < FAKE_STREAMS; i++) {
        struct kube_watch *watch = &world->source.watch[i];
        if (watch->open && strcmp(watch->options.select.resource->kind, kind) == 0) {
            fake_event(watch, type, json);
            return;
        }
    }
    fail_msg("nobody watches %s", kind);
}

void world_file(struct world *world, const char *name, const char *text) {
    char path[128];
    struct error err;
    snprintf(path, sizeof path, "%s/%s.lua", world->folder, name);
    if (text) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    } else {
        unlink(path);
    }
    assert_int_equal(reload_scan(world->host.reload, &err), 0);
}

struct slot *world_slot(struct world *world, const char *name) {
    struct list *link, *next;
    LIST_EACH(link, next, &world->host.reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (strcmp(slot->name, name) == 0)
            return slot;
    }
    return NULL;
}

void world_live(struct world *world, const char *name) {
    const struct slot *slot = world_slot(world, name);
    assert_non_null(slot);
    world_until(world, slot->next == NULL);
    if (slot->live == NULL)
        fail_msg("%s: %s", name, slot->error.message);
}

struct controller *world_controller(struct world *world, const char *name) {
    struct list *link, *next;
    LIST_EACH(link, next, &world->host.reload->controllers) {
        struct controller *controller = CONTAINER_OF(link, struct controller, link);
        if (strcmp(controller->name, name) == 0)
            return controller;
    }
    return NULL;
}

int world_setup(void **state) {
    static struct world world;
    world_begin(&world);
    *state = &world;
    return 0;
}

int world_teardown(void **state) {
    world_end(*state);
    return 0;
}
