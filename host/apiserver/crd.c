#include "apiserver/crd.h"
#include "apiserver/document.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/crd_internal.h"

/* Members */

const json_t *crd_member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

const char *crd_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

bool crd_flag(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for a CRD");
}

static bool has_text(const json_t *list, const char *text) {
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item) if (json_is_string(item) &&
                                          strcmp(json_string_value(item), text) == 0) return true;
    return false;
}

/* The member, made an empty object when it is none. NULL: no memory. */
static json_t *need_object(json_t *parent, const char *key) {
    json_t *value = json_object_get(parent, key);
    if (json_is_object(value))
        return value;
    value = json_object();
    return json_object_set_new(parent, key, value) < 0 ? NULL : value;
}

/* Defaults */

static int default_singular(json_t *names, const char *kind) {
    struct strbuf singular = {0};
    for (; *kind; kind++)
        strbuf_addc(&singular, (char)tolower((unsigned char)*kind));
    int rc = singular.failed ? ERROR_NOMEM : 0;
    if (singular.len > 0 && rc == 0)
        rc = json_object_set_new(names, "singular", json_stringn(singular.data, singular.len));
    strbuf_finish(&singular);
    return rc;
}

static int default_names(json_t *names) {
    const char *kind = crd_text(names, "kind");
    if (!*crd_text(names, "singular") && default_singular(names, kind) < 0)
        return ERROR_NOMEM;
    if (*kind && !*crd_text(names, "listKind"))
        return json_object_set_new(names, "listKind", json_sprintf("%sList", kind));
    return 0;
}

static int default_conversion(json_t *spec) {
    if (crd_member(spec, "conversion") == NULL)
        return json_object_set_new(spec, "conversion", json_pack("{s:s}", "strategy", "None"));
    json_t *webhook = json_object_get(json_object_get(spec, "conversion"), "webhook");
    json_t *service = json_object_get(json_object_get(webhook, "clientConfig"), "service");
    if (json_is_object(service) && crd_member(service, "port") == NULL)
        return json_object_set_new(service, "port", json_integer(443));
    return 0;
}

int crd_default(json_t *crd, struct error *err) {
    json_t *spec = json_object_get(crd, "spec"), *names = json_object_get(spec, "names");
    if (json_is_object(names) && default_names(names) < 0)
        return no_memory(err);
    if (json_is_object(spec) && default_conversion(spec) < 0)
        return no_memory(err);
    return 0;
}

/* Status */

static const char *storage_version(const json_t *crd) {
    json_t *version;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(crd, "spec"), "versions"), i,
                       version) if (crd_flag(version, "storage")) return crd_text(version, "name");
    return NULL;
}

int crd_prepare(json_t *crd, const json_t *old, struct error *err) {
    const json_t *before = crd_member(old, "status");
    json_t *status = before ? document_copy(before) : json_object();
    const char *version = storage_version(crd);
    if (json_object_set_new(crd, "status", status) < 0)
        return no_memory(err);
    json_t *stored = json_object_get(status, "storedVersions");
    if (!json_is_array(stored)) {
        stored = json_array();
        if (json_object_set_new(status, "storedVersions", stored) < 0)
            return no_memory(err);
    }
    if (version && !has_text(stored, version) &&
        json_array_append_new(stored, json_string(version)) < 0)
        return no_memory(err);
    return 0;
}

static const json_t *find_condition(const json_t *crd, const char *type) {
    json_t *condition;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(crd, "status"), "conditions"), i,
                       condition) if (strcmp(crd_text(condition, "type"), type) ==
                                      0) return condition;
    return NULL;
}

static bool is_condition_true(const json_t *crd, const char *type) {
    return strcmp(crd_text(find_condition(crd, type), "status"), "True") == 0;
}

bool crd_is_established(const json_t *crd) {
    return is_condition_true(crd, "Established");
}

bool crd_holds_name(const json_t *crd, const char *group, const char *name, bool of_kind) {
    const json_t *names = json_object_get(json_object_get(crd, "status"), "acceptedNames");
    if (strcmp(crd_text(json_object_get(crd, "spec"), "group"), group) != 0)
        return false;
    if (of_kind)
        return strcmp(crd_text(names, "kind"), name) == 0 ||
               strcmp(crd_text(names, "listKind"), name) == 0;
    return strcmp(crd_text(names, "plural"), name) == 0 ||
           strcmp(crd_text(names, "singular"), name) == 0 ||
           has_text(json_object_get(names, "shortNames"), name);
}

/* Names: each is taken over when it is free; the last conflict is the one that is told. */

struct naming {
    const json_t *wanted;
    json_t *accepted;
    const char *group, *reason; /* NULL: no conflict */
    struct strbuf message;
    crd_taken taken;
    void *context;
    bool failed;
};

