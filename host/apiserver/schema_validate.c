#include "apiserver/schema_check.h"

static int check_value(struct check *check, const struct schema *schema, const json_t *value);

/* Several schemas for one value. Each is tried with a list of its own. */

static int try_schema(struct check *check, const struct schema *schema, const json_t *value,
                      json_t **ret_causes) {
    json_t *before = check->causes.list;
    *ret_causes = json_array();
    if (*ret_causes == NULL) {
        check->causes.failed = true;
        return 0;
    }
    check->causes.list = *ret_causes;
    int count = check_value(check, schema, value);
    check->causes.list = before;
    return count;
}

static void merge(struct check *check, json_t *causes) {
    json_t *cause, *other;
    size_t i, k;
    json_array_foreach(causes, i, cause) {
        bool there = false;
        json_array_foreach(check->causes.list, k, other) there = there || json_equal(cause, other);
        if (!there && json_array_append(check->causes.list, cause) < 0)
            check->causes.failed = true;
    }
}

/* The best attempt so far: the first that fits, or else the one that got furthest. */
struct attempt {
    json_t *causes;
    int count, fitting;
};

static void attempt(struct check *check, struct attempt *best, const struct schema *schema,
                    const json_t *value) {
    json_t *causes;
    int count = try_schema(check, schema, value, &causes);
    bool fits = json_array_size(causes) == 0;
    bool better = best->causes == NULL ||
                  (fits ? best->fitting == 0 : best->fitting == 0 && count > best->count);
    best->fitting += fits;
    if (better) {
        json_decref(best->causes);
        best->causes = causes;
        best->count = count;
    } else {
        json_decref(causes);
    }
}

static int check_any_of(struct check *check, const struct schema_many *many, const json_t *value) {
    struct attempt best = {0};
    for (size_t i = 0; i < many->count && best.fitting == 0; i++)
        attempt(check, &best, many->items[i], value);
    if (best.fitting == 0)
        cause_invalid(&check->causes, check_root(check), NULL,
                      "\"%s\" must validate at least one schema (anyOf)", check_path(check));
    merge(check, best.causes);
    json_decref(best.causes);
    return best.count;
}

static int check_one_of(struct check *check, const struct schema_many *many, const json_t *value) {
    struct attempt best = {0};
    for (size_t i = 0; i < many->count; i++)
        attempt(check, &best, many->items[i], value);
    if (best.fitting == 0)
        cause_invalid(&check->causes, check_root(check), NULL,
                      "\"%s\" must validate one and only one schema (oneOf). Found none valid",
                      check_path(check));
    else if (best.fitting > 1)
        cause_invalid(&check->causes, check_root(check), NULL,
                      "\"%s\" must validate one and only one schema (oneOf). Found %d valid "
                      "alternatives",
                      check_path(check), best.fitting);
    merge(check, best.causes);
    json_decref(best.causes);
    return best.fitting > 1 ? 0 : best.count;
}

static int check_all_of(struct check *check, const struct schema_many *many, const json_t *value) {
    int count = 0;
    size_t fitting = 0;
    for (size_t i = 0; i < many->count; i++) {
        json_t *causes;
        count += try_schema(check, many->items[i], value, &causes);
        fitting += json_array_size(causes) == 0;
        merge(check, causes);
        json_decref(causes);
    }
    if (fitting < many->count)
        cause_invalid(&check->causes, check_root(check), NULL,
                      "\"%s\" must validate all the schemas (allOf)%s", check_path(check),
                      fitting == 0 ? ". None validated" : "");
    return count;
}

static void check_not(struct check *check, const struct schema *schema, const json_t *value) {
    json_t *causes;
    try_schema(check, schema, value, &causes);
    if (json_array_size(causes) == 0)
        cause_invalid(&check->causes, check_root(check), NULL,
                      "\"%s\" must not validate the schema (not)", check_path(check));
    json_decref(causes);
}

static int check_junctors(struct check *check, const struct schema_rules *rules,
                          const json_t *value) {
    int count = 1;
    if (rules->any_of.count > 0)
        count += check_any_of(check, &rules->any_of, value);
    if (rules->one_of.count > 0)
        count += check_one_of(check, &rules->one_of, value);
    if (rules->all_of.count > 0)
        count += check_all_of(check, &rules->all_of, value);
    if (rules->not_of)
        check_not(check, rules->not_of, value);
    return count;
}

/* Arrays */

static bool has_duplicates(const json_t *value) {
    size_t count = json_array_size(value);
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (json_equal(json_array_get(value, i), json_array_get(value, k)))
                return true;
    return false;
}

static int check_array(struct check *check, const struct schema *schema, const json_t *value) {
    const struct schema_rules *rules = schema_rules_of(schema);
    int64_t size = (int64_t)json_array_size(value);
    int count = 1;
    json_t *item;
    size_t i;
    json_array_foreach(value, i, item) {
        size_t before = check_push_index(check, i);
        count += check_value(check, schema->items, item);
        check_pop(check, before);
    }
    if (rules->min_items != SCHEMA_NO_BOUND && size < rules->min_items) {
        json_t *number = json_integer(size);
        cause_invalid(&check->causes, check_field(check), number,
                      "%s in body should have at least %lld items", check_path(check),
                      (long long)rules->min_items);
        json_decref(number);
    }
    if (rules->max_items != SCHEMA_NO_BOUND && size > rules->max_items)
        cause_too_many(&check->causes, check_field(check), size, rules->max_items);
    if (rules->unique_items && has_duplicates(value))
        cause_invalid(&check->causes, check_field(check), NULL,
                      "%s in body shouldn't contain duplicates", check_path(check));
    return count;
}

