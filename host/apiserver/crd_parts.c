#include <string.h>

#include "apiserver/crd_internal.h"
#include "apiserver/dns.h"

enum { MOST_SELECTABLE = 8 };

/* Printer columns */

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static void check_path(struct crd_check *check, const char *place, const char *path) {
    if (*path != '.')
        cause_invalid_text(&check->causes, place, path,
                           "must be a simple json path starting with .");
}

static void check_column(struct crd_check *check, const json_t *column) {
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double", "float",
                                          "int32", "int64", "password",  NULL};
    static const char one_type[] = "must be one of boolean,date,integer,number,string";
    const char *type = crd_text(column, "type"), *format = crd_text(column, "format");
    const char *path = crd_text(column, "jsonPath");
    if (!*crd_text(column, "name"))
        cause_required(&check->causes, crd_at(check, ".name"), "");
    if (!*type)
        cause_required(&check->causes, crd_at(check, ".type"), one_type);
    else if (!is_one_of(type, types))
        cause_invalid_text(&check->causes, crd_at(check, ".type"), type, "%s", one_type);
    if (*format && !is_one_of(format, formats))
        cause_invalid_text(&check->causes, crd_at(check, ".format"), format,
                           "must be one of byte,date,date-time,double,float,int32,int64,password");
    if (!*path)
        cause_required(&check->causes, crd_at(check, ".JSONPath"), "");
    else
        check_path(check, crd_at(check, ".JSONPath"), path);
}

void crd_check_columns(struct crd_check *check, const json_t *version) {
    json_t *column;
    size_t i;
    json_array_foreach(json_object_get(version, "additionalPrinterColumns"), i, column) {
        size_t before = crd_push(check, ".additionalPrinterColumns[%zu]", i);
        check_column(check, column);
        crd_pop(check, before);
    }
}

/* Subresources */

static void check_scale_path(struct crd_check *check, const json_t *scale, const char *key,
                             bool spec, bool status, const char *fault) {
    const char *path = crd_text(scale, key), *place = crd_at(check, ".scale.%s", key);
    bool under =
        (spec && strncmp(path, ".spec.", 6) == 0) || (status && strncmp(path, ".status.", 8) == 0);
    if (!*path && !(spec && status))
        cause_required(&check->causes, place, "");
    else if (*path && *path != '.')
        check_path(check, place, path);
    else if (*path && !under)
        cause_invalid_text(&check->causes, place, path, "%s", fault);
}

void crd_check_subresources(struct crd_check *check, const json_t *version) {
    const json_t *scale = crd_member(crd_member(version, "subresources"), "scale");
    size_t before = crd_push(check, ".subresources");
    if (scale) {
        check_scale_path(check, scale, "specReplicasPath", true, false,
                         "should be a json path under .spec");
        check_scale_path(check, scale, "statusReplicasPath", false, true,
                         "should be a json path under .status");
        check_scale_path(check, scale, "labelSelectorPath", true, true,
                         "should be a json path under either .spec or .status");
    }
    crd_pop(check, before);
}

/* Selectable fields */

static const json_t *find_field(const json_t *schema, const char *path) {
    while (schema && *path == '.') {
        size_t len = strcspn(++path, ".[");
        schema = json_object_getn(json_object_get(schema, "properties"), path, len);
        path += len;
    }
    return *path ? NULL : schema;
}

static bool is_repeated(const json_t *fields, size_t index, const char *path) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(crd_text(json_array_get(fields, i), "jsonPath"), path) == 0)
            return true;
    return false;
}

static void check_field(struct crd_check *check, const json_t *schema, const char *path) {
    static const char *const types[] = {"string", "boolean", "integer", NULL};
    const char *place = crd_at(check, ".jsonPath");
    const json_t *found = *path == '.' ? find_field(schema, path) : NULL;
    if (*path != '.' && *path != '[')
        cause_invalid_text(&check->causes, place, path,
                           "is an invalid path: expected [ or . but got: %.*s",
                           (int)strcspn(path, ".["), path);
    else if (found == NULL)
        cause_invalid_text(&check->causes, place, path, "is an invalid path: %s",
                           strchr(path, '[') ? "array notation is not allowed"
                                             : "does not refer to a valid field");
    else if (strncmp(path, ".metadata", 9) == 0 && (path[9] == '.' || !path[9]))
        cause_invalid_text(&check->causes, place, path, "must not point to fields in metadata");
    else if (!is_one_of(crd_text(found, "type"), types))
        cause_invalid_text(&check->causes, place, path,
                           "must point to a field of type string, boolean or integer. Enum string "
                           "fields and strings with formats are allowed.");
}

void crd_check_selectable(struct crd_check *check, const json_t *version) {
    const json_t *schema = crd_member(crd_member(version, "schema"), "openAPIV3Schema");
    const json_t *fields = json_object_get(version, "selectableFields");
    size_t unique = 0, i;
    json_t *field;
    json_array_foreach(fields, i, field) {
        const char *path = crd_text(field, "jsonPath");
        size_t before = crd_push(check, ".selectableFields[%zu]", i);
        if (!*path) {
            cause_required(&check->causes, crd_at(check, ".jsonPath"), "");
        } else {
            check_field(check, schema, path);
            if (is_repeated(fields, i, path))
                cause_duplicate(&check->causes, crd_at(check, ".jsonPath"),
                                json_object_get(field, "jsonPath"));
            else
                unique++;
        }
        crd_pop(check, before);
    }
    if (unique > MOST_SELECTABLE)
        cause_too_many(&check->causes, crd_at(check, ".selectableFields"), (int64_t)unique,
                       MOST_SELECTABLE);
}

