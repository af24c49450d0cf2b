#include "kube/watch.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kube/select.h"
#include "kube/status.h"
#include "json/scan.h"

enum { FRAME_MAX = 64 * 1024 * 1024 };

struct kube_watch {
    struct kube_call *call; /* NULL: over */
    char *path;             /* for messages */
    struct strbuf rest;     /* a frame that is not complete yet */
    bool busy;              /* frames are being handed out: closing waits for the way back */
    bool closed;
    void (*on_event)(void *context, enum kube_event type, struct str object);
    void (*on_end)(void *context, const struct error *err);
    void *context;
};

static void free_watch(struct kube_watch *watch) {
    strbuf_finish(&watch->rest);
    mem_free(watch->path);
    mem_free(watch);
}

/* Ends the watch before the server does; err is not NULL. */
static void end(struct kube_watch *watch, const struct error *err) {
    kube_call_cancel(watch->call);
    watch->call = NULL;
    watch->closed = true;
    watch->on_end(watch->context, err);
}

/* Cuts {"type":"ADDED","object":{...}} into its two values. */
static int cut(struct str frame, char type[16], struct str *object, struct error *err) {
    struct json_scanner scanner;
    enum json_token token;
    json_scanner_init(&scanner, frame.data, frame.len);
    int rc = json_next(&scanner, &token, err);
    if (rc == 0 && token != JSON_TOKEN_OBJECT_BEGIN)
        rc = error_set(err, ERROR_PROTOCOL, "a frame is no object");
    while (rc == 0 && (rc = json_next(&scanner, &token, err)) == 0 && token == JSON_TOKEN_KEY) {
        if (str_is(scanner.text, "object")) {
            rc = json_skip(&scanner, object, err);
        } else if (str_is(scanner.text, "type")) {
            rc = json_next(&scanner, &token, err);
            if (rc == 0 && token == JSON_TOKEN_STRING && scanner.text.len < 16) {
                memcpy(type, scanner.text.data, scanner.text.len);
                type[scanner.text.len] = '\0';
            } else if (rc == 0) {
                rc = error_set(err, ERROR_PROTOCOL, "a frame's type is not known");
            }
        } else {
            rc = json_skip(&scanner, NULL, err);
        }
    }
    if (rc == 0)
        rc = json_next(&scanner, &token, err); /* nothing may follow */
    json_scanner_finish(&scanner);
    return rc;
}

/* The same for a frame as the server writes it, told by its two ends alone: what is wrong between
 * them is found by whoever parses the object. False: it takes a closer look. */
static bool cut_plain(struct str frame, char type[16], struct str *object) {
    static const char head[] = "{\"type\":\"", middle[] = "\",\"object\":{";
    const size_t head_len = sizeof head - 1, middle_len = sizeof middle - 1;
    if (frame.len < head_len + 16 + middle_len || memcmp(frame.data, head, head_len) != 0 ||
        memcmp(frame.data + frame.len - 2, "}}", 2) != 0)
        return false;
    const char *at = frame.data + head_len;
    size_t len = 0;
    while (len < 15 && at[len] >= 'A' && at[len] <= 'Z')
        len++;
    if (memcmp(at + len, middle, middle_len) != 0)
        return false;
    memcpy(type, at, len);
    type[len] = '\0';
    at += len + middle_len - 1;
    *object = str_n(at, (size_t)(frame.data + frame.len - 1 - at));
    return true;
}

static void on_frame(struct kube_watch *watch, struct str frame) {
    static const char *const names[] = {[KUBE_ADDED] = "ADDED",
                                        [KUBE_MODIFIED] = "MODIFIED",
                                        [KUBE_DELETED] = "DELETED",
                                        [KUBE_BOOKMARK] = "BOOKMARK"};
    char type[16] = "";
    struct str object = {0};
    struct error err = {0};
    int rc = cut_plain(frame, type, &object) ? 0 : cut(frame, type, &object, &err);
    if (rc == 0 && object.len && object.data[0] == '{') {
        for (int i = KUBE_ADDED; i <= KUBE_BOOKMARK; i++) {
            if (strcmp(type, names[i]) == 0) {
                watch->on_event(watch->context, (enum kube_event)i, object);
                return;
            }
        }
        if (strcmp(type, "ERROR") == 0) {
            kube_status_decode(object, 0, watch->path, &err);
            error_prefix(&err, "watch %s", watch->path);
            end(watch, &err);
            return;
        }
    }
    if (rc == 0)
        error_set(&err, ERROR_PROTOCOL, "a frame of type '%s' without an object", type);
    if (err.code != ERROR_NOMEM)
        err.code = ERROR_PROTOCOL;
    error_prefix(&err, "watch %s", watch->path);
    end(watch, &err);
}

