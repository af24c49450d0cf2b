#ifndef MOONLET_APISERVER_WRITE_INTERNAL_H
#define MOONLET_APISERVER_WRITE_INTERNAL_H

#include "apiserver/rest.h"

/* The inside of writes: what a new object (write_create.c) and one that is there (write_update.c)
 * have in common (write.c). rest.h says what the others need. */

/* Of the object that the request names. */
struct storage_key write_live_key(const struct api_exchange *x);
/* Sets managedFields of change.now, unless compute() has. */
int write_manage(struct api_exchange *x, const json_t *old);
/* Goes on when change.now can be stored: change.kept, when that is in another version. */
void write_keep(struct api_exchange *x, void (*then)(struct api_exchange *x));
/* *ret_text is what was stored, for write_answer(). */
int write_put(struct api_exchange *x, struct strbuf *ret_text);
/* `text` is empty when nothing was stored; finishes it. */
void write_answer(struct api_exchange *x, bool created, struct strbuf *text);

#endif