/* Conversion. Its members are named as the server's causes name them. */

static void check_url(struct crd_check *check, const char *url) {
    size_t len = strcspn(url, ":/");
    if (strncmp(url, "https://", 8) == 0)
        return;
    json_t *scheme = json_stringn(url, url[len] == ':' ? len : 0);
    if (scheme == NULL)
        check->causes.failed = true;
    cause_invalid(&check->causes, crd_at(check, ".url"), scheme,
                  "'https' is the only allowed URL scheme; desired format: https://host[/path]");
    json_decref(scheme);
}

static void check_service(struct crd_check *check, const json_t *service) {
    const json_t *number = json_object_get(service, "port");
    const char *path = crd_text(service, "path");
    json_int_t port = json_integer_value(number);
    if (!*crd_text(service, "name"))
        cause_required(&check->causes, crd_at(check, ".service.name"), "");
    if (!*crd_text(service, "namespace"))
        cause_required(&check->causes, crd_at(check, ".service.namespace"), "");
    if (port < 1 || port > 65535)
        cause_invalid(&check->causes, crd_at(check, ".service.port"), number,
                      "port is not valid: must be between 1 and 65535, inclusive");
    if (*path && *path != '/')
        cause_invalid_text(&check->causes, crd_at(check, ".service.path"), path,
                           "must start with a '/'");
}

static void check_client(struct crd_check *check, const json_t *client) {
    const char *url = crd_text(client, "url");
    const json_t *service = crd_member(client, "service");
    size_t before = crd_push(check, ".webhookClientConfig");
    if ((*url != 0) == (service != NULL))
        cause_required(&check->causes, crd_at(check, "%s", ""),
                       "exactly one of url or service is required");
    else if (*url)
        check_url(check, url);
    else
        check_service(check, service);
    crd_pop(check, before);
}

static bool is_repeated_text(const json_t *list, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (json_equal(json_array_get(list, i), json_array_get(list, index)))
            return true;
    return false;
}

static void check_review_versions(struct crd_check *check, const json_t *versions) {
    bool known = false;
    json_t *version;
    size_t i;
    if (json_array_size(versions) == 0) {
        cause_required(&check->causes, crd_at(check, ".conversionReviewVersions"), "");
        return;
    }
    json_array_foreach(versions, i, version) {
        const char *text = json_string_value(version), *fault = NULL;
        if (is_repeated_text(versions, i))
            fault = "duplicate version";
        else if (text)
            fault = dns_check_1035_label(str_of(text));
        if (fault)
            cause_invalid(&check->causes, crd_at(check, ".conversionReviewVersions[%zu]", i),
                          version, "%s", fault);
        known = known || (text && (strcmp(text, "v1") == 0 || strcmp(text, "v1beta1") == 0));
    }
    if (!known)
        cause_invalid(&check->causes, crd_at(check, ".conversionReviewVersions"), versions,
                      "must include at least one of v1, v1beta1");
}

static void check_no_webhook(struct crd_check *check, const json_t *webhook) {
    static const char fault[] = "should not be set when strategy is not set to Webhook";
    if (crd_member(webhook, "clientConfig"))
        cause_forbidden(&check->causes, crd_at(check, ".webhookClientConfig"), fault);
    if (json_array_size(json_object_get(webhook, "conversionReviewVersions")) > 0)
        cause_forbidden(&check->causes, crd_at(check, ".conversionReviewVersions"), fault);
}

static void check_strategy(struct crd_check *check, const json_t *conversion) {
    json_t *supported = json_pack("[s, s]", "None", "Webhook");
    if (supported == NULL)
        check->causes.failed = true;
    if (!*crd_text(conversion, "strategy"))
        cause_required(&check->causes, crd_at(check, ".strategy"), "");
    else
        cause_unsupported(&check->causes, crd_at(check, ".strategy"),
                          json_object_get(conversion, "strategy"), supported);
    json_decref(supported);
}

void crd_check_conversion(struct crd_check *check, const json_t *conversion) {
    const json_t *webhook = crd_member(conversion, "webhook");
    const char *strategy = crd_text(conversion, "strategy");
    bool called = strcmp(strategy, "Webhook") == 0;
    size_t before = crd_push(check, ".conversion");
    if (conversion && !called && strcmp(strategy, "None") != 0)
        check_strategy(check, conversion);
    if (!called) {
        check_no_webhook(check, webhook);
    } else {
        if (crd_member(webhook, "clientConfig"))
            check_client(check, crd_member(webhook, "clientConfig"));
        else
            cause_required(&check->causes, crd_at(check, ".webhookClientConfig"),
                           "required when strategy is set to Webhook");
        check_review_versions(check, json_object_get(webhook, "conversionReviewVersions"));
    }
    crd_pop(check, before);
}
