#include "kube/status.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { EXCERPT = 200, RETRY_AFTER_MAX_S = 24 * 3600 };

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The first line of a body that is no Status, for a person to recognise the proxy. */
static void excerpt(struct str body, char text[EXCERPT + 1]) {
    size_t len = 0;
    for (size_t i = 0; i < body.len && len < EXCERPT && body.data[i] != '\n'; i++)
        text[len++] = isprint((unsigned char)body.data[i]) ? body.data[i] : ' ';
    while (len && text[len - 1] == ' ')
        len--;
    text[len] = '\0';
}

int kube_status_decode(struct str body, int http_status, const char *what, struct error *err) {
    json_t *status = body.len ? json_loadb(body.data, body.len, 0, NULL) : NULL;
    if (strcmp(text_of(status, "kind"), "Status") != 0) {
        json_decref(status);
        status = NULL;
    }
    int code = http_status;
    json_int_t own = json_integer_value(json_object_get(status, "code"));
    if (code == 0 && own > 0 && own < 1000)
        code = (int)own;
    const char *reason = text_of(status, "reason"), *message = text_of(status, "message");
    int result = code ? error_code_from_http(code, reason) : ERROR_PROTOCOL;
    if (result == 0) /* an error that calls itself a success */
        result = ERROR_PROTOCOL;
    char line[EXCERPT + 1];
    excerpt(body, line);
    if (*message)
        error_set(err, result, "%s", message);
    else if (status == NULL && *line)
        error_set(err, result, "%s: HTTP %d: %s", what, code, line);
    else
        error_set(err, result, "%s: HTTP %d%s%s", what, code, *reason ? " " : "", reason);
    err->status = code;
    snprintf(err->reason, sizeof err->reason, "%s", reason);
    json_int_t wait = json_integer_value(
        json_object_get(json_object_get(status, "details"), "retryAfterSeconds"));
    if (wait > 0)
        err->retry_after_ns =
            (uint64_t)(wait < RETRY_AFTER_MAX_S ? wait : RETRY_AFTER_MAX_S) * NS_PER_S;
    json_decref(status);
    return result;
}
