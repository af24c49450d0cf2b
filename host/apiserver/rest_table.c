#include <string.h>

#include "apiserver/rest.h"
#include "apiserver/table.h"

/* Answers in the form of Tables. */

int rest_table_check(struct api_exchange *x) {
    enum table_include include;
    const char *text = x->request.include_object;
    if (x->request.form != FORM_TABLE || table_parse_include(text, &include))
        return 0;
    return exchange_refuse(
        x, status_bad_request("Unable to convert to Table as requested: includeObject: Invalid "
                              "value: \"%s\": must be 'Metadata', 'Object', 'None', or empty",
                              text));
}

static struct table_form form_of(struct api_exchange *x) {
    struct table_form form = {.kind = exchange_kind(x),
                              .now = clock_wall(loop_clock(x->server->loop))};
    table_parse_include(x->request.include_object, &form.include);
    return form;
}

/* A document of what would be sent; NULL: no memory. */
static json_t *document_shown(const struct dag *dag, node_t node,
                              const struct document_form *shown) {
    struct strbuf text = {0};
    struct json_writer writer;
    struct error err;
    json_writer_init(&writer, &text);
    document_write(&writer, dag, node, shown);
    json_t *object = text.failed ? NULL : document_parse(strbuf_view(&text), &err);
    strbuf_finish(&text);
    return object;
}

bool rest_table_has(struct api_exchange *x, node_t node) {
    const struct api_kind *kind = x->request.form == FORM_TABLE ? exchange_kind(x) : NULL;
    return kind && node_is(x->server->dag, node_get(x->server->dag, node, str_of("kind")),
                           kind->resource->kind);
}

void rest_table_columns(struct api_exchange *x, struct json_writer *writer) {
    struct table_form form = form_of(x);
    table_columns(writer, &form);
}

void rest_table_row(struct api_exchange *x, struct json_writer *writer, node_t node,
                    const struct document_form *shown) {
    struct table_form form = form_of(x);
    json_t *object = document_shown(x->server->dag, node, shown);
    if (object)
        table_row(writer, &form, object);
    else
        writer->buf->failed = true;
    json_decref(object);
}

void rest_table_write(struct api_exchange *x, struct json_writer *writer, node_t node,
                      const struct document_form *shown, bool columns) {
    struct table_form form = form_of(x);
    json_t *object = document_shown(x->server->dag, node, shown);
    if (object)
        table_write(writer, &form, object, columns);
    else
        writer->buf->failed = true;
    json_decref(object);
}

void rest_table_write_text(struct api_exchange *x, struct json_writer *writer, struct str text,
                           bool columns) {
    struct table_form form = form_of(x);
    struct error err;
    json_t *object = document_parse(text, &err);
    if (object)
        table_write(writer, &form, object, columns);
    else
        writer->buf->failed = true;
    json_decref(object);
}
