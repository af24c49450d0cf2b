#ifndef MOONLET_APISERVER_NAMES_H
#define MOONLET_APISERVER_NAMES_H

#include "apiserver/cause.h"
#include "base/rng.h"
#include "base/str.h"

/*
 * Names: what may be called what, in the real server's words; and names made up.
 *
 * Threads: any. Yields: never.
 */
enum name_rule { NAME_SUBDOMAIN, NAME_LABEL, NAME_LABEL_1035, NAME_PATH_SEGMENT };

/* Appends a cause to `causes` for each thing that is wrong with it. */
void name_check(enum name_rule rule, const char *field, const char *name, struct causes *causes);
void name_check_qualified(const char *field, const char *name, bool any_case,
                          struct causes *causes);
void name_check_label_value(const char *field, const char *value, struct causes *causes);
/* `base` and five random letters, at most 63 bytes. */
enum { NAME_GENERATED = 64 };
void name_generate(struct rng *rng, const char *base, char name[NAME_GENERATED]);

#endif
