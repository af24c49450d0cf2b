/*
 * One page of a list, or a whole one. Items are cut out of the bytes as these come and handed out;
 * what is left, {"metadata":{...},"items":[]} say, is read when the answer is complete.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kube/select.h"
#include "kube/watch.h"
#include "json/scan.h"
#include "json/span.h"

#define LIST_TIMEOUT_NS (300 * NS_PER_S) /* a first list may be hundreds of megabytes */
enum { PART_MAX = 64 * 1024 * 1024 };

struct kube_list {
    struct kube_call *call; /* NULL: answered */
    char *path;             /* for messages */
    struct json_span span;
    struct strbuf around; /* the answer without the items that were handed out */
    struct strbuf item;   /* one that is not complete yet */
    uint64_t count;       /* of the items handed out */
    bool in_items;
    bool busy; /* bytes are being handed out: cancelling waits for the way back */
    bool cancelled;
    char *version, *more; /* of the answer */
    int (*on_item)(void *context, struct str object, struct error *err);
    void (*on_done)(void *context, const char *resource_version, const char *continue_token,
                    const struct error *err);
    void *context;
};

static void free_list(struct kube_list *list) {
    strbuf_finish(&list->around);
    strbuf_finish(&list->item);
    mem_free(list->path);
    mem_free(list->version);
    mem_free(list->more);
    mem_free(list);
}

