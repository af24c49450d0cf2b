#include "apiserver/status.h"

#include <string.h>

#include "base/mem.h"

static json_t *make(int code, const char *reason, json_t *details, const char *message) {
    json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s*, s:o*, s:i}", "kind", "Status",
                               "apiVersion", "v1", "metadata", "status", "Failure", "message",
                               message, "reason", reason, "details", details, "code", code);
    return status; /* json_pack took `details` even when it failed */
}

json_t *status_make(int code, const char *reason, json_t *details, const char *format, ...) {
    struct strbuf text = {0};
    json_t *status = NULL;
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    if (text.failed)
        json_decref(details);
    else
        status = make(code, reason, details, text.data ? text.data : "");
    strbuf_finish(&text);
    return status;
}

int status_code(const json_t *status) {
    json_int_t code = json_integer_value(json_object_get(status, "code"));
    return code > 0 ? (int)code : 500;
}

void status_qualify(struct strbuf *out, const char *word, const char *group) {
    strbuf_adds(out, word);
    if (group[0])
        strbuf_printf(out, ".%s", group);
}

static json_t *details_of(const char *group, const char *kind, const char *name) {
    return json_pack("{s:s*, s:s*, s:s*}", "name", name && name[0] ? name : NULL, "group",
                     group[0] ? group : NULL, "kind", kind[0] ? kind : NULL);
}

json_t *status_details(const struct api_resource *resource, const char *name) {
    return details_of(resource->group, resource->plural, name);
}

/* BEFORE + `pods "x"` or `pods` + AFTER. */
static json_t *about(int code, const char *reason, const struct api_resource *resource,
                     const char *name, const char *before, const char *after) {
    struct strbuf text = {0};
    strbuf_adds(&text, before);
    status_qualify(&text, resource->plural, resource->group);
    if (name[0])
        strbuf_printf(&text, " \"%s\"", name);
    strbuf_adds(&text, after);
    json_t *status = NULL;
    if (!text.failed)
        status = make(code, reason, status_details(resource, name), text.data);
    strbuf_finish(&text);
    return status;
}

json_t *status_no_version(const char *text) {
    return status_make(500, NULL, NULL,
                       "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": "
                       "invalid syntax",
                       text, text);
}

json_t *status_not_found(const struct api_resource *resource, const char *name) {
    return about(404, "NotFound", resource, name, "", " not found");
}

json_t *status_exists(const struct api_resource *resource, const char *name) {
    return about(409, "AlreadyExists", resource, name, "", " already exists");
}

/* As about(), with ": WHY" behind. */
static json_t *about_why(int code, const char *reason, const struct api_resource *resource,
                         const char *name, const char *before, const char *after, const char *why) {
    char *text = mem_printf("%s%s", after, why);
    json_t *status = text ? about(code, reason, resource, name, before, text) : NULL;
    mem_free(text);
    return status;
}

json_t *status_conflict(const struct api_resource *resource, const char *name, const char *why) {
    if (why == NULL)
        why = "the object has been modified; please apply your changes to the latest version and "
              "try again";
    return about_why(409, "Conflict", resource, name, "Operation cannot be fulfilled on ", ": ",
                     why);
}

json_t *status_conflict_kind(const struct api_resource *resource, const char *name,
                             const char *why) {
    struct api_resource by_kind = *resource;
    by_kind.plural = resource->kind;
    return status_conflict(&by_kind, name, why);
}

json_t *status_forbidden(const struct api_resource *resource, const char *name, const char *why) {
    return about_why(403, "Forbidden", resource, name, "", " is forbidden: ", why);
}

static void write_cause(struct strbuf *text, const json_t *cause) {
    strbuf_printf(text, "%s: %s", json_string_value(json_object_get(cause, "field")),
                  json_string_value(json_object_get(cause, "message")));
}

