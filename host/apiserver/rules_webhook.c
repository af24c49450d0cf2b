#include <string.h>

#include "apiserver/condition.h"
#include "apiserver/rules.h"

/* What is asked of a configuration of webhooks. */

static size_t count_dots(const char *text) {
    size_t dots = 0;
    for (; *text; text++)
        dots += *text == '.';
    return dots;
}

static const char *at(struct strbuf *path, size_t index, const char *key) {
    strbuf_clear(path);
    strbuf_printf(path, "webhooks[%zu].%s", index, key);
    return path->data ? path->data : "webhooks";
}

static void check_side_effects(const json_t *hook, size_t index, struct causes *causes) {
    const json_t *effects = json_object_get(hook, "sideEffects");
    const char *text = document_string(hook, "sideEffects");
    struct strbuf path = {0};
    json_t *known = json_pack("[s, s]", "None", "NoneOnDryRun");
    if (text[0] && known && !document_has_string(known, text))
        cause_unsupported(causes, at(&path, index, "sideEffects"), effects, known);
    causes->failed |= known == NULL;
    json_decref(known);
    strbuf_finish(&path);
}

static void check_conditions(const json_t *hook, size_t index, struct causes *causes) {
    size_t i;
    json_t *condition;
    struct strbuf path = {0}, key = {0};
    json_array_foreach(json_object_get(hook, "matchConditions"), i, condition) {
        if (condition_known(document_string(condition, "expression")))
            continue;
        strbuf_clear(&key);
        strbuf_printf(&key, "matchConditions[%zu].expression", i);
        cause_invalid(causes, at(&path, index, key.data ? key.data : ""),
                      json_object_get(condition, "expression"),
                      "moonlet's embedded API server does not know this part of CEL");
    }
    strbuf_finish(&path);
    strbuf_finish(&key);
}

static void check_hook(const json_t *hook, size_t index, struct causes *causes) {
    const json_t *name = json_object_get(hook, "name");
    const json_t *seconds = json_object_get(hook, "timeoutSeconds");
    const json_t *config = json_object_get(hook, "clientConfig");
    bool url = json_object_get(config, "url"), service = json_object_get(config, "service");
    struct strbuf path = {0};
    if (json_is_string(name) && count_dots(json_string_value(name)) < 2)
        cause_invalid(causes, at(&path, index, "name"), name,
                      "should be a domain with at least three segments separated by dots");
    if (url == service)
        cause_required(causes, at(&path, index, "clientConfig"),
                       "exactly one of url or service is required");
    if (seconds && (json_integer_value(seconds) < 1 || json_integer_value(seconds) > 30))
        cause_invalid(causes, at(&path, index, "timeoutSeconds"), seconds,
                      "the timeout value must be between 1 and 30 seconds");
    check_conditions(hook, index, causes);
    check_side_effects(hook, index, causes);
    strbuf_finish(&path);
}

void webhook_check(struct apiserver *server, const json_t *now, const json_t *old,
                   struct causes *causes) {
    size_t i;
    json_t *hook;
    (void)server;
    (void)old;
    json_array_foreach(json_object_get(now, "webhooks"), i, hook) {
        check_hook(hook, i, causes);
    }
}
