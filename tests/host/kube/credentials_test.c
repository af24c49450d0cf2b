#include "kube/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/support/fake_transport.h"

/* Exec plugins, through a client: a shell script that counts its runs in a file. */
struct world {
    struct mem_stats before;
    struct clock_fake clock;
    struct loop *loop;
    struct fake_transport calls;
    struct kube_exec exec;
    struct kube_config config;
    struct kube_client *client;
    char folder[64], script[100], runs[100];
};

struct seen {
    int done;
    struct error err; /* code 0 = none */
};

static void on_done(void *context, const struct kube_answer *answer, const struct error *err) {
    struct seen *seen = context;
    (void)answer;
    seen->done++;
    if (err)
        seen->err = *err;
}

static void begin(struct world *world, const char *body) {
    *world = (struct world){.before = mem_stats()};
    strcpy(world->folder, "/tmp/moonlet-plugin-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->script, sizeof world->script, "%s/login", world->folder);
    snprintf(world->runs, sizeof world->runs, "%s/runs", world->folder);
    FILE *file = fopen(world->script, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\necho x >>%s\nn=$(wc -l <%s)\n%s\n", world->runs, world->runs, body);
    fclose(file);
    chmod(world->script, 0700);
    world->exec = (struct kube_exec){.api_version = "client.authentication.k8s.io/v1",
                                     .command = world->script,
                                     .install_hint = "install it"};
    world->config = (struct kube_config){.server = "https://a", .exec = &world->exec};
    clock_fake_init(&world->clock, 1, 1700000000 * (int64_t)NS_PER_S); /* 2023-11-14T22:13:20Z */
    world->loop = loop_create(&world->clock.clock, NULL);
    fake_transport_init(&world->calls);
}

static void create(struct world *world) {
    struct error err;
    struct kube_client_options options = {.loop = world->loop,
                                          .config = &world->config,
                                          .watches = &world->calls.base,
                                          .calls = &world->calls.base};
    world->client = kube_client_create(&options, &err);
    assert_non_null(world->client);
}

static void end(struct world *world) {
    kube_client_destroy(world->client);
    loop_destroy(world->loop);
    unlink(world->script);
    unlink(world->runs);
    assert_int_equal(rmdir(world->folder), 0);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static struct kube_call *get(struct world *world, struct seen *seen, struct error *err) {
    struct kube_request request = {.method = "GET", .path = "/x"};
    *seen = (struct seen){0};
    return kube_call_start(world->client, &request, on_done, seen, err);
}

#define ANSWER(status)                                                                             \
    "cat <<END\n{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","  \
    "\"status\":{" status "}}\nEND"

static void plugin_failures_reach_the_call(void **state) {
    (void)state;
    static const struct {
        const char *body, *message;
        int code;
    } cases[] = {
        {"echo no network >&2; exit 3", "exit status 3: no network; install it", ERROR_UNAVAILABLE},
        {"echo hello", "its output is no ExecCredential", ERROR_PROTOCOL},
        {"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"v9\"}'", "it answers in v9",
         ERROR_PROTOCOL},
        {ANSWER(""), "neither token nor certificate", ERROR_PROTOCOL},
        {ANSWER("\"clientCertificateData\":\"x\""), "certificate and key go together",
         ERROR_PROTOCOL},
        {ANSWER("\"token\":\"x\",\"expirationTimestamp\":\"soon\""), "'soon' is no time",
         ERROR_PROTOCOL},
        {ANSWER("\"token\":\"x\",\"expirationTimestamp\":\"2023-11-14T22:13:20Z\""),
         "expired already", ERROR_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world world;
        struct seen seen;
        begin(&world, cases[i].body);
        create(&world);
        assert_non_null(get(&world, &seen, NULL));
        loop_run(world.loop);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.err.code, cases[i].code);
        assert_int_equal(seen.err.status, -1);
        if (strstr(seen.err.message, cases[i].message) == NULL)
            fail_msg("%s", seen.err.message);
        end(&world);
    }
}

static void plugin_that_is_not_there_is_named(void **state) {
    (void)state;
    struct world world;
    struct seen seen;
    struct error err = {0};
    begin(&world, "");
    unlink(world.script);
    create(&world);
    struct kube_call *call = get(&world, &seen, &err);
    if (call) { /* told later */
        loop_run(world.loop);
        err = seen.err;
    }
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "install it"));
    end(&world);
}

static void plugin_runs_once_for_many_and_again_when_expired(void **state) {
    (void)state;
    struct world world;
    struct seen first, second;
    begin(&world, ANSWER("\"token\":\"t$n\",\"expirationTimestamp\":\"2023-11-14T22:14:20Z\""));
    create(&world);
    get(&world, &first, NULL);
    get(&world, &second, NULL);
    assert_int_equal(world.calls.started, 0);
    loop_run(world.loop);
    assert_int_equal(world.calls.started, 2);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t1");
    fake_transport_answer(&world.calls, 200, "");
    fake_transport_answer(&world.calls, 200, "");
    clock_fake_advance(&world.clock, 40 * NS_PER_S);
    get(&world, &first, NULL); /* still good: no run */
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t1");
    fake_transport_answer(&world.calls, 200, "");
    clock_fake_advance(&world.clock, 20 * NS_PER_S);
    get(&world, &first, NULL);
    assert_int_equal(fake_transport_waiting(&world.calls), 0);
    loop_run(world.loop); /* says the same time again: expired already */
    assert_int_equal(first.err.code, ERROR_UNAVAILABLE);
    end(&world);
}

#define EACH_A_MINUTE                                                                              \
    ANSWER("\"token\":\"t$n\",\"expirationTimestamp\":\"2023-11-14T22:1$((n+3)):20Z\"")

/* A credential that lives a minute is renewed 12 s before it ends, beside the requests. */
static void plugin_runs_early_while_its_credential_is_still_good(void **state) {
    (void)state;
    struct world world;
    struct seen seen;
    begin(&world, EACH_A_MINUTE);
    create(&world);
    get(&world, &seen, NULL);
    loop_run(world.loop);
    fake_transport_answer(&world.calls, 200, "");
    clock_fake_advance(&world.clock, 47 * NS_PER_S);
    get(&world, &seen, NULL);
    loop_run(world.loop); /* nothing runs */
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t1");
    fake_transport_answer(&world.calls, 200, "");
    clock_fake_advance(&world.clock, NS_PER_S);
    get(&world, &seen, NULL); /* goes at once */
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t1");
    fake_transport_answer(&world.calls, 200, "");
    loop_run(world.loop);
    get(&world, &seen, NULL);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t2");
    fake_transport_answer(&world.calls, 200, "");
    end(&world);
}

static void plugin_that_fails_early_runs_again_and_nothing_expired_is_sent(void **state) {
    (void)state;
    struct world world;
    struct seen seen;
    begin(&world, "[ $n = 2 ] && exit 1\n" EACH_A_MINUTE);
    create(&world);
    get(&world, &seen, NULL);
    loop_run(world.loop);
    fake_transport_answer(&world.calls, 200, "");
    clock_fake_advance(&world.clock, 50 * NS_PER_S);
    get(&world, &seen, NULL);
    fake_transport_answer(&world.calls, 200, "");
    loop_run(world.loop); /* the second run fails */
    get(&world, &seen, NULL);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t1");
    fake_transport_answer(&world.calls, 200, "");
    clock_fake_advance(&world.clock, 10 * NS_PER_S);
    get(&world, &seen, NULL); /* expired: waits for the third */
    assert_int_equal(fake_transport_waiting(&world.calls), 0);
    loop_run(world.loop);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t3");
    fake_transport_answer(&world.calls, 200, "");
    assert_int_equal(seen.err.code, 0);
    end(&world);
}

static void plugin_runs_again_once_after_401(void **state) {
    (void)state;
    struct world world;
    struct seen seen;
    begin(&world, ANSWER("\"token\":\"t$n\""));
    create(&world);
    get(&world, &seen, NULL);
    loop_run(world.loop);
    fake_transport_answer(&world.calls, 401, "");
    assert_int_equal(seen.done, 0);
    loop_run(world.loop);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer t2");
    fake_transport_answer(&world.calls, 401, "");
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.err.code, ERROR_UNAUTHORIZED);
    end(&world);
}

