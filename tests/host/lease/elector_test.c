#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "http/http.h"
#include "lease/elector.h"

/*
 * Two electors against one Lease in memory: a transport that answers after random delays, loses
 * answers and requests, and checks resourceVersion as the API server does.
 */
struct server {
    struct loop *loop;
    struct rng *rng;
    json_t *lease;            /* NULL: not there */
    unsigned version, losses; /* percent of requests that are lost before or after they act */
    bool down;
};

struct fake {
    struct http_transport base; /* first */
    struct server *server;
    struct list calls;
};

struct http_call {
    struct list link;
    struct fake *fake;
    struct loop_timer arrive, answer;
    char *method, *body;
    struct http_request request;
    int status;
    char *text;
};

static void call_free(struct http_call *call) {
    list_remove(&call->link);
    loop_timer_stop(&call->arrive);
    loop_timer_stop(&call->answer);
    mem_free(call->method);
    mem_free(call->body);
    free(call->text);
    mem_free(call);
}

static void act(struct server *server, struct http_call *call) {
    if (strcmp(call->method, "GET") != 0) {
        json_t *lease = json_loads(call->body, 0, NULL);
        const char *version = json_string_value(
            json_object_get(json_object_get(lease, "metadata"), "resourceVersion"));
        bool create = strcmp(call->method, "POST") == 0;
        bool fresh = server->lease && version && (unsigned)atoi(version) == server->version;
        if (create ? server->lease != NULL : !fresh) {
            call->status = 409;
            json_decref(lease);
            return;
        }
        char number[16];
        snprintf(number, sizeof number, "%u", ++server->version);
        json_object_set_new(json_object_get(lease, "metadata"), "resourceVersion",
                            json_string(number));
        json_decref(server->lease);
        server->lease = lease;
    }
    call->status = server->lease ? 200 : 404;
    call->text = server->lease ? json_dumps(server->lease, 0) : NULL;
}

static void on_answer(struct loop_timer *timer) {
    struct http_call *call = CONTAINER_OF(timer, struct http_call, answer);
    struct http_request request = call->request;
    struct http_answer answer = {.status = call->status};
    struct error err;
    char *text = call->text;
    bool lost = call->status == 0;
    call->text = NULL;
    call_free(call);
    error_set(&err, ERROR_UNAVAILABLE, "cut");
    if (!lost && request.on_headers)
        request.on_headers(request.context, &answer);
    request.on_done(request.context, &answer, str_of(text ? text : "{}"), lost ? &err : NULL);
    free(text);
}

static bool lose(struct server *server) {
    return server->down || rng_below(server->rng, 100) < server->losses;
}

static void on_arrive(struct loop_timer *timer) {
    struct http_call *call = CONTAINER_OF(timer, struct http_call, arrive);
    struct server *server = call->fake->server;
    if (!lose(server)) {
        act(server, call);
        if (lose(server))
            call->status = 0;
    }
    loop_timer_start(&call->answer, rng_below(server->rng, 800 * NS_PER_MS));
}

static struct http_call *start(struct http_transport *transport, const struct http_request *request,
                               struct error *err) {
    struct fake *fake = (struct fake *)transport;
    struct http_call *call = mem_zalloc(sizeof *call);
    (void)err;
    call->fake = fake;
    call->request = *request;
    call->method = mem_strdup(request->method);
    call->body = mem_strndup(request->body.data ? request->body.data : "", request->body.len);
    list_append(&fake->calls, &call->link);
    loop_timer_init(fake->server->loop, &call->arrive, on_arrive);
    loop_timer_init(fake->server->loop, &call->answer, on_answer);
    loop_timer_start(&call->arrive, rng_below(fake->server->rng, 800 * NS_PER_MS));
    return call;
}

static void cancel(struct http_transport *transport, struct http_call *call) {
    (void)transport;
    call_free(call);
}

struct side {
    struct fake fake;
    struct kube_client *client;
    struct elector *elector;
    unsigned started, stopped;
};

static void on_started(void *context) {
    ((struct side *)context)->started++;
}

static void on_stopped(void *context) {
    ((struct side *)context)->stopped++;
}

struct world {
    struct clock_fake clock;
    struct rng rng;
    struct server server;
    struct kube_config config;
    struct side sides[2];
};

static char url[] = "http://server";

static void side_open(struct world *world, int i) {
    struct side *side = &world->sides[i];
    struct error err = {0};
    *side = (struct side){
        .fake = {.base = {.start = start, .cancel = cancel}, .server = &world->server}};
    list_init(&side->fake.calls);
    struct kube_client_options client = {.loop = world->server.loop,
                                         .config = &world->config,
                                         .watches = &side->fake.base,
                                         .calls = &side->fake.base,
                                         .user_agent = "test"};
    side->client = kube_client_create(&client, &err);
    assert_non_null(side->client);
    struct elector_options options = {.loop = world->server.loop,
                                      .client = side->client,
                                      .rng = &world->rng,
                                      .ns = "n",
                                      .name = "l",
                                      .identity = i ? "b" : "a",
                                      .on_started = on_started,
                                      .on_stopped = on_stopped,
                                      .context = side};
    side->elector = elector_start(&options, &err);
    assert_non_null(side->elector);
}

