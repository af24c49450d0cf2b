#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/events.h"
#include "apiserver/fields.h"
#include "base/mem.h"
#include "kube/base64.h"
#include "json/write.h"

struct listing {
    struct api_exchange *x;
    json_t *objects; /* owned; what is to be converted; NULL: items are written at once */
    bool failed;     /* no memory for them */
    struct choice choice;
    struct document_form form;
    struct json_writer writer; /* of the answer */
    uint64_t revision;         /* 0: now */
    char *start;               /* owned: "ns/name" to go on after, or NULL */
    struct strbuf last;        /* the last one that the limit lets in, "ns/name" */
    int64_t counted, left;     /* left: matches that do not fit */
    int64_t listed;
};

static void listing_finish(struct listing *listing) {
    choice_finish(&listing->choice);
    strbuf_finish(&listing->last);
    mem_free(listing->start);
    json_decref(listing->objects);
}

void listing_destroy(struct listing *listing) {
    if (listing)
        listing_finish(listing);
    mem_free(listing);
}

static void write_item(struct listing *listing, node_t node) {
    struct api_exchange *x = listing->x;
    if (x->request.form == FORM_TABLE)
        rest_table_row(x, &listing->writer, node, &listing->form);
    else
        document_write(&listing->writer, x->server->dag, node, &listing->form);
}

static void keep_item(struct listing *listing, node_t node) {
    json_t *object = document_of(listing->x->server->dag, node);
    if (object == NULL || json_array_append_new(listing->objects, object) < 0)
        listing->failed = true;
}

static void write_object(struct listing *listing, const json_t *object) {
    struct dag *dag = listing->x->server->dag;
    struct strbuf text = {0};
    struct error err;
    document_text(object, &text);
    node_t node = text.failed ? NODE_NONE : dag_parse(dag, strbuf_view(&text), 0, &err);
    strbuf_finish(&text);
    if (node == NODE_NONE)
        listing->failed = true;
    else
        write_item(listing, node);
    node_unref(dag, node);
}

/* As the version that was asked for has it, which takes no webhook. */
static void write_viewed(struct listing *listing, node_t node) {
    struct api_exchange *x = listing->x;
    json_t *object = document_of(x->server->dag, node);
    json_t *made = object ? events_convert(object, x->kind->api_version) : NULL;
    if (made)
        write_object(listing, made);
    else
        listing->failed = true;
    json_decref(made);
    json_decref(object);
}

static bool list_item(void *context, const struct storage_item *item) {
    struct listing *listing = context;
    struct api_exchange *x = listing->x;
    if (!choice_has(&listing->choice, x->server->dag, &item->key, item->node))
        return true;
    if (x->request.limit > 0 && listing->listed == x->request.limit)
        return false;
    if (listing->objects)
        keep_item(listing, item->node);
    else if (kinds_is_view(x->kind->resource))
        write_viewed(listing, item->node);
    else
        write_item(listing, item->node);
    listing->listed++;
    return !listing->failed;
}

/* What stands before the items tells what will not be among them. */
static bool count_item(void *context, const struct storage_item *item) {
    struct listing *listing = context;
    struct api_exchange *x = listing->x;
    if (!choice_has(&listing->choice, x->server->dag, &item->key, item->node))
        return true;
    if (listing->counted == x->request.limit) {
        listing->left++;
        return listing->choice.labels == NULL && listing->choice.fields == NULL;
    }
    if (++listing->counted == x->request.limit)
        strbuf_printf(&listing->last, STR_FORMAT "/" STR_FORMAT, STR_ARG(item->key.ns),
                      STR_ARG(item->key.name));
    return true;
}

