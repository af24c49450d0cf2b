/* Two documents, parted by a zero byte: the second is applied to the first, whose managedFields are
 * as foreign. Neither input changes, a failure says why, and what was applied once changes nothing
 * when it is applied again. */
#include <stdlib.h>
#include <string.h>

#include "apiserver/managed.h"

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"m\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
    "\"x-kubernetes-list-map-keys\":[\"k\",\"p\"],\"items\":{\"type\":\"object\",\"properties\":{"
    "\"k\":{\"x-kubernetes-int-or-string\":true},\"p\":{\"type\":\"string\",\"default\":\"T\"},"
    "\"s\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{}}}}},"
    "\"s\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{}},"
    "\"l\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}},"
    "\"x\":{\"x-kubernetes-preserve-unknown-fields\":true},"
    "\"a\":{\"type\":\"object\",\"x-kubernetes-map-type\":\"atomic\"}}}";

static json_t *load(const char *data, size_t size) {
    return json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

static json_t *apply(const struct schema *schema, const json_t *live, const json_t *applied,
                     bool force) {
    static const struct managed_change change = {.manager = "kubectl",
                                                 .api_version = "v1",
                                                 .subresource = "",
                                                 .time = "2026-01-01T00:00:00Z"};
    struct error err = {0};
    json_t *causes = NULL;
    json_t *now = managed_apply(schema, live, applied, true, &change, force, &causes, &err);
    if (!now && (err.code != ERROR_REJECTED && err.code != ERROR_CONFLICT))
        abort();
    if ((causes != NULL) != (err.code == ERROR_CONFLICT))
        abort();
    json_decref(causes);
    return now;
}

static void update(const struct schema *schema, const json_t *old, const json_t *applied) {
    static const struct managed_change change = {
        .manager = "b", .builtin = true, .api_version = "v1", .subresource = "status", .time = ""};
    json_t *now = json_deep_copy(applied);
    if (managed_update(schema, old, now, true, &change, NULL) < 0 ||
        managed_update(schema, NULL, now, false, &change, NULL) < 0)
        abort();
    managed_settle(old, now);
    json_decref(now);
}

static void run(const json_t *live, const json_t *applied) {
    struct error err;
    json_t *described = json_loads(schema_text, 0, NULL);
    struct schema *schema = schema_parse(described, NULL, NULL, &err);
    if (!schema)
        abort();
    json_decref(apply(schema, live, applied, false));
    json_t *once = apply(schema, live, applied, true);
    json_t *twice = once ? apply(schema, once, applied, false) : NULL;
    json_t *thrice = twice ? apply(schema, twice, applied, false) : NULL;
    if (once && (!twice || !thrice || !json_equal(twice, thrice)))
        abort();
    update(schema, live, applied);
    json_decref(once);
    json_decref(twice);
    json_decref(thrice);
    schema_unref(schema);
    json_decref(described);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, '\0', size) : NULL;
    if (!zero)
        return 0;
    size_t first = (size_t)(zero - data);
    json_t *live = load((const char *)data, first);
    json_t *applied = load((const char *)zero + 1, size - first - 1);
    if (json_is_object(live) && json_is_object(applied)) {
        json_t *live_before = json_deep_copy(live), *applied_before = json_deep_copy(applied);
        run(live, applied);
        if (!json_equal(live, live_before) || !json_equal(applied, applied_before))
            abort();
        json_decref(live_before);
        json_decref(applied_before);
    }
    json_decref(live);
    json_decref(applied);
    return 0;
}
