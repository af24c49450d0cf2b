#ifndef MOONLET_YAML_YAML_H
#define MOONLET_YAML_YAML_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

/*
 * YAML of configuration files, as JSON values.
 *
 * Is:      libyaml's events with scalars resolved as sigs.k8s.io/yaml does (YAML 1.1: yes, on, 0o7
 *          and 017, 1_000, .inf refused), anchors, merge keys (<<), duplicate keys refused.
 * Is not:  for the data path (json/scan.h).
 * Limits:  YAML_MAX_DEPTH levels, YAML_MAX_NODES values with aliases expanded.
 * Threads: any. Yields: never.
 */
enum { YAML_MAX_DEPTH = 100, YAML_MAX_NODES = 200 * 1000, YAML_MAX_BYTES = 8 * 1024 * 1024 };

/* The one document of `text` (json_decref it); an empty text gives null. NULL: REJECTED with "line
 * 3, column 5: ...", NOMEM. */
json_t *yaml_load(const char *text, size_t len, struct error *err);

/* Calls `each` for every document that is not empty, until it returns < 0, which is given back.
 * `document` is borrowed; `line` is where it starts. 0, REJECTED or NOMEM. */
int yaml_load_all(const char *text, size_t len,
                  int (*each)(void *context, json_t *document, size_t line, struct error *err),
                  void *context, struct error *err);

/* Appends block style YAML that reads back as the same value, with a newline at its end; keys in
 * the order they were inserted. */
void yaml_dump(const json_t *value, struct strbuf *out);

#endif