static void side_close(struct side *side) {
    elector_destroy(side->elector);
    kube_client_destroy(side->client);
}

static void world_open(struct world *world, uint64_t seed, unsigned losses) {
    struct error err;
    *world = (struct world){.config = {.server = url}};
    clock_fake_init(&world->clock, NS_PER_S, (int64_t)1700000000 * (int64_t)NS_PER_S);
    rng_init(&world->rng, seed);
    world->server = (struct server){
        .loop = loop_create(&world->clock.clock, &err), .rng = &world->rng, .losses = losses};
    side_open(world, 0);
    side_open(world, 1);
}

static void world_close(struct world *world) {
    side_close(&world->sides[0]);
    side_close(&world->sides[1]);
    json_decref(world->server.lease);
    loop_destroy(world->server.loop);
}

static void advance(struct world *world, uint64_t ns) {
    for (uint64_t step = 50 * NS_PER_MS; ns > 0; ns -= step < ns ? step : ns) {
        loop_advance(world->server.loop, &world->clock, step < ns ? step : ns);
        assert_false(elector_leads(world->sides[0].elector) &&
                     elector_leads(world->sides[1].elector));
    }
}

static bool anybody(const struct world *world) {
    return elector_leads(world->sides[0].elector) || elector_leads(world->sides[1].elector);
}

static void elector_never_lets_two_lead(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world;
        world_open(&world, seed, (unsigned)(seed % 5) * 15);
        advance(&world, 120 * NS_PER_S);
        world.server.losses = 0;
        advance(&world, 60 * NS_PER_S);
        assert_true(anybody(&world)); /* somebody does when the network is good */
        world_close(&world);
    }
}

static void elector_that_cannot_renew_stops_before_the_lease_ends(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 7, 0);
    advance(&world, 10 * NS_PER_S);
    int leader = elector_leads(world.sides[0].elector) ? 0 : 1;
    assert_true(elector_leads(world.sides[leader].elector));
    world.server.down = true;
    advance(&world, 9 * NS_PER_S / 2);
    assert_true(elector_leads(world.sides[leader].elector)); /* 10 s are its deadline */
    advance(&world, 10 * NS_PER_S);
    assert_false(elector_leads(world.sides[leader].elector));
    assert_int_equal(world.sides[leader].stopped, 1);
    world_close(&world);
}

static void elector_ignores_jumps_of_the_wall_clock(void **state) {
    (void)state;
    struct world world;
    world_open(&world, 9, 0);
    advance(&world, 10 * NS_PER_S);
    int leader = elector_leads(world.sides[0].elector) ? 0 : 1;
    world.clock.wall_ns += (int64_t)3600 * (int64_t)NS_PER_S;
    advance(&world, 30 * NS_PER_S);
    world.clock.wall_ns -= (int64_t)7200 * (int64_t)NS_PER_S;
    advance(&world, 30 * NS_PER_S);
    assert_true(elector_leads(world.sides[leader].elector));
    assert_int_equal(world.sides[leader].started, 1);
    assert_int_equal(world.sides[1 - leader].started, 0);
    world_close(&world);
}

static void set_true(void *context) {
    *(bool *)context = true;
}

static void elector_release_hands_over_at_once(void **state) {
    (void)state;
    struct world world;
    bool released = false;
    world_open(&world, 11, 0);
    advance(&world, 10 * NS_PER_S);
    int leader = elector_leads(world.sides[0].elector) ? 0 : 1;
    struct elector *other = world.sides[1 - leader].elector;
    elector_release(world.sides[leader].elector, set_true, &released);
    world.sides[leader].elector = NULL;
    loop_advance(world.server.loop, &world.clock, 2 * NS_PER_S);
    assert_true(released);
    loop_advance(world.server.loop, &world.clock, 8 * NS_PER_S); /* below the 15 s of the lease */
    assert_true(elector_leads(other));
    world_close(&world);
}

static void elector_refuses_times_that_cannot_work(void **state) {
    (void)state;
    struct world world;
    struct error err = {0};
    world_open(&world, 1, 0);
    struct elector_options options = {.loop = world.server.loop,
                                      .client = world.sides[0].client,
                                      .rng = &world.rng,
                                      .ns = "n",
                                      .name = "l",
                                      .identity = "c",
                                      .lease_ns = 10 * NS_PER_S,
                                      .renew_deadline_ns = 10 * NS_PER_S,
                                      .on_started = on_started,
                                      .on_stopped = on_stopped};
    assert_null(elector_start(&options, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elector_refuses_times_that_cannot_work),
        cmocka_unit_test(elector_that_cannot_renew_stops_before_the_lease_ends),
        cmocka_unit_test(elector_ignores_jumps_of_the_wall_clock),
        cmocka_unit_test(elector_release_hands_over_at_once),
        cmocka_unit_test(elector_never_lets_two_lead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
