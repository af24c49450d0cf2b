#include <string.h>

#include "apiserver/document.h"
#include "apiserver/rules.h"
#include "apiserver/rules_place.h"

/* Volumes, claims of them, classes. */

static int set_phase(json_t *object, const char *phase, const char *time) {
    return json_object_set_new(
        object, "status",
        json_pack("{s:s, s:s*}", "phase", phase, "lastPhaseTransitionTime", time));
}

static int pending(json_t *now, const char *time, struct error *err) {
    return set_phase(now, "Pending", time) == 0
               ? 0
               : error_set(err, ERROR_NOMEM, "no memory for a volume");
}

int claim_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err) {
    (void)server;
    return old ? 0 : pending(now, NULL, err);
}

int volume_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err) {
    char time[CLOCK_TEXT];
    server_time(server, time);
    return old ? 0 : pending(now, time, err);
}

int volume_prepare_status(struct apiserver *server, json_t *now, const json_t *old,
                          struct error *err) {
    static const char member[] = "lastPhaseTransitionTime";
    json_t *status = json_object_get(now, "status"), *before = json_object_get(old, "status");
    char time[CLOCK_TEXT];
    if (!json_is_object(status) ||
        document_same(json_object_get(status, "phase"), json_object_get(before, "phase")) ||
        !document_same(json_object_get(status, member), json_object_get(before, member)))
        return 0;
    server_time(server, time);
    return json_object_set_new(status, member, json_string(time)) == 0
               ? 0
               : error_set(err, ERROR_NOMEM, "no memory for a volume");
}

static void check_modes(const json_t *spec, const char *why, struct causes *causes) {
    const json_t *modes = json_object_get(spec, "accessModes"), *mode;
    json_t *known = json_pack("[s, s, s, s]", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                              "ReadWriteOncePod");
    place_needed(spec, "spec", "accessModes", why, causes);
    for (size_t i = 0; known && (mode = json_array_get(modes, i)); i++) {
        if (json_is_string(mode) && !document_has_string(known, json_string_value(mode)))
            cause_unsupported(causes, "spec.accessModes", mode, known);
    }
    causes->failed |= known == NULL;
    json_decref(known);
}

static const char *const claim_fixed[] = {"accessModes", "selector",   "storageClassName",
                                          "volumeMode",  "dataSource", "dataSourceRef"};

void claim_check(struct apiserver *server, const json_t *now, const json_t *old,
                 struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    (void)server;
    check_modes(spec, "at least 1 access mode is required", causes);
    if (!document_path(spec, "resources.requests.storage"))
        cause_required(causes, "spec.resources[storage]", "");
    for (size_t i = 0; old && i < sizeof claim_fixed / sizeof *claim_fixed; i++) {
        const json_t *before = json_object_get(json_object_get(old, "spec"), claim_fixed[i]);
        if (document_empty(before) || document_same(json_object_get(spec, claim_fixed[i]), before))
            continue;
        cause_forbidden(causes, "spec",
                        "spec is immutable after creation except resources.requests and "
                        "volumeAttributesClassName for bound claims");
        return;
    }
}

void volume_check(struct apiserver *server, const json_t *now, const json_t *old,
                  struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    json_t *storage = json_pack("[s]", "storage"), *none = json_null();
    (void)server, (void)old;
    check_modes(spec, "", causes);
    if (place_needed(spec, "spec", "capacity", "", causes) == false ||
        !document_path(spec, "capacity.storage"))
        cause_unsupported(
            causes, "spec.capacity",
            json_object_get(spec, "capacity") ? json_object_get(spec, "capacity") : none, storage);
    json_decref(storage);
}

void storage_class_check(struct apiserver *server, const json_t *now, const json_t *old,
                         struct causes *causes) {
    (void)server;
    place_one_of(now, "", "reclaimPolicy", "Delete Retain", causes);
    place_immutable(now, old, "", "provisioner", causes);
    place_immutable(now, old, "", "reclaimPolicy", causes);
    place_immutable(now, old, "", "volumeBindingMode", causes);
    if (old &&
        !document_same(json_object_get(now, "parameters"), json_object_get(old, "parameters")))
        cause_forbidden(causes, "parameters", "updates to parameters are forbidden.");
}