json_t *status_invalid(const char *group, const char *kind, const char *name, json_t *causes) {
    struct strbuf text = {0};
    size_t count = json_array_size(causes), i;
    json_t *cause, *details = details_of(group, kind, name), *status = NULL;
    status_qualify(&text, kind, group);
    strbuf_printf(&text, " \"%s\" is invalid", name);
    if (count > 0)
        strbuf_adds(&text, count == 1 ? ": " : ": [");
    json_array_foreach(causes, i, cause) {
        if (i > 0)
            strbuf_adds(&text, ", ");
        write_cause(&text, cause);
    }
    if (count > 1)
        strbuf_addc(&text, ']');
    if (details && json_object_set(details, "causes", causes) == 0 && !text.failed)
        status = make(422, "Invalid", json_incref(details), text.data);
    json_decref(details);
    json_decref(causes);
    strbuf_finish(&text);
    return status;
}

json_t *status_internal(const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct strbuf text = {0};
    strbuf_vprintf(&text, format, args);
    va_end(args);
    json_t *status = NULL;
    if (!text.failed)
        status = status_make(500, "InternalError",
                             json_pack("{s:[{s:s}]}", "causes", "message", text.data),
                             "Internal error occurred: %s", text.data);
    strbuf_finish(&text);
    return status;
}

json_t *status_not_allowed(const struct api_resource *resource, const char *action) {
    struct strbuf name = {0};
    status_qualify(&name, resource->plural, resource->group);
    json_t *status = NULL;
    if (!name.failed)
        status = status_make(405, "MethodNotAllowed", status_details(resource, ""),
                             "%s is not supported on resources of kind \"%s\"", action, name.data);
    strbuf_finish(&name);
    return status;
}

json_t *status_not_served(const char *what) {
    return status_make(501, "NotImplemented", NULL,
                       "%s: not served by moonlet's embedded API server", what);
}

json_t *status_too_large(uint64_t wanted, uint64_t current) {
    json_t *details =
        json_pack("{s:[{s:s, s:s}], s:i}", "causes", "reason", "ResourceVersionTooLarge", "message",
                  "Too large resource version", "retryAfterSeconds", 1);
    return status_make(504, "Timeout", details,
                       "Timeout: Too large resource version: %llu, current: %llu",
                       (unsigned long long)wanted, (unsigned long long)current);
}

json_t *status_of_error(const struct error *err) {
    static const struct {
        int code, status;
        const char *reason;
    } known[] = {
        {ERROR_NOT_FOUND, 404, "NotFound"},        {ERROR_EXISTS, 409, "AlreadyExists"},
        {ERROR_CONFLICT, 409, "Conflict"},         {ERROR_GONE, 410, "Expired"},
        {ERROR_THROTTLED, 429, "TooManyRequests"}, {ERROR_TIMEOUT, 504, "Timeout"},
        {ERROR_REJECTED, 400, "BadRequest"},       {ERROR_INVALID, 400, "BadRequest"},
        {ERROR_FORBIDDEN, 403, "Forbidden"},       {ERROR_UNAVAILABLE, 500, "InternalError"}};
    int status = err->status;
    const char *reason = err->reason;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code != err->code)
            continue;
        status = status > 0 ? status : known[i].status;
        reason = reason[0] || err->status >= 500 ? reason : known[i].reason;
    }
    if (status < 400)
        return status_internal("%s", err->message);
    if (!reason[0])
        reason = status == 422 ? "Invalid" : status == 400 ? "BadRequest" : NULL;
    return status_make(status, reason, NULL, "%s", err->message);
}

json_t *status_success(const struct api_resource *resource, const char *name, const char *uid) {
    json_t *details = status_details(resource, name);
    if (details && uid[0] && json_object_set_new(details, "uid", json_string(uid)) < 0) {
        json_decref(details);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:{}, s:s, s:o}", "kind", "Status", "apiVersion", "v1", "metadata",
                     "status", "Success", "details", details);
}
