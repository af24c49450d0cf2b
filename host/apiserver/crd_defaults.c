#include "apiserver/crd_internal.h"
#include "apiserver/document.h"
#include "apiserver/schema_internal.h"

/* A default must be what the schema would keep and accept of an object that says it. */

static void check_part(struct crd_check *check, const struct schema *schema, bool resource);

static void check_unpruned(struct crd_check *check, const struct schema *schema) {
    json_t *pruned = document_copy(schema->default_value);
    if (pruned == NULL || schema_prune_part(schema, pruned, NULL) < 0)
        check->causes.failed = true;
    else if (!json_equal(pruned, schema->default_value))
        cause_invalid(&check->causes, crd_at(check, ".default"), schema->default_value,
                      "must not have unknown fields");
    json_decref(pruned);
}

static void check_default(struct crd_check *check, const struct schema *schema) {
    check_unpruned(check, schema);
    if (schema_validate(schema, schema->default_value, crd_at(check, ".default"),
                        check->causes.list, NULL) < 0)
        check->causes.failed = true;
}

static bool is_meta(const char *name) {
    return str_is(str_of(name), "metadata") || str_is(str_of(name), "kind") ||
           str_is(str_of(name), "apiVersion");
}

/* What is under a resource's metadata has rules of its own (crd_schema.c). */
static void check_part(struct crd_check *check, const struct schema *schema, bool resource) {
    if (schema == NULL)
        return;
    if (schema->default_value)
        check_default(check, schema);
    size_t before = crd_push(check, ".items");
    check_part(check, schema->items, false);
    crd_pop(check, before);
    for (uint32_t i = 0; i < schema->property_count; i++) {
        const struct schema_property *property = &schema->properties[i];
        if ((resource || schema->embedded) && is_meta(property->name))
            continue;
        before = crd_push(check, ".properties[%s]", property->name);
        check_part(check, property->schema, false);
        crd_pop(check, before);
    }
}

void crd_check_defaults(struct crd_check *check, const json_t *schema) {
    struct error err;
    struct schema *parsed = schema_parse(schema, NULL, NULL, &err);
    if (parsed == NULL)
        check->causes.failed = true;
    check_part(check, parsed, true);
    schema_unref(parsed);
}
