#ifndef MOONLET_RUNTIME_RELOAD_INTERNAL_H
#define MOONLET_RUNTIME_RELOAD_INTERNAL_H

#include "runtime/reload.h"

/* What reload.c (all files) asks of slot.c (one file). Nothing else includes this. */

/* Loads a source beside the live version; one in the making is dropped. Takes its own reference. */
void slot_load(struct slot *slot, struct script_source *source);
/* A load failed: in the log, the metric and as an Event. */
void slot_report_failure(struct slot *slot, const struct error *err);
/* The version gets no new work; its calls are cancelled after the grace. */
void slot_detach(struct slot *slot, struct program *old, uint64_t grace_ns);
/* Controllers of `old` that `program` (NULL: nothing) does not have any more. */
void slot_drop_missing(struct slot *slot, const struct program *old, const struct program *program);
/* Frees the retired versions that are through. */
void slot_free_quiet(struct slot *slot);
/* Loads anew what ran on a thread that was given up. */
void slot_rebuild_lost(struct slot *slot);
void slot_on_grace(struct loop_timer *timer); /* slot->grace */
void slot_on_retry(struct loop_timer *timer); /* slot->retry */

#endif
