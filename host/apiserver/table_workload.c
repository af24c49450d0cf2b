#include <ctype.h>
#include <string.h>

#include "apiserver/table_internal.h"
#include "base/clock.h"

static const char TEMPLATE[] = "spec.template.spec.containers";

void cells_replica_set(struct row *row) {
    const json_t *selector = row_list(row, "spec.selector");
    const char *group = document_string(row->object, "apiVersion");
    row_name(row);
    row_number(row, "spec.replicas");
    row_number(row, "status.replicas");
    row_number(row, "status.readyReplicas");
    row_age(row);
    row_containers(row, TEMPLATE);
    if (strcmp(group, "v1") == 0) /* of a ReplicationController */
        row_labels(row, selector);
    else
        row_selector(row, selector, "<none>");
}

static void cell_ready(struct row *row) {
    row_format(row, "%lld/%lld", (long long)row_at(row, "status.readyReplicas"),
               (long long)row_at(row, "spec.replicas"));
}

void cells_deployment(struct row *row) {
    row_name(row);
    cell_ready(row);
    row_number(row, "status.updatedReplicas");
    row_number(row, "status.availableReplicas");
    row_age(row);
    row_containers(row, TEMPLATE);
    row_selector(row, row_list(row, "spec.selector"), "");
}

void cells_stateful_set(struct row *row) {
    row_name(row);
    cell_ready(row);
    row_age(row);
    row_containers(row, TEMPLATE);
}

void cells_daemon_set(struct row *row) {
    row_name(row);
    row_number(row, "status.desiredNumberScheduled");
    row_number(row, "status.currentNumberScheduled");
    row_number(row, "status.numberReady");
    row_number(row, "status.updatedNumberScheduled");
    row_number(row, "status.numberAvailable");
    row_labels(row, row_list(row, "spec.template.spec.nodeSelector"));
    row_age(row);
    row_containers(row, TEMPLATE);
    row_selector(row, row_list(row, "spec.selector"), "<none>");
}

/* "statefulset.apps/db", of the controller among the owners. */
static void cell_controller(struct row *row) {
    struct strbuf text = {0};
    size_t i;
    json_t *owner;
    json_array_foreach(row_list(row, "metadata.ownerReferences"), i, owner) {
        const char *version = document_string(owner, "apiVersion"), *slash = strchr(version, '/');
        if (!json_is_true(json_object_get(owner, "controller")))
            continue;
        for (const char *at = document_string(owner, "kind"); *at; at++)
            strbuf_addc(&text, (char)tolower((unsigned char)*at));
        if (slash)
            strbuf_printf(&text, ".%.*s", (int)(slash - version), version);
        strbuf_printf(&text, "/%s", document_string(owner, "name"));
        break;
    }
    if (text.len == 0)
        strbuf_adds(&text, "<none>");
    row_buf(row, &text);
}

void cells_controller_revision(struct row *row) {
    row_name(row);
    cell_controller(row);
    row_number(row, "revision");
    row_age(row);
}

/* --- jobs ---------------------------------------------------------------------------------- */

static const char *job_status(const struct row *row) {
    static const struct {
        const char *condition, *text;
    } after[] = {{"Suspended", "Suspended"},
                 {"FailureTarget", "FailureTarget"},
                 {"SuccessCriteriaMet", "SuccessCriteriaMet"}};
    const json_t *conditions = row_list(row, "status.conditions");
    if (table_condition_is(conditions, "Complete", "True"))
        return "Complete";
    if (table_condition_is(conditions, "Failed", "True"))
        return "Failed";
    if (document_meta(row->object, "deletionTimestamp")[0])
        return "Terminating";
    for (int i = 0; i < 3; i++) {
        if (table_condition_is(conditions, after[i].condition, "True"))
            return after[i].text;
    }
    return "Running";
}

static void cell_completions(struct row *row) {
    long long done = row_at(row, "status.succeeded"), parallel = row_at(row, "spec.parallelism");
    if (document_path(row->object, "spec.completions"))
        row_format(row, "%lld/%lld", done, (long long)row_at(row, "spec.completions"));
    else if (parallel > 1)
        row_format(row, "%lld/1 of %lld", done, parallel);
    else
        row_format(row, "%lld/1", done);
}

static void cell_duration(struct row *row) {
    const char *start = document_string(row->object, "status.startTime");
    const char *end = document_string(row->object, "status.completionTime");
    char text[TABLE_AGE] = "";
    int64_t from, to = row->now;
    if (end[0] && clock_parse(end, &to) < 0)
        to = row->now;
    if (start[0] && clock_parse(start, &from) == 0)
        table_age(to - from, text);
    row_text(row, text);
}

void cells_job(struct row *row) {
    row_name(row);
    row_text(row, job_status(row));
    cell_completions(row);
    cell_duration(row);
    row_age(row);
    row_containers(row, TEMPLATE);
    row_selector(row, row_list(row, "spec.selector"), "<none>");
}

