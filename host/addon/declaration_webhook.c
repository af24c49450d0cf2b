#include <string.h>

#include "addon/declaration_reader.h"
#include "base/mem.h"

static bool is(const json_t *from, const char *field, const char *text) {
    const char *value = json_string_value(json_object_get(from, field));
    return value && strcmp(value, text) == 0;
}

static void read_conditions(struct reader *reader, const json_t *list, struct webhook *webhook) {
    webhook->conditions = reader_zeroed(reader, json_array_size(list), sizeof *webhook->conditions);
    for (size_t i = 0; webhook->conditions && i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct match_condition *condition = &webhook->conditions[webhook->condition_count++];
        condition->name = reader_text(reader, one, "name");
        condition->expression = reader_text(reader, one, "expression");
        if (condition->name == NULL || condition->expression == NULL)
            reader_fault(reader, ERROR_INVALID, "match_conditions", "lack a name or expression");
    }
}

static char *read_json(struct reader *reader, const json_t *from, const char *field) {
    const json_t *value = json_object_get(from, field);
    char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    char *copy = reader_copy(reader, text);
    free(text);
    return copy;
}

static void read_webhook(struct reader *reader, const json_t *from, struct webhook *webhook) {
    double timeout = reader_number(reader, from, "timeout", 5);
    webhook->validates = is(from, "handler", "validate");
    if (!webhook->validates && !is(from, "handler", "mutate"))
        reader_fault(reader, ERROR_INVALID, "webhooks.handler", "is not mutate or validate");
    reader_match(reader, json_object_get(from, "resource"), &webhook->resource);
    webhook->object_selector = read_json(reader, from, "object_selector");
    webhook->namespace_selector = read_json(reader, from, "namespace_selector");
    if (json_object_get(from, "subresources"))
        webhook->subresources =
            reader_texts(reader, json_object_get(from, "subresources"), "subresources");
    webhook->operations = reader_texts(reader, json_object_get(from, "operations"), "operations");
    if (webhook->operations == NULL || webhook->operations[0] == NULL)
        reader_fault(reader, ERROR_INVALID, "webhooks.operations", "is empty");
    webhook->ignore = is(from, "failure_policy", "Ignore");
    webhook->timeout_s = timeout < 1 ? 1 : timeout > 30 ? 30 : (unsigned)timeout;
    webhook->reinvoke = is(from, "reinvocation", "IfNeeded");
    read_conditions(reader, json_object_get(from, "match_conditions"), webhook);
}

void reader_webhooks(struct reader *reader, const json_t *from, struct definition *definition) {
    const json_t *list = json_object_get(from, "webhooks");
    definition->webhooks =
        reader_zeroed(reader, json_array_size(list), sizeof *definition->webhooks);
    for (size_t i = 0; definition->webhooks && i < json_array_size(list) && !reader->failed; i++)
        read_webhook(reader, json_array_get(list, i),
                     &definition->webhooks[definition->webhook_count++]);
    if (definition->type == DEFINITION_WEBHOOK && definition->webhook_count == 0)
        reader_fault(reader, ERROR_INVALID, "webhooks", "is missing");
}

void reader_finish_webhooks(struct definition *definition) {
    for (size_t i = 0; i < definition->webhook_count; i++) {
        struct webhook *webhook = &definition->webhooks[i];
        reader_finish_match(&webhook->resource);
        mem_free(webhook->object_selector);
        mem_free(webhook->namespace_selector);
        reader_free_texts(webhook->subresources);
        reader_free_texts(webhook->operations);
        for (size_t k = 0; k < webhook->condition_count; k++) {
            mem_free(webhook->conditions[k].name);
            mem_free(webhook->conditions[k].expression);
        }
        mem_free(webhook->conditions);
    }
    mem_free(definition->webhooks);
}

bool definition_serves(const struct definition *definition) {
    return definition->webhook_count > 0 || definition->type == DEFINITION_CONVERSION;
}
