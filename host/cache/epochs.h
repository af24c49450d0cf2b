#ifndef MOONLET_CACHE_EPOCHS_H
#define MOONLET_CACHE_EPOCHS_H

#include "cache/object.h"

/* What object.c needs of epochs.c beyond object.h. */
struct dag *epochs_dag(const struct epochs *epochs);
void epochs_count_object(struct epochs *epochs, int change); /* core */
/* Any thread: hands what nobody can see any more to the core, which calls limbo->release at its
 * next epochs_reclaim(); wakes the core when it may be asleep. */
void epochs_post(struct epochs *epochs, struct limbo *limbo);

#endif