/* Makes an error of the item that was counted last. */
static int bad_item(const struct kube_list *list, struct str item, struct error *err) {
    struct strbuf name = {0};
    kube_name_add(&name, item);
    if (err->code == ERROR_REJECTED)
        err->code = ERROR_PROTOCOL;
    error_prefix(err, "item %llu%s%s", (unsigned long long)list->count, name.len ? " " : "",
                 name.len ? name.data : "");
    strbuf_finish(&name);
    return err->code;
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int hand_out(struct kube_list *list, struct str item, struct error *err) {
    while (item.len && is_space(item.data[item.len - 1]))
        item.len--;
    while (item.len && is_space(item.data[0]))
        item = str_n(item.data + 1, item.len - 1);
    list->count++;
    if (item.len == 0 || item.data[0] != '{') {
        error_set(err, ERROR_PROTOCOL, "it is no object");
        return bad_item(list, item, err);
    }
    int rc = list->on_item(list->context, item, err);
    if (list->cancelled)
        return error_set(err, ERROR_CANCELLED, "the list was cancelled");
    return rc < 0 ? bad_item(list, item, err) : 0;
}

/* Does a value begin here that belongs to the key "items" of the answer? Written with escapes it is
 * not known, and its items are found when the answer is complete. */
static bool after_items_key(const struct strbuf *around) {
    static const char key[] = "\"items\"";
    const size_t key_len = sizeof key - 1;
    const char *end = around->data + around->len;
    while (end > around->data && is_space(end[-1]))
        end--;
    if (end == around->data || *--end != ':')
        return false;
    while (end > around->data && is_space(end[-1]))
        end--;
    return (size_t)(end - around->data) > key_len && memcmp(end - key_len, key, key_len) == 0 &&
           end[-(ptrdiff_t)key_len - 1] != '\\';
}

/* All that is no item, up to the first bracket of the items. The bytes taken. */
static size_t feed_around(struct kube_list *list, const char *bytes, size_t len) {
    char what;
    size_t part = json_span_step(&list->span, bytes, len, /* level= */ 1, &what);
    size_t before = what == '[' ? part - 1 : part;
    strbuf_add(&list->around, bytes, before);
    if (what == '[') {
        list->in_items = list->span.depth == 2 && after_items_key(&list->around);
        strbuf_addc(&list->around, '[');
    }
    return part;
}

/* One item, the comma or bracket after it included, or a part of one. The bytes taken. */
static size_t feed_item(struct kube_list *list, const char *bytes, size_t len, int *rc,
                        struct error *err) {
    size_t part = 0;
    char what = 0;
    while (part < len && what != ',' && list->span.depth > 1)
        part += json_span_step(&list->span, bytes + part, len - part, /* level= */ 2, &what);
    bool last = list->span.depth < 2, ends = last || what == ',';
    size_t own = ends ? part - 1 : part;
    struct str item = str_n(bytes, own);
    if (list->item.len > 0 || !ends) {
        strbuf_add(&list->item, bytes, own);
        item = strbuf_view(&list->item);
    }
    if (!ends)
        return part;
    bool empty = true;
    for (size_t i = 0; empty && i < item.len; i++)
        empty = is_space(item.data[i]);
    if (!last || !empty || list->count > 0)
        *rc = hand_out(list, item, err);
    strbuf_clear(&list->item);
    if (last) {
        list->in_items = false;
        strbuf_addc(&list->around, what);
    }
    return part;
}

static int feed(struct kube_list *list, const char *bytes, size_t len, struct error *err) {
    int rc = 0;
    while (rc == 0 && len > 0) {
        size_t part =
            list->in_items ? feed_item(list, bytes, len, &rc, err) : feed_around(list, bytes, len);
        if (rc == 0 && (list->item.failed || list->around.failed))
            rc = error_set(err, ERROR_NOMEM, "no memory for a list");
        else if (rc == 0 && (list->item.len > PART_MAX || list->around.len > PART_MAX))
            rc = error_set(err, ERROR_REJECTED, "an item is larger than 64 MiB");
        bytes += part;
        len -= part;
    }
    return rc;
}

static int read_metadata(struct kube_list *list, struct json_scanner *scanner, struct error *err) {
    enum json_token token;
    int rc = json_next(scanner, &token, err);
    if (rc == 0 && token != JSON_TOKEN_OBJECT_BEGIN)
        return error_set(err, ERROR_PROTOCOL, "metadata is no object");
    while (rc == 0 && (rc = json_next(scanner, &token, err)) == 0 && token == JSON_TOKEN_KEY) {
        char **into = str_is(scanner->text, "resourceVersion") ? &list->version
                      : str_is(scanner->text, "continue")      ? &list->more
                                                               : NULL;
        if (into == NULL) {
            rc = json_skip(scanner, NULL, err);
            continue;
        }
        rc = json_next(scanner, &token, err);
        if (rc == 0 && token != JSON_TOKEN_STRING)
            return error_set(err, ERROR_PROTOCOL, "a version of the list is no text");
        if (rc < 0)
            return rc;
        mem_free(*into);
        *into = mem_strndup(scanner->text.data, scanner->text.len);
        if (*into == NULL)
            return error_set(err, ERROR_NOMEM, "no memory for a list");
    }
    return rc;
}

static int read_items(struct kube_list *list, struct json_scanner *scanner, struct error *err) {
    enum json_token token;
    int rc = json_next(scanner, &token, err);
    if (rc < 0 || token == JSON_TOKEN_NULL) /* how Go writes a list that was never made */
        return rc;
    if (token != JSON_TOKEN_ARRAY_BEGIN)
        return error_set(err, ERROR_PROTOCOL, "items is no list");
    for (;;) {
        struct str item;
        rc = json_skip(scanner, &item, err);
        if (rc < 0 || item.len == 0)
            return rc;
        rc = hand_out(list, item, err);
        if (rc < 0)
            return rc;
    }
}

/* The answer without the items that were handed out. */
static int read_around(struct kube_list *list, struct error *err) {
    struct json_scanner scanner;
    enum json_token token;
    bool items = false;
    json_scanner_init(&scanner, list->around.data, list->around.len);
    int rc = json_next(&scanner, &token, err);
    if (rc == 0 && token != JSON_TOKEN_OBJECT_BEGIN)
        rc = error_set(err, ERROR_PROTOCOL, "the answer is no object");
    while (rc == 0 && (rc = json_next(&scanner, &token, err)) == 0 && token == JSON_TOKEN_KEY) {
        if (str_is(scanner.text, "metadata")) {
            rc = read_metadata(list, &scanner, err);
        } else if (str_is(scanner.text, "items")) {
            items = true;
            rc = read_items(list, &scanner, err);
        } else {
            rc = json_skip(&scanner, NULL, err);
        }
    }
    if (rc == 0)
        rc = json_next(&scanner, &token, err); /* nothing may follow */
    json_scanner_finish(&scanner);
    if (rc == 0 && (!items || list->version == NULL))
        rc = error_set(err, ERROR_PROTOCOL, "the answer is no list");
    if (rc == ERROR_REJECTED) /* the scanner's word for what is no JSON */
        rc = err->code = ERROR_PROTOCOL;
    return rc;
}

static void finish(struct kube_list *list, struct error *err) {
    list->call = NULL;
    if (!list->cancelled && err->code == 0) {
        list->on_done(list->context, list->version, list->more ? list->more : "", NULL);
    } else if (!list->cancelled) {
        error_prefix(err, "list %s", list->path);
        list->on_done(list->context, NULL, NULL, err);
    }
    free_list(list);
}

static void on_data(void *context, const char *bytes, size_t len) {
    struct kube_list *list = context;
    struct error err = {0};
    list->busy = true;
    if (feed(list, bytes, len, &err) == 0) {
        list->busy = false;
        return;
    }
    kube_call_cancel(list->call);
    finish(list, &err);
}

static void on_done(void *context, const struct kube_answer *answer, const struct error *failure) {
    struct kube_list *list = context;
    struct error err = {0};
    (void)answer;
    list->busy = true;
    if (failure)
        err = *failure;
    else
        read_around(list, &err);
    finish(list, &err);
}

static void build_query(const struct kube_list_options *options, struct strbuf *query) {
    char limit[16];
    snprintf(limit, sizeof limit, "%u", options->limit);
    kube_query_add(query, "limit", options->limit ? limit : NULL);
    kube_query_add(query, "continue", options->continue_token);
    if (options->resource_version && *options->resource_version)
        kube_query_add(query, "resourceVersion", options->resource_version);
    kube_query_add(query, "resourceVersionMatch", options->resource_version_match);
}

struct kube_list *kube_list_start(struct kube_client *client,
                                  const struct kube_list_options *options, struct error *err) {
    struct kube_list *list = mem_zalloc(sizeof *list);
    struct strbuf path = {0}, query = {0};
    kube_select_build(&options->select, &path, &query);
    build_query(options, &query);
    if (list == NULL || path.failed || query.failed) {
        error_set(err, ERROR_NOMEM, "no memory for a list");
        goto failed;
    }
    list->on_item = options->on_item;
    list->on_done = options->on_done;
    list->context = options->context;
    list->path = strbuf_take(&path);
    struct kube_request request = {.method = "GET",
                                   .path = list->path,
                                   .query = query.data,
                                   .accept = kube_select_accept(&options->select, true),
                                   .timeout_ns = LIST_TIMEOUT_NS,
                                   .on_data = on_data};
    list->call = kube_call_start(client, &request, on_done, list, err);
    if (list->call == NULL)
        goto failed;
    strbuf_finish(&query);
    return list;
failed:
    strbuf_finish(&path);
    strbuf_finish(&query);
    if (list)
        free_list(list);
    return NULL;
}

void kube_list_cancel(struct kube_list *list) {
    if (list == NULL)
        return;
    if (list->busy) { /* from its own callback: freed on the way back */
        list->cancelled = true;
        return;
    }
    kube_call_cancel(list->call);
    free_list(list);
}
