#ifndef MOONLET_APISERVER_SUB_H
#define MOONLET_APISERVER_SUB_H

#include "apiserver/rest.h"

/* Subresources with a file of their own, and what they share. Threads: core. Yields: never. */
void sub_scale(struct api_exchange *x);
void sub_eviction(struct api_exchange *x);
void sub_token(struct api_exchange *x);
/* The status of a TokenReview; NULL: NOMEM. */
json_t *sub_token_review(const struct apiserver *server, const json_t *review);
json_t *sub_scale_of(const struct api_kind *kind, const json_t *object); /* NULL: NOMEM */
/* rest_patch.c, server-side apply: the body, with apiVersion, kind and a name; the new object. A
 * conflict is told in `told_version`, NULL: in that of the other's entry. */
int apply_parse(struct api_exchange *x);
int apply_compute(struct api_exchange *x, const json_t *live, const json_t *applied,
                  const char *told_version, json_t **ret_now);
/* Appends a LabelSelector as "a=b,c in (d,e)"; a plain map of labels works, too. */
void sub_selector_text(const json_t *selector, struct strbuf *out);

#endif
