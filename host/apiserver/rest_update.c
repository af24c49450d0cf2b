#include <string.h>

#include "apiserver/rest.h"
#include "apiserver/rules.h"

static int read_body(struct api_exchange *x) {
    struct change *change = &x->change;
    if (body_parse(x, &change->body) < 0)
        return -1;
    write_expect(x);
    return body_accept(x, x->kind, change->body);
}

/* The body is the new object; when that has lost against another, it is read again. */
static int compute(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    struct change *change = &x->change;
    (void)live;
    if (change->body == NULL && read_body(x) < 0)
        return -1;
    *ret_now = change->body;
    change->body = NULL;
    return 0;
}

void rest_update(struct api_exchange *x) {
    struct change *change = &x->change;
    if (read_body(x) < 0) {
        exchange_fail(x);
        return;
    }
    change->compute = compute;
    change->create_too = (rules_of(x->kind->resource)->flags & RULE_CREATE_ON_UPDATE) &&
                         !x->request.subresource[0] &&
                         !document_meta(change->body, "resourceVersion")[0];
    if (!document_meta(change->body, "name")[0]) {
        body_refuse_nameless(x);
        exchange_fail(x);
        return;
    }
    write_update(x);
}