static void set_conflict(struct naming *naming, const char *reason) {
    naming->reason = reason;
    strbuf_clear(&naming->message);
}

static void accept(struct naming *naming, const char *key, bool of_kind, const char *reason) {
    const char *wanted = crd_text(naming->wanted, key);
    if (strcmp(wanted, crd_text(naming->accepted, key)) == 0)
        return;
    if (naming->taken(naming->context, naming->group, wanted, of_kind)) {
        set_conflict(naming, reason);
        strbuf_printf(&naming->message, "\"%s\" is already in use", wanted);
    } else if (json_object_set_new(naming->accepted, key, json_string(wanted)) < 0) {
        naming->failed = true;
    }
}

/* A list as it is wanted; none when none is. */
static void accept_list(struct naming *naming, const char *key) {
    json_t *wanted = json_object_get(naming->wanted, key);
    if (json_array_size(wanted) == 0)
        json_object_del(naming->accepted, key);
    else if (json_object_set_new(naming->accepted, key, document_copy(wanted)) < 0)
        naming->failed = true;
}

static void accept_short_names(struct naming *naming) {
    const json_t *accepted = json_object_get(naming->accepted, "shortNames");
    struct strbuf taken = {0};
    size_t i, count = 0;
    json_t *name;
    json_array_foreach(json_object_get(naming->wanted, "shortNames"), i, name) {
        const char *text = json_string_value(name);
        if (!text || has_text(accepted, text) ||
            !naming->taken(naming->context, naming->group, text, false))
            continue;
        strbuf_printf(&taken, "%s\"%s\" is already in use", count++ ? ", " : "", text);
    }
    naming->failed = naming->failed || taken.failed;
    if (count == 0) {
        accept_list(naming, "shortNames");
    } else {
        set_conflict(naming, "ShortNamesConflict");
        strbuf_printf(&naming->message, count > 1 ? "[%s]" : "%s", taken.data ? taken.data : "");
    }
    strbuf_finish(&taken);
}

/* The time of a condition is that of its last change of status. */
static int set_condition(json_t *crd, const char *type, bool is, const char *reason,
                         const char *message, const char *now) {
    json_t *status = json_object_get(crd, "status");
    json_t *conditions = json_object_get(status, "conditions");
    json_t *before = (json_t *)find_condition(crd, type);
    const char *text = is ? "True" : "False";
    bool same = before && strcmp(crd_text(before, "status"), text) == 0;
    json_t *condition = json_pack("{s:s, s:s, s:s, s:s, s:s}", "lastTransitionTime",
                                  same ? crd_text(before, "lastTransitionTime") : now, "message",
                                  message, "reason", reason, "status", text, "type", type);
    if (before) {
        int rc = condition ? json_object_update(before, condition) : ERROR_NOMEM;
        json_decref(condition);
        return rc;
    }
    if (!json_is_array(conditions)) {
        conditions = json_array();
        if (json_object_set_new(status, "conditions", conditions) < 0) {
            json_decref(condition);
            return ERROR_NOMEM;
        }
    }
    return json_array_append_new(conditions, condition);
}

static int set_conditions(json_t *crd, const struct naming *naming, const char *now) {
    bool accepted = naming->reason == NULL;
    const char *message = naming->message.data ? naming->message.data : "";
    if (set_condition(crd, "NamesAccepted", accepted, accepted ? "NoConflicts" : naming->reason,
                      accepted ? "no conflicts found" : message, now) < 0)
        return ERROR_NOMEM;
    if (crd_is_established(crd))
        return 0;
    return set_condition(
        crd, "Established", accepted, accepted ? "InitialNamesAccepted" : "NotAccepted",
        accepted ? "the initial names have been accepted" : "not all names are accepted", now);
}

int crd_set_status(json_t *crd, crd_taken taken, void *context, const char *now,
                   struct error *err) {
    const json_t *spec = json_object_get(crd, "spec");
    json_t *status = need_object(crd, "status");
    json_t *accepted = status ? need_object(status, "acceptedNames") : NULL;
    struct naming naming = {.wanted = json_object_get(spec, "names"),
                            .accepted = accepted,
                            .group = crd_text(spec, "group"),
                            .taken = taken,
                            .context = context};
    if (accepted == NULL)
        return no_memory(err);
    accept(&naming, "plural", false, "PluralConflict");
    accept(&naming, "singular", false, "SingularConflict");
    accept_short_names(&naming);
    accept(&naming, "kind", true, "KindConflict");
    accept(&naming, "listKind", true, "ListKindConflict");
    accept_list(&naming, "categories");
    int rc =
        naming.failed || naming.message.failed ? ERROR_NOMEM : set_conditions(crd, &naming, now);
    strbuf_finish(&naming.message);
    return rc < 0 ? no_memory(err) : 0;
}
