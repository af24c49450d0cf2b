#ifndef MOONLET_BINDINGS_WATCHDOG_H
#define MOONLET_BINDINGS_WATCHDOG_H

#include "bindings/isolate.h"

/*
 * Watchdog: a timer on the CPU clock of one thread that stops the isolate running there.
 *
 * Threads: the one that created it; the signal it sends (SIGVTALRM) is unblocked there.
 */
void watchdog_arm(struct watchdog *watchdog, struct isolate *isolate);
uint64_t watchdog_disarm(struct watchdog *watchdog); /* CPU ns since it was armed */

/* isolate.c's: arms the hook; what the signal handler calls. */
void isolate_stop(struct isolate *isolate, enum isolate_stop why);

#endif
