#include <string.h>

#include "apiserver/errand.h"
#include "apiserver/metadata.h"
#include "apiserver/sub.h"
#include "base/mem.h"
#include "cache/match.h"

struct eviction {
    struct api_exchange *x;
    struct errand errand;
};

static void eviction_cancel(struct api_exchange *x) {
    struct eviction *eviction = x->pending;
    x->pending = NULL;
    x->cancel = NULL;
    errand_finish(&eviction->errand);
    mem_free(eviction);
}

/* The pod's DELETE was answered. */
static void deleted(struct errand *errand) {
    struct eviction *eviction = CONTAINER_OF(errand, struct eviction, errand);
    struct api_exchange *x = eviction->x;
    struct error err;
    exchange_enter(x);
    if (errand->status >= 400) {
        exchange_refuse(x, document_parse(strbuf_view(&errand->body), &err));
        exchange_fail(x);
    } else {
        json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion",
                                   "v1", "metadata", "status", "Success", "code", 201);
        exchange_answer_json(x, 201, status);
        json_decref(status);
    }
    exchange_leave(x);
}

static void delete_pod(struct api_exchange *x) {
    struct eviction *eviction = mem_zalloc(sizeof *eviction);
    struct strbuf path = {0};
    errand_path(&path, x->kind->resource, str_of(x->request.ns), str_of(x->request.name), "");
    if (eviction == NULL || path.failed) {
        mem_free(eviction);
        strbuf_finish(&path);
        exchange_nomem(x);
        exchange_fail(x);
        return;
    }
    eviction->x = x;
    eviction->errand.done = deleted;
    x->pending = eviction;
    x->cancel = eviction_cancel;
    const struct errand_order order = {.user = x->request.user,
                                       .groups = x->request.groups,
                                       .method = "DELETE",
                                       .path = path.data,
                                       .query = x->request.dry_run ? "dryRun=All" : "",
                                       .body = json_object_get(x->change.body, "deleteOptions")};
    exchange_enter(x);
    if (errand_start(x->server, &eviction->errand, &order) < 0) {
        exchange_nomem(x);
        exchange_fail(x);
    }
    strbuf_finish(&path);
    exchange_leave(x);
}

/* --- disruption budgets --------------------------------------------------------------------- */

struct budgets {
    struct api_exchange *x;
    node_t labels;
    node_t found; /* the one that covers the pod; a reference */
    struct strbuf name;
    size_t count;
};

static bool covers(struct budgets *budgets, node_t budget) {
    const struct dag *dag = budgets->x->server->dag;
    json_t *wanted = document_of(dag, node_path(dag, budget, "spec.selector"));
    struct strbuf text = {0};
    struct error err;
    bool matches = false;
    sub_selector_text(wanted, &text);
    if (json_is_object(wanted) && !text.failed) {
        struct selector *selector = selector_parse(text.data ? text.data : "", &err);
        matches = selector && selector_matches(selector, dag, budgets->labels);
        selector_destroy(selector);
    }
    json_decref(wanted);
    strbuf_finish(&text);
    return matches;
}

static bool look_at(void *context, const struct storage_item *item) {
    struct budgets *budgets = context;
    if (!covers(budgets, item->node))
        return true;
    if (budgets->count++ == 0) {
        budgets->found = node_ref(budgets->x->server->dag, item->node);
        strbuf_add(&budgets->name, item->key.name.data, item->key.name.len);
    }
    return true;
}

static int refuse_disruption(struct api_exchange *x, const json_t *budget) {
    char why[512];
    snprintf(why, sizeof why,
             "The disruption budget %s needs %lld healthy pods and has %lld currently",
             document_meta(budget, "name"),
             (long long)json_integer_value(document_path(budget, "status.desiredHealthy")),
             (long long)json_integer_value(document_path(budget, "status.currentHealthy")));
    return exchange_refuse(
        x, status_make(429, "TooManyRequests",
                       json_pack("{s:[{s:s, s:s}]}", "causes", "reason", "DisruptionBudget",
                                 "message", why),
                       "Cannot evict pod as it would violate the pod's disruption budget."));
}

