#ifndef MOONLET_APISERVER_RULES_PLACE_H
#define MOONLET_APISERVER_RULES_PLACE_H

#include "apiserver/cause.h"

/*
 * Checks that many kinds share, each at a place: "spec.template.spec.containers[0]".
 *
 * Is:      for rules*.c. `at` is where the value stands.
 * Threads: core. Yields: never.
 */
enum { PLACE = 512 };

/* Writes "AT.NAME", or "AT[INDEX]", into `to`, which is given back. */
const char *place_member(char to[PLACE], const char *at, const char *name);
const char *place_index(char to[PLACE], const char *at, size_t index);

/* The member is >= 0, if it is there. */
void place_not_negative(const json_t *object, const char *at, const char *name,
                        struct causes *causes);
/* The member is there and > 0 with the words for a port's range. */
void place_port(const json_t *object, const char *at, const char *name, struct causes *causes);
/* The member is a DNS label. */
void place_label(const json_t *object, const char *at, const char *name, struct causes *causes);
/* The member is not "". False: it is, and was said so. */
bool place_needed(const json_t *object, const char *at, const char *name, const char *detail,
                  struct causes *causes);
/* The string member, if it is not "", is one of `known`, separated by spaces. */
void place_one_of(const json_t *object, const char *at, const char *name, const char *known,
                  struct causes *causes);
/* The member has not changed; `old` NULL: nothing is said. */
void place_immutable(const json_t *now, const json_t *old, const char *at, const char *name,
                     struct causes *causes);
/* A count, or a percentage up to 100. */
void place_count_or_percent(const json_t *object, const char *at, const char *name,
                            struct causes *causes);
/* "http", as ports and probes have it; the member is a port's number or name. */
void place_port_name(const json_t *value, const char *at, struct causes *causes);
void place_port_or_name(const json_t *object, const char *at, const char *name,
                        struct causes *causes);
/* No item before `i` has this member's value, which is no "". */
void place_unique(const json_t *list, size_t i, const char *at, const char *name,
                  struct causes *causes);

#endif