void cells_cron_job(struct row *row) {
    const json_t *suspend = document_path(row->object, "spec.suspend");
    const char *last = document_string(row->object, "status.lastScheduleTime");
    row_name(row);
    row_string(row, "spec.schedule", "");
    row_string(row, "spec.timeZone", "<none>");
    row_text(row, suspend == NULL ? "<unset>" : json_is_true(suspend) ? "True" : "False");
    row_int(row, (int64_t)json_array_size(row_list(row, "status.active")));
    if (last[0])
        row_since(row, last);
    else
        row_text(row, "<none>");
    row_age(row);
    row_containers(row, "spec.jobTemplate.spec.template.spec.containers");
    row_selector(row, row_list(row, "spec.jobTemplate.spec.selector"), "<none>");
}

/* --- what scales and protects them --------------------------------------------------------- */

static const char *or_unknown(const char *text) {
    return text[0] ? text : "<unknown>";
}

static void percent(const json_t *of, const char *path, const char *otherwise, char text[32]) {
    const json_t *value = document_path(of, path);
    snprintf(text, 32, "%s", otherwise);
    if (value)
        snprintf(text, 32, "%lld%%", (long long)json_integer_value(value));
}

/* One metric: `spec` and `status` are what stands below its type's member. */
static void metric(struct strbuf *out, const char *type, const json_t *spec, const json_t *status) {
    bool resource = strcmp(type, "Resource") == 0 || strcmp(type, "ContainerResource") == 0;
    bool average = document_string(spec, "target.averageValue")[0] != 0;
    char now[32], target[32];
    if (resource)
        strbuf_printf(out, "%s: ", document_string(spec, "name"));
    if (resource && !average) {
        percent(status, "current.averageUtilization", "<unknown>", now);
        percent(spec, "target.averageUtilization", "<auto>", target);
        strbuf_printf(out, "%s/%s", now, target);
    } else if (average) {
        strbuf_printf(out, "%s/%s%s", or_unknown(document_string(status, "current.averageValue")),
                      document_string(spec, "target.averageValue"),
                      resource || strcmp(type, "Pods") == 0 ? "" : " (avg)");
    } else {
        strbuf_printf(out, "%s/%s", or_unknown(document_string(status, "current.value")),
                      document_string(spec, "target.value"));
    }
}

static void metric_at(struct strbuf *out, const json_t *spec, const json_t *status) {
    const char *type = document_string(spec, "type");
    char key[32];
    snprintf(key, sizeof key, "%c%s", tolower((unsigned char)type[0]), type[0] ? type + 1 : "");
    if (json_object_get(spec, key))
        metric(out, type, json_object_get(spec, key), json_object_get(status, key));
    else
        strbuf_adds(out, "<unknown type>");
}

static void cell_targets(struct row *row) {
    const json_t *specs = row_list(row, "spec.metrics");
    const json_t *statuses = row_list(row, "status.currentMetrics");
    size_t count = json_array_size(specs);
    struct strbuf text = {0};
    char now[32], target[32];
    percent(row->object, "status.currentCPUUtilizationPercentage", "<unknown>", now);
    percent(row->object, "spec.targetCPUUtilizationPercentage", "", target);
    for (size_t i = 0; i < count && i < 2; i++) {
        strbuf_adds(&text, i > 0 ? ", " : "");
        metric_at(&text, json_array_get(specs, i), json_array_get(statuses, i));
    }
    if (count > 2)
        strbuf_printf(&text, " + %zu more...", count - 2);
    if (count == 0 && target[0]) /* as autoscaling/v1 has it */
        strbuf_printf(&text, "cpu: %s/%s", now, target);
    else if (count == 0)
        strbuf_adds(&text, "<none>");
    row_buf(row, &text);
}

void cells_autoscaler(struct row *row) {
    row_name(row);
    row_format(row, "%s/%s", document_string(row->object, "spec.scaleTargetRef.kind"),
               document_string(row->object, "spec.scaleTargetRef.name"));
    cell_targets(row);
    if (document_path(row->object, "spec.minReplicas"))
        row_format(row, "%lld", (long long)row_at(row, "spec.minReplicas"));
    else
        row_text(row, "<unset>");
    row_number(row, "spec.maxReplicas");
    row_number(row, "status.currentReplicas");
    row_age(row);
}

/* An integer or a percentage. */
static void cell_either(struct row *row, const char *path) {
    const json_t *value = document_path(row->object, path);
    if (json_is_integer(value))
        row_format(row, "%lld", (long long)json_integer_value(value));
    else
        row_text(row, json_is_string(value) ? json_string_value(value) : "N/A");
}

void cells_budget(struct row *row) {
    row_name(row);
    cell_either(row, "spec.minAvailable");
    cell_either(row, "spec.maxUnavailable");
    row_number(row, "status.disruptionsAllowed");
    row_age(row);
}
