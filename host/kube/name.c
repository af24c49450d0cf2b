/* The name of an object, out of its raw JSON. */

#include "kube/watch.h"
#include "json/scan.h"

/* The text of the member that has come, or empty. */
static int read_text(struct json_scanner *scanner, struct strbuf *ret) {
    struct error err;
    enum json_token token = JSON_TOKEN_NULL;
    const char *at = json_value_ahead(scanner).data;
    if (at == scanner->end || *at != '"')
        return json_skip(scanner, NULL, &err);
    int rc = json_next(scanner, &token, &err);
    if (rc == 0)
        strbuf_add(ret, scanner->text.data, scanner->text.len);
    return rc;
}

/* In an object: the value of the key comes next. */
static bool find_key(struct json_scanner *scanner, const char *key) {
    struct error err;
    enum json_token token;
    while (json_next(scanner, &token, &err) == 0 && token == JSON_TOKEN_KEY) {
        if (str_is(scanner->text, key))
            return true;
        if (json_skip(scanner, NULL, &err) < 0)
            return false;
    }
    return false;
}

void kube_name_add(struct strbuf *buf, struct str object) {
    struct json_scanner scanner;
    struct strbuf ns = {0}, name = {0};
    struct error err;
    enum json_token token;
    json_scanner_init(&scanner, object.data, object.len);
    bool found = json_next(&scanner, &token, &err) == 0 && token == JSON_TOKEN_OBJECT_BEGIN &&
                 find_key(&scanner, "metadata") && json_next(&scanner, &token, &err) == 0 &&
                 token == JSON_TOKEN_OBJECT_BEGIN;
    while (found && json_next(&scanner, &token, &err) == 0 && token == JSON_TOKEN_KEY) {
        if (str_is(scanner.text, "namespace"))
            found = read_text(&scanner, &ns) == 0;
        else if (str_is(scanner.text, "name"))
            found = read_text(&scanner, &name) == 0;
        else
            found = json_skip(&scanner, NULL, &err) == 0;
    }
    if (name.len > 0 && ns.len > 0)
        strbuf_printf(buf, "%s/", ns.data);
    if (name.len > 0)
        strbuf_adds(buf, name.data);
    strbuf_finish(&ns);
    strbuf_finish(&name);
    json_scanner_finish(&scanner);
}
