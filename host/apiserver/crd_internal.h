#ifndef MOONLET_APISERVER_CRD_INTERNAL_H
#define MOONLET_APISERVER_CRD_INTERNAL_H

#include "apiserver/cause.h"

/*
 * The check of a CRD under way: for crd*.c alone.
 */
struct crd_check {
    struct causes causes;
    struct strbuf path;  /* of what is looked at: "spec.versions[0]" */
    struct strbuf place; /* the text that crd_at() gave */
    bool ignore_rules;
};

/* The path with something behind it; valid until the next call. */
const char *crd_at(struct crd_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Goes deeper; gives the length to cut back to. */
size_t crd_push(struct crd_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void crd_pop(struct crd_check *check, size_t before);

/* Of an object: what is not there, null or of another type is NULL, "", false. */
const json_t *crd_member(const json_t *object, const char *key);
const char *crd_text(const json_t *object, const char *key);
bool crd_flag(const json_t *object, const char *key);

/* A version's schema; the path is its own ("...openAPIV3Schema"). `status`: the version has a
 * status subresource. */
void crd_check_schema(struct crd_check *check, const json_t *schema, bool status);
/* Of crd_check_schema: is it structural? And are its defaults what it would take itself? */
void crd_check_structural(struct crd_check *check, const json_t *schema);
void crd_check_defaults(struct crd_check *check, const json_t *schema);

/* A version's additionalPrinterColumns, subresources, selectableFields; the path is its own or
 * "spec". */
void crd_check_columns(struct crd_check *check, const json_t *version);
void crd_check_subresources(struct crd_check *check, const json_t *version);
void crd_check_selectable(struct crd_check *check, const json_t *version);
void crd_check_conversion(struct crd_check *check, const json_t *conversion);

#endif
