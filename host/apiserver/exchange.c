#include <string.h>

#include "apiserver/convert.h"
#include "base/mem.h"
#include "yaml/yaml.h"
#include "json/write.h"

enum { MAX_WARNINGS = 32 };

static void change_finish(struct api_exchange *x) {
    struct change *change = &x->change;
    json_decref(change->body);
    json_decref(change->options);
    json_decref(change->old);
    json_decref(change->now);
    json_decref(change->kept);
    node_unref(x->server->dag, change->seen);
    mem_free(change->name);
    *change = (struct change){0};
}

static void exchange_destroy(struct api_exchange *x) {
    list_remove(&x->link);
    if (x->cancel)
        x->cancel(x);
    watch_destroy(x->watch);
    listing_destroy(x->listing);
    change_finish(x);
    json_decref(x->failure);
    json_decref(x->warnings);
    json_decref(x->twice);
    request_finish(&x->request);
    mem_free(x);
}

void exchange_enter(struct api_exchange *x) {
    x->depth++;
}

bool exchange_leave(struct api_exchange *x) {
    if (--x->depth > 0 || !(x->ended || x->gone))
        return true;
    exchange_destroy(x);
    return false;
}

void exchange_resume(struct api_exchange *x, void (*then)(struct api_exchange *x)) {
    exchange_enter(x);
    then(x);
    exchange_leave(x);
}

void apiserver_abandon(struct api_exchange *x) {
    x->gone = true;
    exchange_enter(x);
    exchange_leave(x);
}

int exchange_refuse(struct api_exchange *x, json_t *status) {
    json_decref(x->failure);
    x->failure = status;
    return -1;
}

int exchange_nomem(struct api_exchange *x) {
    return exchange_refuse(x, NULL);
}

int exchange_causes(struct api_exchange *x, const char *group, const char *kind, const char *name,
                    struct causes *causes) {
    json_t *list = causes->list;
    causes->list = NULL;
    if (list && !causes->failed && json_array_size(list) == 0) {
        json_decref(list);
        return 0;
    }
    if (list && !causes->failed)
        return exchange_refuse(x, status_invalid(group, kind, name, list));
    json_decref(list);
    return exchange_nomem(x);
}

int exchange_unserved(struct api_exchange *x) {
    return exchange_refuse(x, status_make(404, "NotFound", json_object(),
                                          "the server could not find the requested resource"));
}

int exchange_error(struct api_exchange *x, const struct error *err) {
    return exchange_refuse(x, err->code == ERROR_NOMEM ? NULL : status_of_error(err));
}

void exchange_warn(struct api_exchange *x, const char *format, ...) {
    struct strbuf text = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    if (x->warnings == NULL)
        x->warnings = json_array();
    if (!text.failed && json_array_size(x->warnings) < MAX_WARNINGS &&
        !document_has_string(x->warnings, text.data))
        json_array_append_new(x->warnings, json_string(text.data));
    strbuf_finish(&text);
}

const struct api_kind *exchange_kind(struct api_exchange *x) {
    const struct request *request = &x->request;
    if (x->kind && x->kinds_seen == kinds_revision(x->server->kinds))
        return x->kind;
    x->kinds_seen = kinds_revision(x->server->kinds);
    return x->kind = kinds_find(x->server->kinds, str_of(request->group), str_of(request->version),
                                str_of(request->plural));
}

/* `299 - "text"`, quoted as RFC 9110 has it. */
static char *warning_header(const char *text) {
    struct strbuf out = {0};
    strbuf_adds(&out, "299 - \"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_addc(&out, '\\');
        strbuf_addc(&out, (unsigned char)*text < ' ' ? ' ' : *text);
    }
    strbuf_addc(&out, '"');
    return strbuf_take(&out);
}

void exchange_begin(struct api_exchange *x, int status, const char *content_type) {
    struct http_header headers[MAX_WARNINGS + 5] = {{"Content-Type", content_type},
                                                    {"Cache-Control", "no-cache, private"}};
    size_t count = 2, first = 2, i;
    json_t *warning;
    if (status == 429 || status == 504)
        headers[count++] = (struct http_header){"Retry-After", "1"}, first++;
    json_array_foreach(x->warnings, i, warning) {
        char *text = warning_header(json_string_value(warning));
        if (text)
            headers[count++] = (struct http_header){"Warning", text};
    }
    if (!x->gone)
        x->handler.begin(x->context, status, headers);
    for (i = first; i < count; i++)
        mem_free((char *)headers[i].value);
}

void exchange_send(struct api_exchange *x, struct str bytes) {
    if (!x->gone && bytes.len > 0)
        x->handler.send(x->context, bytes);
}

