#ifndef MOONLET_APISERVER_SCHEMA_CHECK_H
#define MOONLET_APISERVER_SCHEMA_CHECK_H

#include "apiserver/cause.h"
#include "apiserver/schema_internal.h"

/*
 * A validation under way: for schema_validate.c and the checks it is made of.
 *
 * Paths:   messages name a place from the value that was given ("spec.size"); fields have `base`
 *          before it.
 * Counts:  what a check gives back is how much of a schema it got to look at: of several schemas
 *          that a value does not fit, the API server explains the one with the highest count.
 */
struct check {
    struct causes causes;
    const char *base;
    struct strbuf path;  /* of the value that is looked at */
    struct strbuf field; /* the text that check_field() gave */
};

const char *check_path(const struct check *check);
const char *check_field(struct check *check); /* valid until the next call */
const char *check_root(const struct check *check);
size_t check_push_key(struct check *check, const char *key);     /* the length to cut back to */
size_t check_push_member(struct check *check, const char *key);  /* with a dot even at the root */
size_t check_push_map_key(struct check *check, const char *key); /* "[key]" */
size_t check_push_index(struct check *check, size_t index);
void check_pop(struct check *check, size_t before);

int check_type(struct check *check, const struct schema *schema, bool nullable,
               const json_t *value);
void check_string(struct check *check, const struct schema_rules *rules, const json_t *value);
void check_format(struct check *check, const struct schema_rules *rules, const json_t *value);
void check_number(struct check *check, const struct schema *schema, const json_t *value);
void check_enum(struct check *check, const struct schema_rules *rules, const json_t *value);

/* Of the whole value: apiVersion, kind and metadata of embedded resources; lists that are sets or
 * maps. */
void check_embedded(struct check *check, const struct schema *schema, const json_t *value);
void check_lists(struct check *check, const struct schema *schema, const json_t *value);
/* May check_lists() have something to say of this one list? */
bool check_list_is_suspect(const struct schema *schema, const json_t *list);

#endif
