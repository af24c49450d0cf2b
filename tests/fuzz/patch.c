/* Two documents, parted by a zero byte: the second as a patch of each type for the first. What
 * comes out is not too deep, neither input has changed, and a failure says why. */
#include <stdlib.h>
#include <string.h>

#include "apiserver/patch.h"

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"m\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\","
    "\"x-kubernetes-patch-merge-key\":\"k\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"s\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\",\"items\":{}}}}},"
    "\"s\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\",\"items\":{}},"
    "\"r\":{\"type\":\"object\",\"x-kubernetes-patch-strategy\":\"replace\"},"
    "\"l\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}},"
    "\"o\":{\"type\":\"object\",\"x-kubernetes-patch-strategy\":\"retainKeys\"}}}";

static json_t *load(const char *data, size_t size) {
    return json_loadb(data, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

/* Takes `result`. */
static void check(json_t *result, const struct error *err) {
    if (result ? err->code != 0 : err->code != ERROR_REJECTED || err->status < 400)
        abort();
    char *text = result ? json_dumps(result, JSON_ENCODE_ANY) : NULL;
    json_t *again = text ? load(text, strlen(text)) : NULL;
    if (result && (again == NULL || !json_equal(result, again)))
        abort();
    free(text);
    json_decref(again);
    json_decref(result);
}

static void apply(const json_t *from, const json_t *patch) {
    struct error err[4] = {0};
    json_t *described = json_loads(schema_text, 0, NULL);
    struct schema *schema = schema_parse(described, NULL, NULL, &err[0]);
    if (schema == NULL)
        abort();
    check(patch_merge(from, patch, &err[1]), &err[1]);
    check(patch_json(from, patch, &err[2]), &err[2]);
    check(patch_strategic(from, patch, schema, &err[3]), &err[3]);
    schema_unref(schema);
    json_decref(described);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, '\0', size) : NULL;
    if (zero == NULL)
        return 0;
    size_t first = (size_t)(zero - data);
    json_t *from = load((const char *)data, first);
    json_t *patch = load((const char *)zero + 1, size - first - 1);
    if (from && patch) {
        json_t *from_before = json_deep_copy(from), *patch_before = json_deep_copy(patch);
        apply(from, patch);
        if (!json_equal(from, from_before) || !json_equal(patch, patch_before))
            abort();
        json_decref(from_before);
        json_decref(patch_before);
    }
    json_decref(from);
    json_decref(patch);
    return 0;
}
