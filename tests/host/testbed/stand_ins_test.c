/* The stand-ins in simulation: what they bring about, also under faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "runtime/stand_ins.h"
#include "testbed/support/bench.h"

#define APPS "/apis/apps/v1/namespaces/default/"
#define CORE "/api/v1/namespaces/default/"
#define BATCH "/apis/batch/v1/namespaces/default/"

#define TEMPLATE(app, image, more)                                                                 \
    "'template':{'metadata':{'labels':{'app':'" app "'}},'spec':{" more                            \
    "'containers':[{'name':'a','image':'" image "','ports':[{'name':'http','containerPort':8080}]" \
    "}]}}"

static void begin(struct bench *bench, uint64_t seed) {
    struct error err;
    bench_begin(bench, seed);
    struct script_source *source = stand_ins_source(&err);
    assert_non_null(source);
    if (testbed_load(bench->testbed, source, &err) < 0)
        fail_msg("%s", err.message);
    script_source_unref(source);
}

/* Bodies are written with ' for ". */
static void put(struct bench *bench, const char *method, const char *path, const char *body) {
    char text[2048];
    snprintf(text, sizeof text, "%s", body);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    bool create = strcmp(method, "POST") == 0;
    struct testbed_request request = {.method = method,
                                      .path = path,
                                      .content_type =
                                          create ? NULL : "application/strategic-merge-patch+json",
                                      .body = str_of(text)};
    struct testbed_answer answer = {0};
    struct error err;
    assert_int_equal(testbed_call(bench->testbed, &request, &answer, &err), 0);
    if (answer.status != (create ? 201 : 200))
        fail_msg("%s %s: %d %s", method, path, answer.status, answer.body.data);
    strbuf_finish(&answer.body);
    bench_settle(bench);
}

static json_t *get(struct bench *bench, const char *path, const char *query) {
    struct testbed_request request = {.method = "GET", .path = path, .query = query};
    struct testbed_answer answer = {0};
    struct error err;
    assert_int_equal(testbed_call(bench->testbed, &request, &answer, &err), 0);
    json_t *value = json_loadb(answer.body.data, answer.body.len, 0, NULL);
    strbuf_finish(&answer.body);
    assert_non_null(value);
    return value;
}

/* A member by dots; a number names an item. Borrowed. */
static json_t *at(json_t *value, const char *path) {
    char text[128];
    snprintf(text, sizeof text, "%s", path);
    for (char *rest, *word = strtok_r(text, ".", &rest); word; word = strtok_r(NULL, ".", &rest))
        value = json_is_array(value) ? json_array_get(value, (size_t)(*word - '0'))
                                     : json_object_get(value, word);
    return value;
}

static void expect_number(struct bench *bench, const char *path, const char *field, int number) {
    json_t *object = get(bench, path, NULL);
    json_int_t is = json_integer_value(at(object, field));
    if (is != number)
        fail_msg("%s %s is %lld, not %d", path, field, (long long)is, number);
    json_decref(object);
}

static void expect_text(struct bench *bench, const char *path, const char *field,
                        const char *text) {
    json_t *object = get(bench, path, NULL);
    const char *is = json_string_value(at(object, field));
    if (is == NULL || strcmp(is, text) != 0)
        fail_msg("%s %s is %s, not %s", path, field, is ? is : "absent", text);
    json_decref(object);
}

static void expect_items(struct bench *bench, const char *path, const char *query, size_t count) {
    json_t *list = get(bench, path, query);
    assert_int_equal(json_array_size(at(list, "items")), count);
    json_decref(list);
}

static void make_web(struct bench *bench, const char *strategy) {
    char body[1024];
    snprintf(body, sizeof body,
             "{'metadata':{'name':'web'},'spec':{'replicas':3,%s'selector':{'matchLabels':"
             "{'app':'web'}}," TEMPLATE("web", "a:1", "") "}}",
             strategy);
    put(bench, "POST", APPS "deployments", body);
}