static void refuse(struct kube_watch *watch, int code, const char *why) {
    struct error err;
    error_set(&err, code, "watch %s: %s", watch->path, why);
    end(watch, &err);
}

static void hand_out(struct kube_watch *watch, struct str line) {
    while (line.len && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == ' '))
        line.len--;
    if (line.len)
        on_frame(watch, line);
}

/* The frames that are complete in `rest` and the bytes that came; what follows them is kept. */
static void feed(struct kube_watch *watch, const char *bytes, size_t len) {
    while (len && !watch->closed) {
        const char *newline = memchr(bytes, '\n', len);
        size_t part = newline ? (size_t)(newline - bytes) : len;
        if (watch->rest.len + part > FRAME_MAX) {
            refuse(watch, ERROR_REJECTED, "a frame is larger than 64 MiB");
            return;
        }
        if (newline && watch->rest.len == 0) {
            hand_out(watch, (struct str){bytes, part});
        } else {
            strbuf_add(&watch->rest, bytes, part);
            if (watch->rest.failed) {
                refuse(watch, ERROR_NOMEM, "no memory for a frame");
                return;
            }
            if (newline) {
                hand_out(watch, strbuf_view(&watch->rest));
                strbuf_clear(&watch->rest);
            }
        }
        part += newline ? 1 : 0;
        bytes += part;
        len -= part;
    }
}

static void on_data(void *context, const char *bytes, size_t len) {
    struct kube_watch *watch = context;
    watch->busy = true;
    feed(watch, bytes, len);
    watch->busy = false;
    if (watch->closed)
        free_watch(watch);
}

static void on_done(void *context, const struct kube_answer *answer, const struct error *failure) {
    struct kube_watch *watch = context;
    struct error err;
    (void)answer;
    watch->call = NULL;
    if (failure) {
        err = *failure;
        error_prefix(&err, "watch %s", watch->path);
    } else if (watch->rest.len) {
        error_set(&err, ERROR_UNAVAILABLE, "watch %s: the stream ended in the middle of a frame",
                  watch->path);
        err.status = 200;
        failure = &err;
    }
    watch->on_end(watch->context, failure ? &err : NULL);
    free_watch(watch);
}

static void build_query(const struct kube_watch_options *options, struct strbuf *query) {
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%u", options->timeout_s);
    kube_query_add(query, "watch", "1");
    if (options->resource_version && *options->resource_version)
        kube_query_add(query, "resourceVersion", options->resource_version);
    kube_query_add(query, "resourceVersionMatch", options->resource_version_match);
    kube_query_add(query, "sendInitialEvents", options->send_initial_events ? "true" : NULL);
    kube_query_add(query, "allowWatchBookmarks", options->bookmarks ? "true" : NULL);
    kube_query_add(query, "timeoutSeconds", options->timeout_s ? timeout : NULL);
}

struct kube_watch *kube_watch_open(struct kube_client *client,
                                   const struct kube_watch_options *options, struct error *err) {
    struct kube_watch *watch = mem_zalloc(sizeof *watch);
    struct strbuf path = {0}, query = {0};
    kube_select_build(&options->select, &path, &query);
    build_query(options, &query);
    if (watch == NULL || path.failed || query.failed) {
        error_set(err, ERROR_NOMEM, "no memory for a watch");
        goto failed;
    }
    watch->on_event = options->on_event;
    watch->on_end = options->on_end;
    watch->context = options->context;
    watch->path = strbuf_take(&path);
    struct kube_request request = {.method = "GET",
                                   .path = watch->path,
                                   .query = query.data,
                                   .accept = kube_select_accept(&options->select, false)};
    watch->call = kube_stream_start(client, &request, on_data, on_done, watch, err);
    if (watch->call == NULL)
        goto failed;
    strbuf_finish(&query);
    return watch;
failed:
    strbuf_finish(&path);
    strbuf_finish(&query);
    if (watch)
        free_watch(watch);
    return NULL;
}

void kube_watch_close(struct kube_watch *watch) {
    if (watch == NULL)
        return;
    kube_call_cancel(watch->call);
    watch->call = NULL;
    watch->closed = true;
    if (!watch->busy)
        free_watch(watch);
}
