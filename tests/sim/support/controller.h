#ifndef MOONLET_TESTS_SIM_CONTROLLER_H
#define MOONLET_TESTS_SIM_CONTROLLER_H

#include "support/history.h"

/* The controller of a history: queue, reads from the store, writes by runtime/operation.h. */
void controller_begin(struct history *history);
void controller_end(struct history *history); /* cancels what has not been sent */
void controller_add(struct history *history, int slot, bool initial);
void controller_work(struct history *history); /* takes what is ready, if it may */
bool controller_idle(const struct history *history);
/* R5: what we have written, we read. Checks each slot. */
void controller_check_reads(struct history *history);
/* Reconciles everything; the second time nothing may be sent (R1). */
int controller_check_noop(struct history *history);

#endif