static void put_image(struct bench *bench, const char *kind, const char *image) {
    char body[256], path[128];
    snprintf(body, sizeof body,
             "{'spec':{'template':{'spec':{'containers':[{'name':'a','image':'%s'}]}}}}", image);
    snprintf(path, sizeof path, APPS "%s", kind);
    put(bench, "PATCH", path, body);
}

static void deployment_gets_ready_pods(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 1);
    make_web(&bench, "");
    expect_number(&bench, APPS "deployments/web", "status.availableReplicas", 3);
    json_t *web = get(&bench, APPS "deployments/web", NULL);
    assert_true(json_equal(at(web, "status.observedGeneration"), at(web, "metadata.generation")));
    json_decref(web);
    expect_text(&bench, APPS "deployments/web", "status.conditions.1.reason",
                "NewReplicaSetAvailable");
    json_t *pods = get(&bench, CORE "pods", "labelSelector=app%3Dweb");
    assert_int_equal(json_array_size(at(pods, "items")), 3);
    assert_non_null(at(pods, "items.0.metadata.labels.pod-template-hash"));
    assert_string_equal(json_string_value(at(pods, "items.0.status.phase")), "Running");
    assert_true(json_is_true(at(pods, "items.0.status.containerStatuses.0.ready")));
    assert_string_not_equal(json_string_value(at(pods, "items.0.status.podIP")),
                            json_string_value(at(pods, "items.1.status.podIP")));
    json_decref(pods);
    put(&bench, "PATCH", APPS "deployments/web", "{'spec':{'replicas':1}}");
    expect_items(&bench, CORE "pods", NULL, 1);
    expect_number(&bench, APPS "deployments/web", "status.replicas", 1);
    bench_call(&bench, "DELETE", APPS "deployments/web", "", 200);
    bench_settle(&bench);
    expect_items(&bench, CORE "pods", NULL, 0);
    bench_end(&bench);
}

static void roll_out_and_back(const char *strategy) {
    struct bench bench;
    begin(&bench, 2);
    make_web(&bench, strategy);
    put_image(&bench, "deployments/web", "a:2");
    expect_items(&bench, CORE "pods", NULL, 3);
    expect_items(&bench, APPS "replicasets", NULL, 2);
    expect_number(&bench, APPS "deployments/web", "status.updatedReplicas", 3);
    expect_number(&bench, APPS "deployments/web", "status.replicas", 3);
    expect_text(&bench, CORE "pods", "items.2.spec.containers.0.image", "a:2");
    put_image(&bench, "deployments/web", "a:1");
    expect_items(&bench, APPS "replicasets", NULL, 2); /* the first one is used again */
    expect_text(&bench, CORE "pods", "items.0.spec.containers.0.image", "a:1");
    json_t *web = get(&bench, APPS "deployments/web", NULL);
    assert_string_equal(json_string_value(json_object_get(at(web, "metadata.annotations"),
                                                          "deployment.kubernetes.io/revision")),
                        "3");
    json_decref(web);
    bench_end(&bench);
}

static void rollouts_end_with_new_pods_alone(void **state) {
    (void)state;
    roll_out_and_back("");
    roll_out_and_back("'strategy':{'type':'Recreate'},");
    roll_out_and_back("'strategy':{'rollingUpdate':{'maxSurge':0,'maxUnavailable':1}},");
}

static void rollout_waits_for_pods_that_are_not_ready(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 3);
    make_web(&bench, "");
    put(&bench, "PATCH", APPS "deployments/web",
        "{'spec':{'template':{'metadata':{'annotations':{'moonlet.dev/stand-in':'wait'}}}}}");
    expect_number(&bench, APPS "deployments/web", "status.availableReplicas", 3);
    expect_number(&bench, APPS "deployments/web", "status.updatedReplicas", 1);
    expect_text(&bench, APPS "deployments/web", "status.conditions.1.reason", "ReplicaSetUpdated");
    bench_end(&bench);
}