/* Objects */

static void check_size(struct check *check, const struct schema_rules *rules, const json_t *value) {
    int64_t size = (int64_t)json_object_size(value);
    if (rules->min_properties != SCHEMA_NO_BOUND && size < rules->min_properties) {
        json_t *number = json_integer(size);
        cause_invalid(&check->causes, check_field(check), number,
                      "%s in body should have at least %lld properties", check_path(check),
                      (long long)rules->min_properties);
        json_decref(number);
    }
    if (rules->max_properties != SCHEMA_NO_BOUND && size > rules->max_properties)
        cause_too_many(&check->causes, check_field(check), size, rules->max_properties);
}

static int check_additional(struct check *check, const struct schema *schema, json_t *value) {
    const char *key;
    json_t *member;
    int count = 0;
    json_object_foreach(value, key, member) {
        if (schema_own_property(schema, str_of(key)))
            continue;
        if (schema->additional_none) {
            cause_invalid_text(&check->causes, check_field(check), key,
                               "%s.%s in body is a forbidden property", check_path(check), key);
            continue;
        }
        size_t before = check_push_member(check, key);
        count += check_value(check, schema->additional, member);
        check_pop(check, before);
    }
    return count;
}

/* In the order of the schema, as the API server tells of them. */
static int check_properties(struct check *check, const struct schema *schema, json_t *value) {
    int count = 0;
    size_t left = json_object_size(value);
    for (uint32_t i = 0; i < schema->property_count && left > 0; i++) {
        const struct schema_property *property = &schema->properties[i];
        const json_t *member = json_object_getn(value, property->name, property->len);
        if (member == NULL)
            continue;
        left--;
        size_t before = check_push_key(check, property->name);
        count += check_value(check, property->schema, member);
        check_pop(check, before);
    }
    return count;
}

static int check_object(struct check *check, const struct schema *schema, json_t *value) {
    int count = 0;
    check_size(check, schema_rules_of(schema), value);
    if (schema->additional || schema->additional_none)
        count += check_additional(check, schema, value);
    count += check_properties(check, schema, value);
    for (char **name = schema_rules_of(schema)->required; name && *name; name++) {
        if (json_object_get(value, *name))
            continue;
        size_t before = check_push_key(check, *name);
        cause_required(&check->causes, check_field(check), "");
        check_pop(check, before);
    }
    return count;
}

/* What the rules say of a value that is not null; the count is of the checks that apply to it. */
static int check_rules(struct check *check, const struct schema *schema, const json_t *value) {
    const struct schema_rules *rules = schema_rules_of(schema);
    int count = check_junctors(check, rules, value) + 1;
    if (json_is_string(value)) {
        check_string(check, rules, value);
        count++;
    }
    if (json_is_string(value) && rules->format_check) {
        check_format(check, rules, value);
        count++;
    }
    if (json_is_number(value)) {
        check_number(check, schema, value);
        count += 2;
    }
    return count;
}

static int check_value(struct check *check, const struct schema *schema, const json_t *value) {
    const struct schema *meant = schema_follow(schema);
    if (meant == NULL)
        return 0;
    const struct schema_rules *rules = schema_rules_of(meant);
    int count = 0;
    if (json_is_null(value)) {
        count = check_type(check, meant, schema_is_nullable(schema), value);
    } else {
        if (meant->type != SCHEMA_ANY || rules->format)
            count += check_type(check, meant, false, value) + 1;
        count += check_rules(check, meant, value);
        if (json_is_array(value))
            count += check_array(check, meant, value) + 1;
        count += 2;
    }
    if (rules->enumeration)
        check_enum(check, rules, value);
    if (json_is_object(value))
        count += check_object(check, meant, (json_t *)value) + 1;
    return count;
}

bool schema_accepts(const struct schema *schema, const json_t *value) {
    struct check check = {.causes = {.list = json_array()}, .base = ""};
    check_value(&check, schema, value);
    bool fine = check.causes.list && json_array_size(check.causes.list) == 0 &&
                !check.causes.failed && !check.path.failed && !check.field.failed;
    json_decref(check.causes.list);
    strbuf_finish(&check.path);
    strbuf_finish(&check.field);
    return fine;
}

int schema_validate(const struct schema *schema, const json_t *value, const char *path,
                    json_t *causes, struct error *err) {
    struct check check = {.causes = {.list = causes}, .base = path};
    if (schema_fits(schema, value, /* known= */ NULL, /* read= */ false))
        return 0;
    check_value(&check, schema, value);
    check_embedded(&check, schema, value);
    if (!schema_refers_to(schema)) /* built-in kinds have rules of their own */
        check_lists(&check, schema, value);
    bool failed = check.causes.failed || check.path.failed || check.field.failed;
    strbuf_finish(&check.path);
    strbuf_finish(&check.field);
    return failed ? error_set(err, ERROR_NOMEM, "no memory to validate") : 0;
}
