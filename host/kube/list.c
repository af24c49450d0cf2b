/* One page of a list. */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kube/select.h"
#include "kube/watch.h"
#include "json/scan.h"

#define LIST_TIMEOUT_NS (300 * NS_PER_S) /* a first list may be hundreds of megabytes */

struct kube_list {
    struct kube_call *call; /* NULL: answered */
    char *path;             /* for messages */
    bool cancelled;         /* from a callback */
    char *version, *more;   /* of the answer */
    void (*on_item)(void *context, struct str object);
    void (*on_done)(void *context, const char *resource_version, const char *continue_token,
                    const struct error *err);
    void *context;
};

static void free_list(struct kube_list *list) {
    mem_free(list->path);
    mem_free(list->version);
    mem_free(list->more);
    mem_free(list);
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
        if (item.data[0] != '{')
            return error_set(err, ERROR_PROTOCOL, "an item is no object");
        list->on_item(list->context, item);
        if (list->cancelled)
            return error_set(err, ERROR_CANCELLED, "the list was cancelled");
    }
}

static int read_list(struct kube_list *list, struct str body, struct error *err) {
    struct json_scanner scanner;
    enum json_token token;
    bool items = false;
    json_scanner_init(&scanner, body.data, body.len);
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

static void on_done(void *context, const struct kube_answer *answer, const struct error *failure) {
    struct kube_list *list = context;
    struct error err = {0};
    list->call = NULL;
    if (failure)
        err = *failure;
    else
        read_list(list, answer->body, &err);
    if (!list->cancelled && err.code == 0)
        list->on_done(list->context, list->version, list->more ? list->more : "", NULL);
    else if (!list->cancelled) {
        error_prefix(&err, "list %s", list->path);
        list->on_done(list->context, NULL, NULL, &err);
    }
    free_list(list);
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
                                   .timeout_ns = LIST_TIMEOUT_NS};
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
    if (list->call == NULL) { /* from its own callback: freed on the way back */
        list->cancelled = true;
        return;
    }
    kube_call_cancel(list->call);
    free_list(list);
}