static void plugin_sees_arguments_environment_and_cluster(void **state) {
    (void)state;
    struct world world;
    struct seen seen;
    begin(&world, "test \"$1\" = get && test \"$EXTRA\" = yes && test -n \"$PATH\" && "
                  "test \"$KUBERNETES_EXEC_INFO\" = '{\"apiVersion\":"
                  "\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"spec\":"
                  "{\"interactive\":false,\"cluster\":{\"server\":\"https://a\","
                  "\"certificate-authority-data\":\"Q0E=\"}}}' || exit 1\n" ANSWER(
                      "\"clientCertificateData\":\"CERT\",\"clientKeyData\":\"KEY\""));
    char *args[] = {"get", NULL}, *env[] = {"EXTRA=yes", NULL};
    world.exec.args = args;
    world.exec.env = env;
    world.exec.provide_cluster_info = true;
    world.config.cluster_json = "{\"server\":\"https://a\"}";
    world.config.ca_pem = "CA";
    create(&world);
    get(&world, &seen, NULL);
    loop_run(world.loop);
    assert_int_equal(seen.done, 0);
    assert_string_equal(fake_transport_request(&world.calls)->tls->cert_pem, "CERT");
    assert_string_equal(fake_transport_request(&world.calls)->tls->key_pem, "KEY");
    assert_null(fake_transport_header(&world.calls, "Authorization"));
    end(&world);
}

static void plugin_is_stopped_with_the_client(void **state) {
    (void)state;
    struct world world;
    struct seen seen, other;
    begin(&world, "exec sleep 1000");
    create(&world);
    get(&world, &seen, NULL);
    struct kube_call *call = get(&world, &other, NULL);
    loop_poll(world.loop);
    kube_call_cancel(call); /* while it waits */
    end(&world);
    assert_int_equal(seen.done + other.done, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugin_failures_reach_the_call),
        cmocka_unit_test(plugin_that_is_not_there_is_named),
        cmocka_unit_test(plugin_runs_once_for_many_and_again_when_expired),
        cmocka_unit_test(plugin_runs_early_while_its_credential_is_still_good),
        cmocka_unit_test(plugin_that_fails_early_runs_again_and_nothing_expired_is_sent),
        cmocka_unit_test(plugin_runs_again_once_after_401),
        cmocka_unit_test(plugin_sees_arguments_environment_and_cluster),
        cmocka_unit_test(plugin_is_stopped_with_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