/* One disruption less is allowed until the controller has counted again. */
static int take_disruption(struct api_exchange *x, const struct storage_key *key, json_t *budget) {
    json_t *status = json_object_get(budget, "status"), *pods;
    json_int_t allowed = json_integer_value(json_object_get(status, "disruptionsAllowed"));
    json_int_t seen = json_integer_value(json_object_get(status, "observedGeneration"));
    char time[CLOCK_TEXT];
    struct error err;
    if (allowed <= 0 || seen < metadata_generation(budget))
        return refuse_disruption(x, budget);
    pods = json_object_get(status, "disruptedPods");
    if (!json_is_object(pods)) {
        pods = json_object();
        if (json_object_set_new(status, "disruptedPods", pods) < 0)
            return exchange_nomem(x);
    }
    server_time(x->server, time);
    if (json_object_set_new(status, "disruptionsAllowed", json_integer(allowed - 1)) < 0 ||
        json_object_set_new(pods, x->request.name, json_string(time)) < 0)
        return exchange_nomem(x);
    if (!x->request.dry_run && server_put(x->server, key, budget, NULL, &err) < 0)
        return exchange_error(x, &err);
    return 0;
}

static int check_budgets(struct api_exchange *x, node_t pod) {
    struct apiserver *server = x->server;
    const struct api_resource *resource =
        kinds_resource(server->kinds, str_of("policy"), str_of("poddisruptionbudgets"));
    struct budgets budgets = {.x = x, .labels = node_path(server->dag, pod, "metadata.labels")};
    struct error err;
    int rc = 0;
    if (resource == NULL)
        return 0;
    if (storage_list(server->storage, resource->id, str_of(x->request.ns), NULL, 0, look_at,
                     &budgets, &err) < 0)
        rc = exchange_error(x, &err);
    if (rc == 0 && budgets.count > 1)
        rc = exchange_refuse(x, status_internal("This pod has more than one PodDisruptionBudget, "
                                                "which the eviction subresource does not "
                                                "support."));
    if (rc == 0 && budgets.count == 1) {
        struct storage_key key = {resource->id, str_of(x->request.ns), strbuf_view(&budgets.name)};
        json_t *budget = document_of(server->dag, budgets.found);
        rc = budget ? take_disruption(x, &key, budget) : exchange_nomem(x);
        json_decref(budget);
    }
    node_unref(server->dag, budgets.found);
    strbuf_finish(&budgets.name);
    return rc;
}

/* Only a pod that runs is of use to anybody. */
static bool may_go(const struct dag *dag, node_t pod) {
    node_t phase = node_path(dag, pod, "status.phase");
    return node_is(dag, phase, "Pending") || node_is(dag, phase, "Succeeded") ||
           node_is(dag, phase, "Failed") || node_path(dag, pod, "metadata.deletionTimestamp");
}

void sub_eviction(struct api_exchange *x) {
    struct storage_key key = {x->kind->resource->id, str_of(x->request.ns),
                              str_of(x->request.name)};
    node_t pod = storage_get(x->server->storage, &key, NULL);
    int rc = 0;
    if (x->request.verb != VERB_CREATE)
        rc = exchange_refuse(x, status_not_allowed(x->kind->resource, x->request.method));
    else if (pod == NODE_NONE)
        rc = exchange_refuse(x, status_not_found(x->kind->resource, x->request.name));
    else
        rc = body_parse(x, &x->change.body);
    if (rc == 0 && strcmp(document_meta(x->change.body, "name"), x->request.name) != 0)
        rc = exchange_refuse(
            x, status_bad_request("name in URL does not match name in Eviction object"));
    if (rc == 0 && !may_go(x->server->dag, pod))
        rc = check_budgets(x, pod);
    if (rc < 0)
        exchange_fail(x);
    else
        delete_pod(x);
}
