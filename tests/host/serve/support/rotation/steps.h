#ifndef MOONLET_TESTS_SERVE_STEPS_H
#define MOONLET_TESTS_SERVE_STEPS_H

#include "serve/certificate.h"
#include "serve/rotation.h"

/* Steps of a rotation. What goes wrong ends the test. */
enum { DAY = 86400 };
static const int64_t NOW = 1800000000;
extern const char *const steps_names[]; /* two, NULL-terminated */

/* For two names, with the lifetimes that are built in. */
struct rotation_options steps_at(int64_t now);
/* Replaces *state by the next one; says whether they differ. */
bool steps_take(struct rotation_state *state, const struct rotation_options *options,
                int64_t *ret_next);
/* What holds for each state that a step gives. */
void steps_check(const struct rotation_state *state, int64_t now);
char *steps_copy(const char *text);                /* mem_free() it; NULL of NULL */
void steps_replace(char **slot, const char *text); /* by a copy */
size_t steps_count(const char *bundle);            /* of certificates */
struct certificate_facts steps_facts(const char *pem);

#endif
