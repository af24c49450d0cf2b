#include <ctype.h>
#include <string.h>

#include "apiserver/table_internal.h"
#include "base/clock.h"

/* --- nodes --------------------------------------------------------------------------------- */

static void cell_node_status(struct row *row) {
    const json_t *ready = table_condition(row_list(row, "status.conditions"), "Ready");
    const char *text = "Unknown";
    if (ready)
        text = strcmp(document_string(ready, "status"), "True") == 0 ? "Ready" : "NotReady";
    row_format(row, "%s%s", text,
               json_is_true(row_list(row, "spec.unschedulable")) ? ",SchedulingDisabled" : "");
}

static void cell_roles(struct row *row) {
    static const char prefix[] = "node-role.kubernetes.io/";
    json_t *roles = json_array(), *value;
    const char *key;
    struct strbuf text = {0};
    json_object_foreach(row_list(row, "metadata.labels"), key, value) {
        if (strncmp(key, prefix, strlen(prefix)) == 0 && key[strlen(prefix)])
            table_insert(roles, key + strlen(prefix), true);
        else if (strcmp(key, "kubernetes.io/role") == 0 && json_string_length(value) > 0)
            table_insert(roles, json_string_value(value), true);
    }
    table_join(&text, roles, ",");
    json_decref(roles);
    if (text.len == 0)
        strbuf_adds(&text, "<none>");
    row_buf(row, &text);
}

static void cell_address(struct row *row, const char *type) {
    const json_t *address = table_condition(row_list(row, "status.addresses"), type);
    row_text(row, address ? document_string(address, "address") : "<none>");
}

void cells_node(struct row *row) {
    const char *machine = document_string(row->object, "status.nodeInfo.architecture");
    const char *kernel = document_string(row->object, "status.nodeInfo.kernelVersion");
    row_name(row);
    cell_node_status(row);
    cell_roles(row);
    row_age(row);
    row_string(row, "status.nodeInfo.kubeletVersion", "");
    cell_address(row, "InternalIP");
    cell_address(row, "ExternalIP");
    row_string(row, "status.nodeInfo.osImage", "<unknown>");
    row_format(row, machine[0] ? "%s (%s)" : "%s", kernel[0] ? kernel : "<unknown>", machine);
    row_string(row, "status.nodeInfo.containerRuntimeVersion", "<unknown>");
}

/* --- events -------------------------------------------------------------------------------- */

/* Of a core/v1 Event, or else of an events.k8s.io/v1 one. */
static const char *either(const struct row *row, const char *core, const char *events) {
    const char *text = document_string(row->object, core);
    return text[0] ? text : document_string(row->object, events);
}

static int64_t event_count(const struct row *row) {
    if (json_is_object(row_list(row, "series")))
        return row_at(row, "series.count");
    int64_t count = row_at(row, "count");
    if (count == 0)
        count = row_at(row, "deprecatedCount");
    return count ? count : 1;
}

static void cell_target(struct row *row) {
    const char *name = either(row, "involvedObject.name", "regarding.name");
    struct strbuf text = {0};
    for (const char *at = either(row, "involvedObject.kind", "regarding.kind"); *at; at++)
        strbuf_addc(&text, (char)tolower((unsigned char)*at));
    if (name[0])
        strbuf_printf(&text, "/%s", name);
    row_buf(row, &text);
}

static void cell_source(struct row *row) {
    const char *who = either(row, "source.component", "deprecatedSource.component");
    const char *where = either(row, "source.host", "deprecatedSource.host");
    if (!who[0])
        who = either(row, "reportingComponent", "reportingController");
    if (!where[0])
        where = document_string(row->object, "reportingInstance");
    row_format(row, "%s%s%s", who, where[0] ? ", " : "", where);
}

static void cell_message(struct row *row) {
    const char *text = either(row, "message", "note");
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    while (len > 0 && isspace((unsigned char)*text))
        text++, len--;
    json_write_string(row->out, str_n(text, len));
}

void cells_event(struct row *row) {
    const char *first = either(row, "firstTimestamp", "deprecatedFirstTimestamp");
    const char *last = either(row, "lastTimestamp", "deprecatedLastTimestamp");
    if (!first[0])
        first = document_string(row->object, "eventTime");
    if (!last[0])
        last = first;
    if (json_is_object(row_list(row, "series")))
        last = document_string(row->object, "series.lastObservedTime");
    row_since(row, last);
    row_string(row, "type", "");
    row_string(row, "reason", "");
    cell_target(row);
    row_text(row, either(row, "involvedObject.fieldPath", "regarding.fieldPath"));
    cell_source(row);
    cell_message(row);
    row_since(row, first);
    row_int(row, event_count(row));
    row_name(row);
}

/* --- volumes ------------------------------------------------------------------------------- */