/* {"v":"meta.k8s.io/v1","rv":7,"start":"ns/name"} in base64 for URLs. */
static char *token_write(uint64_t revision, const char *start) {
    struct strbuf json = {0}, token = {0};
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "v", str_of("meta.k8s.io/v1"));
    json_write_key(&writer, str_of("rv"));
    json_write_int(&writer, (int64_t)revision);
    json_write_key_string(&writer, "start", str_of(start));
    json_write_object_end(&writer);
    if (!json.failed)
        base64_encode(&token, json.data, json.len);
    strbuf_finish(&json);
    for (size_t i = 0; i < token.len; i++) {
        char c = token.data[i];
        token.data[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    while (token.len > 0 && token.data[token.len - 1] == '=')
        token.data[--token.len] = 0;
    return strbuf_take(&token);
}

static json_t *token_read(const char *text) {
    struct strbuf padded = {0}, json = {0};
    struct error err;
    json_t *token = NULL;
    for (; *text; text++)
        strbuf_addc(&padded, *text == '-' ? '+' : *text == '_' ? '/' : *text);
    while (padded.len % 4)
        strbuf_addc(&padded, '=');
    if (!padded.failed && base64_decode(padded.data, &json))
        token = document_parse(strbuf_view(&json), &err);
    strbuf_finish(&padded);
    strbuf_finish(&json);
    return token;
}

/* A token's rv is -1 when the list goes on without being consistent. */
static int parse_continue(struct api_exchange *x, struct listing *listing) {
    json_t *token = token_read(x->request.from);
    const char *start = document_string(token, "start");
    json_int_t revision = json_integer_value(json_object_get(token, "rv"));
    int rc = 0;
    if (!strchr(start, '/') || revision == 0)
        rc = exchange_refuse(x, status_bad_request("continue key is not valid: %s",
                                                   "encoded continue value is not valid"));
    else if (x->request.resource_version[0] && strcmp(x->request.resource_version, "0") != 0)
        rc = exchange_refuse(x, status_bad_request("specifying resource version is not allowed "
                                                   "when using continue"));
    else if ((listing->start = mem_strdup(start)) == NULL)
        rc = exchange_nomem(x);
    listing->revision = revision > 0 ? (uint64_t)revision : 0;
    json_decref(token);
    return rc;
}

static int parse_start(struct api_exchange *x, struct listing *listing) {
    const struct request *request = &x->request;
    uint64_t version;
    if (request->from[0])
        return parse_continue(x, listing);
    if (rest_parse_version(x, &version) < 0 || rest_check_reached(x, version) < 0)
        return -1;
    bool exact = strcmp(request->match, "Exact") == 0 || (!request->match[0] && request->limit > 0);
    listing->revision = exact ? version : 0;
    return 0;
}

void list_refuse_match(struct causes *causes, const char *match, json_t *known) {
    json_t *value = json_string(match);
    if (known)
        cause_unsupported(causes, "resourceVersionMatch", value, known);
    causes->failed |= known == NULL;
    json_decref(value);
    json_decref(known);
}

static int check_options(struct api_exchange *x) {
    const struct request *request = &x->request;
    struct causes causes = {json_array(), false};
    if (request->match[0] && !request->resource_version[0])
        cause_forbidden(&causes, "resourceVersionMatch",
                        "resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (request->match[0] && request->from[0])
        cause_forbidden(&causes, "resourceVersionMatch",
                        "resourceVersionMatch is forbidden when continue is provided");
    if (request->match[0] && strcmp(request->match, "Exact") != 0 &&
        strcmp(request->match, "NotOlderThan") != 0)
        list_refuse_match(&causes, request->match,
                          json_pack("[s, s, s]", "Exact", "NotOlderThan", ""));
    if (strcmp(request->match, "Exact") == 0 && strcmp(request->resource_version, "0") == 0)
        cause_forbidden(&causes, "resourceVersionMatch",
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    if (request->initial >= 0)
        cause_forbidden(&causes, "sendInitialEvents", "sendInitialEvents is forbidden for list");
    return exchange_causes(x, "meta.k8s.io", "ListOptions", "", &causes);
}

static int refuse_gone(struct api_exchange *x, const struct listing *listing) {
    if (listing->start == NULL)
        return exchange_refuse(
            x, status_expired("The resourceVersion for the provided list is too old."));
    json_t *status = status_expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted "
        "between the time the first chunk was returned and now may show up in the list.");
    char *token = token_write(UINT64_MAX, listing->start);
    if (status && token)
        json_object_set_new(json_object_get(status, "metadata"), "continue", json_string(token));
    mem_free(token);
    return exchange_refuse(x, status);
}

static void write_list_metadata(const struct listing *listing, struct json_writer *writer) {
    char revision[24];
    uint64_t of =
        listing->revision ? listing->revision : storage_revision(listing->x->server->storage);
    snprintf(revision, sizeof revision, "%llu", (unsigned long long)of);
    json_write_key(writer, str_of("metadata"));
    json_write_object_begin(writer);
    json_write_key_string(writer, "resourceVersion", str_of(revision));
    char *token = listing->left > 0 ? token_write(of, listing->last.data) : NULL;
    bool custom = !listing->x->kind->resource->builtin && listing->x->request.form == FORM_OBJECT;
    if (token || custom) /* of custom objects it is there and empty at the end, too */
        json_write_key_string(writer, "continue", str_of(token ? token : ""));
    if (token && listing->choice.labels == NULL && listing->choice.fields == NULL) {
        json_write_key(writer, str_of("remainingItemCount"));
        json_write_int(writer, listing->left);
    }
    mem_free(token);
    json_write_object_end(writer);
}

static void write_list_type(struct api_exchange *x, struct json_writer *writer) {
    const char *kind = x->kind->resource->list_kind;
    if (x->request.form == FORM_PARTIAL)
        kind = "PartialObjectMetadataList";
    else if (x->request.form == FORM_TABLE)
        kind = "Table";
    json_write_key_string(writer, "kind", str_of(kind));
    json_write_key_string(
        writer, "apiVersion",
        str_of(x->request.form == FORM_OBJECT ? x->kind->api_version : "meta.k8s.io/v1"));
}

static void write_head(struct listing *listing, struct strbuf *text) {
    struct api_exchange *x = listing->x;
    struct json_writer *writer = &listing->writer;
    bool table = x->request.form == FORM_TABLE;
    json_writer_init(writer, text);
    json_write_object_begin(writer);
    write_list_type(x, writer);
    write_list_metadata(listing, writer);
    if (table) {
        json_write_key(writer, str_of("columnDefinitions"));
        rest_table_columns(x, writer);
    }
    json_write_key(writer, str_of(table ? "rows" : "items"));
    json_write_array_begin(writer);
}

/* As Go writes a list of metadata that is empty. */
static void write_no_items(struct strbuf *text) {
    if (text->failed)
        return;
    text->len -= strlen("[]");
    strbuf_adds(text, "null");
}

static void write_tail(struct listing *listing) {
    json_write_array_end(&listing->writer);
    if (listing->x->request.form == FORM_PARTIAL && listing->listed == 0)
        write_no_items(listing->writer.buf);
    json_write_object_end(&listing->writer);
    listing->writer.buf->failed |= listing->failed || listing->last.failed;
}

static int each_item(struct listing *listing,
                     bool (*each)(void *context, const struct storage_item *item)) {
    struct api_exchange *x = listing->x;
    struct error err;
    struct storage_key after = {0};
    if (listing->start) {
        const char *slash = strchr(listing->start, '/');
        after.ns = str_n(listing->start, (size_t)(slash - listing->start));
        after.name = str_of(slash + 1);
    }
    int rc = storage_list(x->server->storage, x->kind->resource->id, listing->choice.ns,
                          listing->start ? &after : NULL, listing->revision, each, listing, &err);
    if (rc == ERROR_GONE)
        return refuse_gone(x, listing);
    return rc < 0 ? exchange_error(x, &err) : 0;
}

static int list_prepare(struct api_exchange *x, struct listing *listing) {
    if (check_options(x) < 0 || parse_start(x, listing) < 0 ||
        choice_parse(x, &listing->choice) < 0)
        return -1;
    return x->request.limit > 0 ? each_item(listing, count_item) : 0;
}

static struct document_form form_of(const struct api_exchange *x) {
    enum answer_form form = x->request.form;
    return (struct document_form){.known = x->server->known,
                                  .api_version = x->kind->api_version,
                                  .partial = form == FORM_PARTIAL,
                                  .bare = x->kind->resource->builtin && form == FORM_OBJECT};
}

int rest_list_text(struct api_exchange *x, struct strbuf *text) {
    struct listing listing = {.x = x, .form = form_of(x)};
    int rc = list_prepare(x, &listing);
    if (rc == 0) {
        write_head(&listing, text);
        rc = each_item(&listing, list_item);
        write_tail(&listing);
    }
    if (rc < 0)
        strbuf_finish(text);
    listing_finish(&listing);
    return rc;
}

/* --- through a webhook --------------------------------------------------------------------- */

static void list_converted(struct api_exchange *x, json_t *converted) {
    struct listing *listing = x->listing;
    struct strbuf text = {0};
    json_t *object;
    size_t i;
    listing->form = form_of(x); /* the kind may lie elsewhere by now */
    write_head(listing, &text);
    json_array_foreach(converted, i, object) {
        write_object(listing, object);
    }
    write_tail(listing);
    exchange_answer_text(x, 200, &text);
}

static void list_through_webhook(struct api_exchange *x) {
    struct listing *listing = x->listing = mem_zalloc(sizeof *listing);
    int rc = 0;
    if (listing)
        *listing = (struct listing){.x = x, .objects = json_array()};
    if (listing == NULL || listing->objects == NULL)
        rc = exchange_nomem(x);
    if (rc == 0)
        rc = list_prepare(x, listing);
    if (rc == 0)
        rc = each_item(listing, list_item);
    if (rc == 0 && listing->failed)
        rc = exchange_nomem(x);
    if (rc < 0)
        exchange_fail(x);
    else
        convert_then(x, json_incref(listing->objects), x->kind->api_version, list_converted);
}

void rest_list(struct api_exchange *x) {
    struct strbuf text = {0};
    if (convert_needed(x->kind->resource, "", x->kind->api_version))
        list_through_webhook(x);
    else if (rest_list_text(x, &text) < 0)
        exchange_fail(x);
    else
        exchange_answer_text(x, 200, &text);
}
