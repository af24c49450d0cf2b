#include <string.h>

#include "apiserver/rest.h"

void rest_create(struct api_exchange *x) {
    struct change *change = &x->change;
    if (body_parse(x, &change->now) < 0 || body_prune(x, x->kind, change->now) < 0)
        exchange_fail(x);
    else
        write_create(x);
}
