#include "apiserver/events.h"

#include <stdio.h>
#include <string.h>

#include "apiserver/document.h"

static const struct {
    const char *core, *events;
} names[] = {{"involvedObject", "regarding"},
             {"message", "note"},
             {"source", "deprecatedSource"},
             {"firstTimestamp", "deprecatedFirstTimestamp"},
             {"lastTimestamp", "deprecatedLastTimestamp"},
             {"count", "deprecatedCount"},
             {"reportingComponent", "reportingController"}};

static const char *renamed(const char *key, bool to_core) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(key, to_core ? names[i].events : names[i].core) == 0)
            return to_core ? names[i].core : names[i].events;
    }
    return key;
}

json_t *events_convert(const json_t *event, const char *api_version) {
    bool to_core = strcmp(api_version, "v1") == 0;
    json_t *made = json_object(), *value;
    const char *key;
    int rc = made == NULL;
    json_object_foreach((json_t *)event, key, value) {
        bool reporter = strncmp(key, "reporting", strlen("reporting")) == 0;
        if (to_core || !reporter || !document_empty(value)) /* there it is omitted */
            rc |= json_object_set(made, renamed(key, to_core), value);
    }
    if (rc == 0 && json_object_set_new(made, "apiVersion", json_string(api_version)) == 0)
        return made;
    json_decref(made);
    return NULL;
}

void events_fields(const char *selector, const char *api_version, struct strbuf *out) {
    bool core = strcmp(api_version, "v1") == 0;
    while (*selector) {
        char field[32];
        size_t len = strcspn(selector, ".=!,"), end = len;
        snprintf(field, sizeof field, "%.*s", (int)(len < sizeof field ? len : 0), selector);
        if (core && strcmp(field, "source") == 0 && selector[len] != '.')
            strbuf_adds(out, "source.component");
        else if (field[0] && !core)
            strbuf_adds(out, renamed(field, true));
        else
            strbuf_add(out, selector, len);
        while (selector[end] && selector[end] != ',')
            end += 1 + (selector[end] == '\\' && selector[end + 1]);
        end += selector[end] == ',';
        strbuf_add(out, selector + len, end - len);
        selector += end;
    }
}