static void service_knows_its_pods(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 4);
    put(&bench, "POST", CORE "services",
        "{'metadata':{'name':'web'},'spec':{'selector':{'app':'web'},'ports':[{'port':80,"
        "'targetPort':'http'}]}}");
    make_web(&bench, "");
    json_t *slices = get(&bench, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
                         "labelSelector=kubernetes.io%2Fservice-name%3Dweb");
    assert_int_equal(json_array_size(at(slices, "items")), 1);
    assert_int_equal(json_array_size(at(slices, "items.0.endpoints")), 3);
    assert_int_equal(json_integer_value(at(slices, "items.0.ports.0.port")), 8080);
    assert_true(json_is_true(at(slices, "items.0.endpoints.2.conditions.ready")));
    json_decref(slices);
    bench_call(&bench, "DELETE", CORE "services/web", "", 200);
    bench_settle(&bench);
    expect_items(&bench, "/apis/discovery.k8s.io/v1/endpointslices", NULL, 0);
    bench_end(&bench);
}

static void stateful_set_counts_pods_and_binds_claims(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 5);
    put(&bench, "POST", APPS "statefulsets",
        "{'metadata':{'name':'db'},'spec':{'replicas':2,'serviceName':'db','selector':"
        "{'matchLabels':{'app':'db'}}," TEMPLATE(
            "db", "a:1",
            "") ",'volumeClaimTemplates':[{"
                "'metadata':{'name':'data'},'spec':{'accessModes':['ReadWriteOnce'],'resources':"
                "{'requests':{'storage':'1Gi'}}}}]}}");
    expect_text(&bench, CORE "pods/db-1", "status.phase", "Running");
    expect_text(&bench, CORE "persistentvolumeclaims/data-db-1", "status.phase", "Bound");
    expect_text(&bench, CORE "persistentvolumeclaims/data-db-1", "status.capacity.storage", "1Gi");
    put_image(&bench, "statefulsets/db", "a:2");
    expect_text(&bench, CORE "pods/db-0", "spec.containers.0.image", "a:2");
    expect_number(&bench, APPS "statefulsets/db", "status.updatedReplicas", 2);
    put(&bench, "PATCH", APPS "statefulsets/db", "{'spec':{'replicas':0}}");
    expect_items(&bench, CORE "pods", NULL, 0);
    expect_items(&bench, CORE "persistentvolumeclaims", NULL, 2);
    bench_call(&bench, "DELETE", CORE "persistentvolumeclaims/data-db-0", "", 200);
    bench_settle(&bench);
    expect_items(&bench, "/api/v1/persistentvolumes", NULL, 1);
    bench_end(&bench);
}

static void daemon_set_follows_nodes(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 6);
    put(&bench, "POST", APPS "daemonsets",
        "{'metadata':{'name':'agent'},'spec':{'selector':{'matchLabels':{'app':'agent'}}," TEMPLATE(
            "agent", "a:1", "'nodeSelector':{'disk':'ssd'},") "}}");
    expect_items(&bench, CORE "pods", NULL, 0);
    put(&bench, "POST", "/api/v1/nodes", "{'metadata':{'name':'one','labels':{'disk':'ssd'}}}");
    put(&bench, "POST", "/api/v1/nodes", "{'metadata':{'name':'two','labels':{'disk':'ssd'}}}");
    put(&bench, "POST", "/api/v1/nodes", "{'metadata':{'name':'three'}}");
    expect_number(&bench, APPS "daemonsets/agent", "status.numberReady", 2);
    put_image(&bench, "daemonsets/agent", "a:2");
    expect_text(&bench, CORE "pods", "items.0.spec.containers.0.image", "a:2");
    expect_text(&bench, CORE "pods", "items.1.spec.containers.0.image", "a:2");
    bench_call(&bench, "DELETE", "/api/v1/nodes/one", "", 200);
    bench_settle(&bench);
    expect_items(&bench, CORE "pods", "fieldSelector=spec.nodeName%3Dtwo", 1);
    expect_items(&bench, CORE "pods", NULL, 1);
    bench_end(&bench);
}