void exchange_end(struct api_exchange *x) {
    if (x->ended)
        return;
    x->ended = true;
    if (!x->gone)
        x->handler.end(x->context);
}

void exchange_answer(struct api_exchange *x, int status, const char *content_type,
                     struct str body) {
    exchange_begin(x, status, content_type);
    if (strcmp(x->request.method, "HEAD") != 0)
        exchange_send(x, body);
    exchange_end(x);
}

static void answer_whole_text(struct api_exchange *x, int status, const char *content_type,
                              struct strbuf *text) {
    exchange_begin(x, status, content_type);
    if (x->handler.take && !x->gone && strcmp(x->request.method, "HEAD") != 0)
        x->handler.take(x->context, text);
    else if (strcmp(x->request.method, "HEAD") != 0)
        exchange_send(x, strbuf_view(text));
    exchange_end(x);
}

static void answer_nomem(struct api_exchange *x) {
    static const char body[] =
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"out of memory\",\"reason\":\"InternalError\",\"code\":500}\n";
    exchange_answer(x, 500, "application/json", str_of(body));
}

static int as_yaml(struct strbuf *text) {
    struct error err;
    struct strbuf yaml = {0};
    json_t *document = document_parse(strbuf_view(text), &err);
    if (document == NULL)
        return ERROR_NOMEM;
    yaml_dump(document, &yaml);
    json_decref(document);
    strbuf_finish(text);
    *text = yaml;
    return yaml.failed ? ERROR_NOMEM : 0;
}

void exchange_answer_text(struct api_exchange *x, int status, struct strbuf *text) {
    bool yaml = x->request.yaml;
    if (yaml && !text->failed && as_yaml(text) < 0)
        text->failed = true;
    if (!yaml)
        strbuf_addc(text, '\n');
    if (text->failed)
        answer_nomem(x);
    else
        answer_whole_text(x, status, yaml ? "application/yaml" : "application/json", text);
    strbuf_finish(text);
}

void exchange_answer_json(struct api_exchange *x, int status, const json_t *document) {
    struct strbuf text = {0};
    if (document)
        document_text(document, &text);
    else
        text.failed = true;
    exchange_answer_text(x, status, &text);
}

void exchange_fail(struct api_exchange *x) {
    if (x->failure == NULL)
        answer_nomem(x);
    else
        exchange_answer_json(x, status_code(x->failure), x->failure);
}

static void answer_converted(struct api_exchange *x, json_t *converted) {
    exchange_answer_object(x, x->answer, json_array_get(converted, 0));
}

void exchange_answer_node(struct api_exchange *x, int status, node_t node) {
    struct strbuf text = {0};
    struct json_writer writer;
    const struct api_kind *kind = exchange_kind(x);
    if (convert_needed_node(x, node)) {
        x->answer = status;
        convert_then(x, json_pack("[o]", document_of(x->server->dag, node)), kind->api_version,
                     answer_converted);
        return;
    }
    struct document_form form = {.known = x->server->known,
                                 .api_version = kind ? kind->api_version : NULL,
                                 .partial = x->request.form == FORM_PARTIAL};
    json_writer_init(&writer, &text);
    if (rest_table_has(x, node))
        rest_table_write(x, &writer, node, &form, true);
    else
        document_write(&writer, x->server->dag, node, &form);
    exchange_answer_text(x, status, &text);
}

/* Shown in the version that was asked for. */
static void answer_whole(struct api_exchange *x, int status, const json_t *object) {
    const struct api_kind *kind = exchange_kind(x);
    json_t *shown = document_share(object);
    if (kind && shown &&
        json_object_set_new(shown, "apiVersion", json_string(kind->api_version)) < 0) {
        json_decref(shown);
        shown = NULL;
    }
    exchange_answer_json(x, status, shown);
    json_decref(shown);
}

void exchange_answer_object(struct api_exchange *x, int status, const json_t *object) {
    struct strbuf text = {0};
    struct error err;
    if (exchange_kind(x) && convert_needed(x->kind->resource, document_string(object, "apiVersion"),
                                           x->kind->api_version)) {
        x->answer = status;
        convert_then(x, json_pack("[o]", json_deep_copy(object)), x->kind->api_version,
                     answer_converted);
        return;
    }
    if (x->request.form == FORM_OBJECT) {
        answer_whole(x, status, object);
        return;
    }
    document_text(object, &text);
    node_t node = text.failed ? NODE_NONE : dag_parse(x->server->dag, strbuf_view(&text), 0, &err);
    strbuf_finish(&text);
    if (node == NODE_NONE)
        answer_nomem(x);
    else
        exchange_answer_node(x, status, node);
    node_unref(x->server->dag, node);
}
