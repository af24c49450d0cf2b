#include "kube/discovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/support/fake_transport.h"

#define APPS                                                                                       \
    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"apps/v1\",\"resources\":["                   \
    "{\"name\":\"deployments\",\"namespaced\":true,\"kind\":\"Deployment\"},"                      \
    "{\"name\":\"deployments/scale\",\"namespaced\":true,\"kind\":\"Scale\"},"                     \
    "{\"name\":\"deployments/status\",\"namespaced\":true,\"kind\":\"Deployment\"},"               \
    "{\"name\":\"controllerrevisions\",\"namespaced\":true,\"kind\":\"ControllerRevision\"}]}"

struct world {
    struct mem_stats before;
    struct loop *loop;
    struct fake_transport calls;
    struct kube_config config;
    struct kube_client *client;
    struct discovery *discovery;
};

struct seen {
    int done;
    const struct kube_resource *resource;
    struct error err;
    struct world *ask_again; /* from the callback */
};

static void on_resource(void *context, const struct kube_resource *resource,
                        const struct error *err) {
    struct seen *seen = context;
    struct world *world = seen->ask_again;
    seen->done++;
    seen->resource = resource;
    if (err)
        seen->err = *err;
    seen->ask_again = NULL;
    if (world)
        discovery_resolve(world->discovery, "apps/v1", "Nothing", on_resource, seen);
}

static void begin(struct world *world) {
    struct error err;
    *world = (struct world){.before = mem_stats(), .config = {.server = "https://a"}};
    world->loop = loop_create(clock_real(), &err);
    fake_transport_init(&world->calls);
    struct kube_client_options options = {.loop = world->loop,
                                          .config = &world->config,
                                          .watches = &world->calls.base,
                                          .calls = &world->calls.base};
    world->client = kube_client_create(&options, &err);
    assert_non_null(world->client);
    world->discovery = discovery_create(world->client, &err);
    assert_non_null(world->discovery);
}

static void end(struct world *world) {
    discovery_destroy(world->discovery);
    assert_int_equal(fake_transport_waiting(&world->calls), 0);
    kube_client_destroy(world->client);
    loop_destroy(world->loop);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static struct discovery_lookup *ask(struct world *world, struct seen *seen, const char *kind) {
    return discovery_resolve(world->discovery, "apps/v1", kind, on_resource, seen);
}

static void discovery_unknown_kind_is_not_found_and_asked_anew(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    static const struct {
        int status;
        const char *body;
    } answers[] = {{200, APPS}, {404, "404 page not found"}, {200, "{\"resources\":[]}"}};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct seen seen = {0};
        assert_non_null(ask(&world, &seen, "Nothing"));
        assert_string_equal(fake_transport_what(&world.calls), "GET https://a/apis/apps/v1");
        fake_transport_answer(&world.calls, answers[i].status, answers[i].body);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.err.code, ERROR_NOT_FOUND);
        assert_string_equal(seen.err.message, "the server has no kind apps/v1 Nothing");
    }
    assert_null(discovery_peek(world.discovery, "apps/v1", "Deployment")); /* it went */
    end(&world);
}

static void discovery_failures_come_through(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    struct seen seen = {0};
    ask(&world, &seen, "Deployment");
    fake_transport_answer(&world.calls, 403, "{\"kind\":\"Status\",\"message\":\"no\"}");
    assert_int_equal(seen.err.code, ERROR_FORBIDDEN);
    assert_string_equal(seen.err.message, "discovery of apps/v1: no");
    static const char *const bad[] = {"{}", "[", "{\"resources\":[{\"name\":\"x\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        seen = (struct seen){0};
        ask(&world, &seen, "Deployment");
        fake_transport_answer(&world.calls, 200, bad[i]);
        assert_int_equal(seen.err.code, ERROR_PROTOCOL);
    }
    end(&world);
}

static void discovery_concurrent_lookups_share_one_request(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    struct seen seen[4] = {{0}};
    ask(&world, &seen[0], "Deployment");
    ask(&world, &seen[1], "ControllerRevision");
    struct discovery_lookup *lookup = ask(&world, &seen[2], "Deployment");
    ask(&world, &seen[3], "Nothing");
    discovery_cancel(lookup);
    assert_int_equal(fake_transport_waiting(&world.calls), 1);
    fake_transport_answer(&world.calls, 200, APPS);
    const struct kube_resource *r = seen[0].resource;
    assert_non_null(r);
    assert_string_equal(r->group, "apps");
    assert_string_equal(r->version, "v1");
    assert_string_equal(r->api_version, "apps/v1");
    assert_string_equal(r->plural, "deployments");
    assert_true(r->namespaced && r->has_status && r->has_scale);
    assert_false(seen[1].resource->has_status || seen[1].resource->has_scale);
    assert_int_equal(seen[2].done, 0);
    assert_int_equal(seen[3].err.code, ERROR_NOT_FOUND);
    struct seen again = {0}; /* known now: at once */
    assert_null(ask(&world, &again, "Deployment"));
    assert_ptr_equal(again.resource, r);
    assert_ptr_equal(discovery_peek(world.discovery, "apps/v1", "Deployment"), r);
    end(&world);
}