static void jobs_complete_or_fail(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 7);
    put(&bench, "POST", BATCH "jobs",
        "{'metadata':{'name':'work'},'spec':{'completions':3,'parallelism':2,"
        "'ttlSecondsAfterFinished':60,'template':{'spec':{'restartPolicy':'Never','containers':"
        "[{'name':'a','image':'a:1'}]}}}}");
    expect_number(&bench, BATCH "jobs/work", "status.succeeded", 3);
    expect_text(&bench, BATCH "jobs/work", "status.conditions.1.type", "Complete");
    put(&bench, "POST", BATCH "jobs",
        "{'metadata':{'name':'broken'},'spec':{'backoffLimit':1,'template':{'metadata':"
        "{'annotations':{'moonlet.dev/stand-in':'fail'}},'spec':{'restartPolicy':'Never',"
        "'containers':[{'name':'a','image':'a:1'}]}}}}");
    expect_number(&bench, BATCH "jobs/broken", "status.failed", 2);
    expect_text(&bench, BATCH "jobs/broken", "status.conditions.1.type", "Failed");
    bench_advance(&bench, 61 * NS_PER_S);
    expect_items(&bench, BATCH "jobs", NULL, 1);
    bench_end(&bench);
}

static void pods_do_what_they_are_told(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 8);
    put(&bench, "POST", CORE "pods",
        "{'metadata':{'name':'gated'},'spec':{'schedulingGates':[{'name':'example.com/wait'}],"
        "'containers':[{'name':'a','image':'a:1'}]}}");
    expect_text(&bench, CORE "pods/gated", "status.phase", "Pending");
    put(&bench, "PATCH", CORE "pods/gated", "{'spec':{'schedulingGates':null}}");
    expect_text(&bench, CORE "pods/gated", "status.phase", "Running");
    put(&bench, "POST", CORE "pods",
        "{'metadata':{'name':'bound','finalizers':['example.com/keep']},'spec':{'nodeName':'one',"
        "'containers':[{'name':'a','image':'a:1'}]}}");
    bench_call(&bench, "DELETE", CORE "pods/bound", "", 200);
    bench_settle(&bench);
    expect_number(&bench, CORE "pods/bound", "metadata.deletionGracePeriodSeconds", 0);
    put(&bench, "PATCH", CORE "pods/bound", "{'metadata':{'finalizers':null}}");
    bench_call(&bench, "GET", CORE "pods/bound", "", 404);
    bench_end(&bench);
}

static void what_was_wanted_comes_under_faults(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct bench bench;
        begin(&bench, seed);
        testbed_chaos(bench.testbed);
        make_web(&bench, "");
        put_image(&bench, "deployments/web", "a:2");
        bench_advance(&bench, 120 * NS_PER_S);
        testbed_calm(bench.testbed);
        bench_advance(&bench, 600 * NS_PER_S);
        bench_settle(&bench);
        expect_items(&bench, CORE "pods", NULL, 3);
        expect_number(&bench, APPS "deployments/web", "status.updatedReplicas", 3);
        bench_end(&bench);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deployment_gets_ready_pods),
        cmocka_unit_test(rollouts_end_with_new_pods_alone),
        cmocka_unit_test(rollout_waits_for_pods_that_are_not_ready),
        cmocka_unit_test(service_knows_its_pods),
        cmocka_unit_test(stateful_set_counts_pods_and_binds_claims),
        cmocka_unit_test(daemon_set_follows_nodes),
        cmocka_unit_test(jobs_complete_or_fail),
        cmocka_unit_test(pods_do_what_they_are_told),
        cmocka_unit_test(what_was_wanted_comes_under_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
