#ifndef MOONLET_YAML_RESOLVE_H
#define MOONLET_YAML_RESOLVE_H

#include <jansson.h>

#include "base/str.h"

/*
 * What a plain scalar means (YAML 1.1 as Kubernetes tools read it): null, bool, integer, float, or
 * NULL when it is a string. Sets *ret_infinite for .inf and .nan, which JSON cannot say.
 * Integers above int64 and floats are reals; a real that is a whole number is an integer.
 *
 * Threads: any. Yields: never.
 */
json_t *yaml_resolve(struct str text, bool *ret_infinite);

/* Appends the shortest text that reads back as the same number. */
void yaml_write_real(double value, struct strbuf *out);

#endif
