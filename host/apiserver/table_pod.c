#include <string.h>

#include "apiserver/table_internal.h"
#include "base/clock.h"

/* What the row of a pod sums up of its containers. */
struct sum {
    const json_t *pod;
    int64_t ready, total, restarts, side_restarts;
    int64_t restarted, side_restarted; /* ns since 1970 of the last restart; 0: none is known */
    char reason[256];
    bool initializing, running;
};

static bool is_side(const json_t *container) {
    return strcmp(document_string(container, "restartPolicy"), "Always") == 0;
}

static const json_t *named(const json_t *containers, const char *name) {
    size_t i;
    json_t *container;
    json_array_foreach(containers, i, container) {
        if (strcmp(document_string(container, "name"), name) == 0)
            return container;
    }
    return NULL;
}

static int64_t restarts_of(const json_t *status) {
    return json_integer_value(json_object_get(status, "restartCount"));
}

static void later(int64_t *when, const json_t *status) {
    int64_t at;
    const char *text = document_string(status, "lastState.terminated.finishedAt");
    if (text[0] && clock_parse(text, &at) == 0 && at > *when)
        *when = at;
}

static void set_ended(struct sum *sum, const char *before, const json_t *ended) {
    const char *reason = document_string(ended, "reason");
    long long signal = json_integer_value(json_object_get(ended, "signal"));
    long long code = json_integer_value(json_object_get(ended, "exitCode"));
    if (reason[0])
        snprintf(sum->reason, sizeof sum->reason, "%s%s", before, reason);
    else if (signal)
        snprintf(sum->reason, sizeof sum->reason, "%sSignal:%lld", before, signal);
    else
        snprintf(sum->reason, sizeof sum->reason, "%sExitCode:%lld", before, code);
}

/* One init container; false: the pod waits for it. */
static bool add_init(struct sum *sum, const json_t *status, size_t index, const json_t *all) {
    const json_t *ended = document_path(status, "state.terminated");
    bool side = is_side(named(all, document_string(status, "name")));
    sum->restarts += restarts_of(status);
    later(&sum->restarted, status);
    if (side) {
        sum->side_restarts += restarts_of(status);
        later(&sum->side_restarted, status);
    }
    if (ended && json_integer_value(json_object_get(ended, "exitCode")) == 0)
        return true;
    if (side && json_is_true(json_object_get(status, "started"))) {
        sum->ready += json_is_true(json_object_get(status, "ready"));
        return true;
    }
    const char *waits = document_string(status, "state.waiting.reason");
    if (ended)
        set_ended(sum, "Init:", ended);
    else if (waits[0] && strcmp(waits, "PodInitializing") != 0)
        snprintf(sum->reason, sizeof sum->reason, "Init:%s", waits);
    else
        snprintf(sum->reason, sizeof sum->reason, "Init:%zu/%zu", index, json_array_size(all));
    sum->initializing = true;
    return false;
}

static void add_inits(struct sum *sum) {
    const json_t *all = document_path(sum->pod, "spec.initContainers");
    size_t i;
    json_t *item;
    json_array_foreach(all, i, item) sum->total += is_side(item);
    json_array_foreach(document_path(sum->pod, "status.initContainerStatuses"), i, item) {
        if (!add_init(sum, item, i, all))
            break;
    }
}

static void add_container(struct sum *sum, const json_t *status, char failed[256]) {
    const json_t *ended = document_path(status, "state.terminated");
    const char *waits = document_string(status, "state.waiting.reason");
    sum->restarts += restarts_of(status);
    later(&sum->restarted, status);
    if (waits[0]) {
        snprintf(sum->reason, sizeof sum->reason, "%s", waits);
    } else if (ended) {
        set_ended(sum, "", ended);
        if (json_integer_value(json_object_get(ended, "exitCode")) != 0)
            memcpy(failed, sum->reason, sizeof sum->reason);
    } else if (json_is_true(json_object_get(status, "ready")) &&
               document_path(status, "state.running")) {
        sum->running = true;
        sum->ready++;
    }
}

static void add_containers(struct sum *sum) {
    const json_t *statuses = document_path(sum->pod, "status.containerStatuses");
    const json_t *conditions = document_path(sum->pod, "status.conditions");
    char failed[256] = "";
    sum->restarts = sum->side_restarts;
    sum->restarted = sum->side_restarted;
    for (size_t i = json_array_size(statuses); i-- > 0;)
        add_container(sum, json_array_get(statuses, i), failed);
    if (strcmp(sum->reason, "Completed") != 0)
        return;
    if (sum->running && table_condition_is(conditions, "Ready", "True"))
        strcpy(sum->reason, "Running");
    else if (failed[0])
        memcpy(sum->reason, failed, sizeof failed);
    else if (sum->running)
        strcpy(sum->reason, "NotReady");
}

static void set_phase(struct sum *sum) {
    const json_t *conditions = document_path(sum->pod, "status.conditions");
    const char *reason = document_string(sum->pod, "status.reason");
    const char *phase = document_string(sum->pod, "status.phase");
    const json_t *scheduled = table_condition(conditions, "PodScheduled");
    if (strcmp(document_string(scheduled, "reason"), "SchedulingGated") == 0)
        reason = "SchedulingGated";
    snprintf(sum->reason, sizeof sum->reason, "%s", reason[0] ? reason : phase);
}

static void set_deleted(struct sum *sum) {
    const char *phase = document_string(sum->pod, "status.phase");
    if (!document_meta(sum->pod, "deletionTimestamp")[0])
        return;
    if (strcmp(document_string(sum->pod, "status.reason"), "NodeLost") == 0)
        strcpy(sum->reason, "Unknown");
    else if (strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)
        strcpy(sum->reason, "Terminating");
}

static void cell_restarts(struct row *row, const struct sum *sum) {
    char age[TABLE_AGE];
    table_age(row->now - sum->restarted, age);
    if (sum->restarts != 0 && sum->restarted != 0)
        row_format(row, "%lld (%s ago)", (long long)sum->restarts, age);
    else
        row_format(row, "%lld", (long long)sum->restarts);
}

static void cell_gates(struct row *row) {
    const json_t *gates = row_list(row, "spec.readinessGates");
    size_t i, open = 0;
    json_t *gate;
    json_array_foreach(gates, i, gate) open += table_condition_is(
        row_list(row, "status.conditions"), document_string(gate, "conditionType"), "True");
    if (json_array_size(gates) == 0)
        row_text(row, "<none>");
    else
        row_format(row, "%zu/%zu", open, json_array_size(gates));
}

void cells_pod(struct row *row) {
    struct sum sum = {.pod = row->object};
    sum.total = (int64_t)json_array_size(row_list(row, "spec.containers"));
    set_phase(&sum);
    add_inits(&sum);
    if (!sum.initializing ||
        table_condition_is(row_list(row, "status.conditions"), "Initialized", "True"))
        add_containers(&sum);
    set_deleted(&sum);
    const char *ip = document_string(json_array_get(row_list(row, "status.podIPs"), 0), "ip");
    row_name(row);
    row_format(row, "%lld/%lld", (long long)sum.ready, (long long)sum.total);
    row_text(row, sum.reason);
    cell_restarts(row, &sum);
    row_age(row);
    row_text(row, ip[0] ? ip : "<none>");
    row_string(row, "spec.nodeName", "<none>");
    row_string(row, "status.nominatedNodeName", "<none>");
    cell_gates(row);
}

void cells_pod_template(struct row *row) {
    row_name(row);
    row_containers(row, "template.spec.containers");
    row_labels(row, row_list(row, "template.metadata.labels"));
}
