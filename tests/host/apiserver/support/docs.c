#include "apiserver/support/docs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

json_t *doc(const char *text) {
    char *real = mem_strdup(text);
    json_error_t error;
    for (char *at = real; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *value = json_loads(real, JSON_DECODE_ANY, &error);
    mem_free(real);
    if (value == NULL)
        fail_msg("%s: %s", text, error.text);
    return value;
}

struct schema *doc_schema(const char *text) {
    struct error err;
    json_t *openapi = doc(text);
    struct schema *schema = schema_parse(openapi, NULL, NULL, &err);
    json_decref(openapi);
    if (schema == NULL)
        fail_msg("%s: %s", text, err.message);
    return schema;
}

void assert_doc(json_t *value, const char *expected) {
    json_t *wanted = doc(expected);
    if (!json_equal(value, wanted)) {
        struct strbuf text = {0};
        size_t len = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
        char *to = strbuf_reserve(&text, len);
        json_dumpb(value, to, len, JSON_COMPACT | JSON_ENCODE_ANY);
        to[len] = 0;
        print_error("expected %s\n     got %s\n", expected, to);
        strbuf_finish(&text);
        fail();
    }
    json_decref(wanted);
    json_decref(value);
}