static void discovery_may_be_asked_from_an_answer(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    struct seen seen = {.ask_again = &world};
    ask(&world, &seen, "Nothing");
    fake_transport_answer(&world.calls, 200, APPS);
    assert_int_equal(seen.done, 1);
    assert_int_equal(fake_transport_waiting(&world.calls), 1);
    fake_transport_answer(&world.calls, 200, APPS);
    assert_int_equal(seen.done, 2);
    end(&world);
}

static void discovery_forget_keeps_what_was_given(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    struct seen seen = {0}, again = {0};
    ask(&world, &seen, "Deployment");
    fake_transport_answer(&world.calls, 200, APPS);
    discovery_forget(world.discovery, "apps/v1");
    assert_null(discovery_peek(world.discovery, "apps/v1", "Deployment"));
    assert_string_equal(seen.resource->plural, "deployments");
    assert_non_null(ask(&world, &again, "Deployment"));
    discovery_forget(world.discovery, "apps/v1"); /* what is under way may be too old */
    assert_int_equal(world.calls.cancelled, 1);
    fake_transport_answer(&world.calls, 200, APPS);
    assert_ptr_equal(again.resource, seen.resource); /* unchanged */
    discovery_forget(world.discovery, "apps/v1");
    ask(&world, &again, "Deployment");
    fake_transport_answer(&world.calls, 200,
                          "{\"resources\":[{\"name\":\"deployments\",\"kind\":\"Deployment\"}]}");
    assert_ptr_not_equal(again.resource, seen.resource);
    assert_false(again.resource->namespaced);
    assert_true(seen.resource->namespaced);
    struct seen last = {0}; /* never answered */
    discovery_resolve(world.discovery, "v1", "Pod", on_resource, &last);
    assert_string_equal(fake_transport_what(&world.calls), "GET https://a/api/v1");
    end(&world);
    assert_int_equal(last.done, 0);
}

static void resource_path_fits_the_resource(void **state) {
    (void)state;
    struct kube_resource pods = {
        .group = "", .version = "v1", .plural = "pods", .namespaced = true};
    struct kube_resource nodes = {.group = "", .version = "v1", .plural = "nodes"};
    struct kube_resource apps = {
        .group = "apps", .version = "v1", .plural = "deployments", .namespaced = true};
    const struct {
        const struct kube_resource *resource;
        const char *ns, *name, *sub, *path;
    } cases[] = {
        {&pods, NULL, NULL, NULL, "/api/v1/pods"},
        {&pods, "a b", "x/y", "log", "/api/v1/namespaces/a%20b/pods/x%2Fy/log"},
        {&nodes, "ignored", "n", NULL, "/api/v1/nodes/n"},
        {&apps, "d", "x", "status", "/apis/apps/v1/namespaces/d/deployments/x/status"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf path = {0};
        kube_resource_path(&path, cases[i].resource, cases[i].ns, cases[i].name, cases[i].sub);
        assert_string_equal(path.data, cases[i].path);
        strbuf_finish(&path);
    }
}

static void discovery_survives_each_failed_allocation(void **state) {
    (void)state;
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct world world;
        begin(&world);
        struct seen seen = {0};
        mem_fail_at(n, /* forever= */ false);
        if (ask(&world, &seen, "Deployment"))
            fake_transport_answer(&world.calls, 200, APPS);
        failed = mem_fail_stop();
        assert_int_equal(seen.done, 1);
        assert_true(seen.resource || seen.err.code == ERROR_NOMEM);
        end(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery_unknown_kind_is_not_found_and_asked_anew),
        cmocka_unit_test(discovery_failures_come_through),
        cmocka_unit_test(discovery_concurrent_lookups_share_one_request),
        cmocka_unit_test(discovery_may_be_asked_from_an_answer),
        cmocka_unit_test(discovery_forget_keeps_what_was_given),
        cmocka_unit_test(resource_path_fits_the_resource),
        cmocka_unit_test(discovery_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
