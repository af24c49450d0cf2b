#ifndef MOONLET_CACHE_REFLECTOR_INTERNAL_H
#define MOONLET_CACHE_REFLECTOR_INTERNAL_H

#include "cache/reflector.h"

/* For reflector*.c alone: what the list and the watch do to the reflector, and it to them. */

#define REFLECTOR_BACKOFF_MAX (30 * NS_PER_S)

/* The first page, or the next. From a version the server's cache may answer, and does so whole;
 * without one it pages through its newest state. */
void reflector_start_list(struct reflector *r, const char *continue_token);
/* A watch from the last version, or one that begins with a streaming list. */
void reflector_open_watch(struct reflector *r, bool stream);
/* The watch is silent: the next one is the probe. */
void reflector_on_silent(struct loop_timer *timer);

void reflector_cancel(struct reflector *r); /* whatever is under way */
/* From the beginning: a streaming list, or pages where the server does not know it. */
void reflector_relist(struct reflector *r);
/* Tells of the failure and goes on after a while, by a list or by a watch from the last version. */
void reflector_back_off(struct reflector *r, const struct error *err, bool relist);
void reflector_works(struct reflector *r); /* tells so after a failure */

struct str reflector_ns(const struct reflector *r); /* NULL data: all */
/* A list that does not come to its end has shown how far the server is, all the same. */
void reflector_raise_version(struct reflector *r);
/* What the watch has come to. False when that is older than what we have seen, which no server
 * tells that still has it. */
bool reflector_advance(struct reflector *r, struct str version);

/* A list begins, from its first page. What is believed holds all that was acknowledged so far. */
void reflector_begin_replace(struct reflector *r);
/* The list that has just ended, at `version`. False when it has to be made again, because it is
 * older than what we have seen, or lacks some of it. */
bool reflector_complete_list(struct reflector *r, struct str version);

enum store_source reflector_item_source(const struct reflector *r);
/* An object that cannot be taken. No memory now: the event must come again. */
void reflector_bad_object(struct reflector *r, struct str object, struct error *err);

/* Does the server say that it has not come to the version we have seen? */
static inline bool reflector_is_behind(const struct error *err) {
    return err->code == ERROR_TIMEOUT && err->status == 504;
}

#endif
