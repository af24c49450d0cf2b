#ifndef MOONLET_TESTS_APISERVER_DOCS_H
#define MOONLET_TESTS_APISERVER_DOCS_H

#include "apiserver/schema.h"

/* Documents and schemas from text written with ' for ": a test's shorthand. Failures end the test.
 */
json_t *doc(const char *text);
struct schema *doc_schema(const char *text);
/* Is `value` that document? Takes `value`. */
void assert_doc(json_t *value, const char *expected);

#endif
