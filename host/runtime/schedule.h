#ifndef MOONLET_RUNTIME_SCHEDULE_H
#define MOONLET_RUNTIME_SCHEDULE_H

#include "base/error.h"

/*
 * Cron expressions in a time zone: when is the next time?
 *
 * Is:      5 fields (minute hour day month weekday) or 6 (second first), with lists, ranges, steps,
 *          names (JAN, MON), 7 for Sunday, and @yearly @monthly @weekly @daily @hourly. Day of
 *          month and weekday both restricted: either may match, as in Vixie cron.
 * Zones:   "UTC" (default), "+02:00", or a name below /usr/share/zoneinfo. A local time that a
 *          change of clocks skips runs when the clocks have moved; one that occurs twice runs at
 *          the first.
 * Threads: immutable after creation. Yields: never.
 */
struct schedule;
struct schedule *schedule_parse(const char *cron, const char *zone, struct error *err);
void schedule_destroy(struct schedule *schedule); /* NULL is fine */
/* The first time after `wall_ns`, ns since the epoch. 0, or ERROR_NOT_FOUND when there is none in
 * five years (February 30th). */
int schedule_next(const struct schedule *schedule, int64_t wall_ns, int64_t *ret_wall_ns);

#endif