static void cell_modes(struct row *row, const char *path) {
    static const char *const modes[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    struct strbuf text = {0};
    for (int i = 0; i < 4; i++) {
        if (document_has_string(row_list(row, path), modes[i][0]))
            strbuf_printf(&text, "%s%s", text.len > 0 ? "," : "", modes[i][1]);
    }
    row_buf(row, &text);
}

static void cell_phase(struct row *row) {
    if (document_meta(row->object, "deletionTimestamp")[0])
        row_text(row, "Terminating");
    else
        row_string(row, "status.phase", "");
}

static void cell_class(struct row *row) {
    const char *old = json_string_value(json_object_get(row_list(row, "metadata.annotations"),
                                                        "volume.beta.kubernetes.io/storage-class"));
    row_text(row, old ? old : document_string(row->object, "spec.storageClassName"));
}

void cells_volume(struct row *row) {
    const json_t *claim = row_list(row, "spec.claimRef");
    row_name(row);
    row_string(row, "spec.capacity.storage", "0");
    cell_modes(row, "spec.accessModes");
    row_string(row, "spec.persistentVolumeReclaimPolicy", "");
    cell_phase(row);
    if (claim)
        row_format(row, "%s/%s", document_string(claim, "namespace"),
                   document_string(claim, "name"));
    else
        row_text(row, "");
    cell_class(row);
    row_string(row, "spec.volumeAttributesClassName", "<unset>");
    row_string(row, "status.reason", "");
    row_age(row);
    row_string(row, "spec.volumeMode", "<unset>");
}

void cells_claim(struct row *row) {
    bool bound = document_string(row->object, "spec.volumeName")[0] != 0;
    row_name(row);
    cell_phase(row);
    row_string(row, "spec.volumeName", "");
    row_string(row, "status.capacity.storage", bound ? "0" : "");
    cell_modes(row, bound ? "status.accessModes" : "");
    cell_class(row);
    row_string(row, "spec.volumeAttributesClassName", "<unset>");
    row_age(row);
    row_string(row, "spec.volumeMode", "<unset>");
}

/* --- who may what, and how much ------------------------------------------------------------ */

static void cell_subjects(struct row *row, const char *kind) {
    bool robots = strcmp(kind, "ServiceAccount") == 0;
    struct strbuf text = {0};
    size_t i;
    json_t *subject;
    json_array_foreach(row_list(row, "subjects"), i, subject) {
        if (strcmp(document_string(subject, "kind"), kind) != 0)
            continue;
        strbuf_adds(&text, text.len > 0 ? ", " : "");
        if (robots)
            strbuf_printf(&text, "%s/", document_string(subject, "namespace"));
        strbuf_adds(&text, document_string(subject, "name"));
    }
    row_buf(row, &text);
}

void cells_binding(struct row *row) {
    row_name(row);
    row_format(row, "%s/%s", document_string(row->object, "roleRef.kind"),
               document_string(row->object, "roleRef.name"));
    row_age(row);
    cell_subjects(row, "User");
    cell_subjects(row, "Group");
    cell_subjects(row, "ServiceAccount");
}

void cells_request(struct row *row) {
    const json_t *conditions = row_list(row, "status.conditions");
    const json_t *seconds = row_list(row, "spec.expirationSeconds");
    const char *state = "Pending";
    char wish[TABLE_AGE] = "<none>";
    if (table_condition(conditions, "Denied"))
        state = "Denied";
    else if (table_condition(conditions, "Approved"))
        state = "Approved";
    if (seconds)
        table_age(json_integer_value(seconds) * (int64_t)NS_PER_S, wish);
    row_name(row);
    row_age(row);
    row_string(row, "spec.signerName", "<none>");
    row_string(row, "spec.username", "");
    row_text(row, wish);
    row_format(row, "%s%s%s", state, table_condition(conditions, "Failed") ? ",Failed" : "",
               document_string(row->object, "status.certificate")[0] ? ",Issued" : "");
}

/* Of resources called "limits.something", or of the others. */
static void cell_quota(struct row *row, bool limits) {
    const json_t *hard = row_list(row, "status.hard"), *used = row_list(row, "status.used");
    json_t *names = json_array(), *name;
    const char *key;
    size_t i;
    struct strbuf text = {0};
    json_object_foreach((json_t *)hard, key, name) {
        if ((strncmp(key, "limits.", 7) == 0) == limits)
            table_insert(names, key, false);
    }
    json_array_foreach(names, i, name) {
        const char *now = json_string_value(json_object_get(used, json_string_value(name)));
        strbuf_printf(&text, "%s%s: %s/%s", i > 0 ? ", " : "", json_string_value(name),
                      now ? now : "0",
                      json_string_value(json_object_get(hard, json_string_value(name))));
    }
    json_decref(names);
    row_buf(row, &text);
}

void cells_quota(struct row *row) {
    row_name(row);
    cell_quota(row, false);
    cell_quota(row, true);
    row_age(row);
}
