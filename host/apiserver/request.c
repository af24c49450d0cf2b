#include "apiserver/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { MAX_SEGMENTS = 12, MAX_GROUPS = 64 };

struct cursor {
    char *at;
};

static const char *keep(struct cursor *cursor, const char *data, size_t len) {
    char *text = cursor->at;
    if (len > 0)
        memcpy(text, data, len);
    text[len] = 0;
    cursor->at += len + 1;
    return text;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. False: a bad escape, or a NUL that would cut the text. */
static bool decode(char *text, bool plus) {
    char *out = text;
    for (; *text; text++) {
        char c = *text;
        if (c == '%') {
            int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            text += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *out++ = c;
    }
    *out = 0;
    return true;
}

__attribute__((format(printf, 3, 0))) static int refuse_as(struct error *err, int status,
                                                           const char *format, const char *text) {
    error_set(err, ERROR_REJECTED, format, text);
    if (err)
        err->status = status;
    return ERROR_REJECTED;
}

static int refuse(struct error *err, int status, const char *what, const char *text) {
    int rc = refuse_as(err, status, "\"%.200s\"", text);
    error_prefix(err, "%s", what);
    return rc;
}

/* Cuts at '/', empty segments left out; -1: too many or a bad escape. */
static int cut_path(char *path, char *segments[MAX_SEGMENTS]) {
    int count = 0;
    for (char *next = path; next;) {
        char *segment = next;
        next = strchr(segment, '/');
        if (next)
            *next++ = 0;
        if (!segment[0])
            continue;
        if (count == MAX_SEGMENTS || !decode(segment, false))
            return -1;
        segments[count++] = segment;
    }
    return count;
}

/* What is behind the version: [watch/][namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]. */
static void name_resource(struct request *request, char **at, int count) {
    if (count > 0 && strcmp(at[0], "watch") == 0) {
        request->watch = request->watch_path = true;
        at++, count--;
    }
    if (count > 2 && strcmp(at[0], "namespaces") == 0 && strcmp(at[2], "status") != 0 &&
        strcmp(at[2], "finalize") != 0) {
        request->ns = at[1];
        at += 2, count -= 2;
    }
    if (count < 1 || count > 3)
        return;
    request->is_resource = true;
    request->plural = at[0];
    request->name = count > 1 ? at[1] : "";
    request->subresource = count > 2 ? at[2] : "";
}

static int parse_path(struct request *request, char *path, struct error *err) {
    char *segments[MAX_SEGMENTS];
    int count = cut_path(path, segments);
    if (count < 0)
        return refuse(err, 400, "this is no path", request->path);
    if (count > 2 && strcmp(segments[0], "api") == 0) {
        request->version = segments[1];
        name_resource(request, segments + 2, count - 2);
    } else if (count > 3 && strcmp(segments[0], "apis") == 0) {
        request->group = segments[1];
        request->version = segments[2];
        name_resource(request, segments + 3, count - 3);
    }
    return 0;
}

static bool to_bool(const char *value) {
    return strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

static int to_int(const char *value, int64_t *ret, struct error *err) {
    if (!str_to_int64(str_of(value), ret))
        return refuse_as(err, 400, "strconv.ParseInt: parsing \"%.200s\": invalid syntax", value);
    return 0;
}

static int set_text(struct request *request, const char *name, const char *value) {
    const struct {
        const char *name;
        const char **at;
    } texts[] = {{"labelSelector", &request->label_selector},
                 {"fieldSelector", &request->field_selector},
                 {"resourceVersion", &request->resource_version},
                 {"resourceVersionMatch", &request->match},
                 {"continue", &request->from},
                 {"fieldManager", &request->field_manager},
                 {"propagationPolicy", &request->propagation},
                 {"includeObject", &request->include_object},
                 {"dryRun", &request->dry_run_text},
                 {"fieldValidation", &request->fields_text}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].at = value;
            return 1;
        }
    }
    return 0;
}

static int set_option(struct request *request, const char *name, const char *value,
                      struct error *err) {
    if (set_text(request, name, value))
        return 0;
    if (strcmp(name, "watch") == 0)
        request->watch = to_bool(value);
    else if (strcmp(name, "allowWatchBookmarks") == 0)
        request->bookmarks = to_bool(value);
    else if (strcmp(name, "sendInitialEvents") == 0)
        request->initial = to_bool(value);
    else if (strcmp(name, "orphanDependents") == 0)
        request->orphan = to_bool(value);
    else if (strcmp(name, "force") == 0)
        request->force = to_bool(value);
    else if (strcmp(name, "limit") == 0)
        return to_int(value, &request->limit, err);
    else if (strcmp(name, "timeoutSeconds") == 0)
        return to_int(value, &request->timeout, err);
    else if (strcmp(name, "gracePeriodSeconds") == 0)
        return to_int(value, &request->grace, err);
    return 0;
}

static int parse_query(struct request *request, char *query, struct error *err) {
    for (char *next = query; next && *next;) {
        char *name = next;
        next = strchr(name, '&');
        if (next)
            *next++ = 0;
        char *value = strchr(name, '=');
        if (value)
            *value++ = 0;
        else
            value = name + strlen(name);
        if (!decode(name, true) || (*value && !decode(value, true)))
            return refuse(err, 400, "a bad escape in the query", name);
        if (set_option(request, name, value, err) < 0)
            return ERROR_REJECTED;
    }
    return 0;
}

bool request_is_type(const char *content_type, const char *type) {
    size_t len = strlen(type);
    return strncasecmp(content_type, type, len) == 0 && strchr("; ", content_type[len]) != NULL;
}

/* One alternative of Accept, [at, end). False: it is not known. */
static bool accept_one(struct request *request, struct str media) {
    static const char *const json[] = {"application/json", "*/*", "application/*"};
    const char *semicolon = memchr(media.data, ';', media.len);
    struct str type = str_n(media.data, semicolon ? (size_t)(semicolon - media.data) : media.len);
    while (type.len > 0 && type.data[type.len - 1] == ' ')
        type.len--;
    bool known = false, yaml = str_is(type, "application/yaml");
    for (size_t i = 0; i < 3; i++)
        known |= str_is(type, json[i]);
    if (!known && !yaml)
        return false;
    enum answer_form form = FORM_OBJECT;
    char *as = memmem(media.data, media.len, "as=", 3);
    if (as) {
        struct str word = str_n(as + 3, (size_t)(media.data + media.len - as - 3));
        if (str_starts_with(word, "PartialObjectMetadata"))
            form = FORM_PARTIAL;
        else if (str_starts_with(word, "Table"))
            form = FORM_TABLE;
        else
            return false;
        if (memmem(media.data, media.len, "v=v1beta1", 9))
            return false;
    }
    request->form = form;
    request->yaml = yaml;
    return true;
}

static void parse_accept(struct request *request) {
    const char *at = request->accept;
    request->acceptable = !at[0];
    while (*at && !request->acceptable) {
        at += strspn(at, " ,");
        size_t len = strcspn(at, ",");
        request->acceptable = len > 0 && accept_one(request, str_n(at, len));
        at += len;
    }
}

static void set_verb(struct request *request) {
    static const struct {
        const char *method;
        enum verb one, many;
    } verbs[] = {
        {"GET", VERB_GET, VERB_LIST},       {"HEAD", VERB_GET, VERB_LIST},
        {"POST", VERB_CREATE, VERB_CREATE}, {"PUT", VERB_UPDATE, VERB_OTHER},
        {"PATCH", VERB_PATCH, VERB_OTHER},  {"DELETE", VERB_DELETE, VERB_DELETE_COLLECTION}};
    request->verb = VERB_OTHER;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(request->method, verbs[i].method) == 0)
            request->verb = request->name[0] ? verbs[i].one : verbs[i].many;
    }
    bool one = request->watch_path && request->verb == VERB_GET && !request->subresource[0];
    if (request->watch && (request->verb == VERB_LIST || one))
        request->verb = VERB_WATCH;
}

static size_t text_len(const char *text) {
    return text ? strlen(text) : 0;
}

static int keep_groups(struct request *request, const struct api_request *from,
                       struct cursor *cursor) {
    size_t count = 0;
    while (from->groups && from->groups[count])
        count++;
    request->groups = mem_calloc(count + 1, sizeof *request->groups);
    if (request->groups == NULL)
        return ERROR_NOMEM;
    for (size_t i = 0; i < count; i++)
        request->groups[i] = keep(cursor, from->groups[i], strlen(from->groups[i]));
    return 0;
}

/* Room for all texts, with the path and the query twice: as they came and cut. */
static char *block_for(const struct api_request *from) {
    size_t need = from->path.len * 2 + from->query.len + from->body.len + 64;
    const char *const texts[] = {from->method,     from->content_type,  from->accept,
                                 from->user_agent, from->if_none_match, from->user};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        need += text_len(texts[i]) + 1;
    for (size_t i = 0; from->groups && from->groups[i]; i++)
        need += strlen(from->groups[i]) + 1;
    return mem_alloc(need);
}

static void set_empty(struct request *request) {
    const char **texts[] = {
        &request->group,          &request->version,        &request->ns,
        &request->plural,         &request->name,           &request->subresource,
        &request->label_selector, &request->field_selector, &request->resource_version,
        &request->match,          &request->from,           &request->field_manager,
        &request->propagation,    &request->include_object, &request->dry_run_text,
        &request->fields_text};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = "";
    request->grace = request->orphan = request->initial = -1;
}

int request_parse(struct request *request, const struct api_request *from, struct error *err) {
    *request = (struct request){.block = block_for(from)};
    struct cursor cursor = {request->block};
    set_empty(request);
    if (request->block == NULL || keep_groups(request, from, &cursor) < 0)
        return error_set(err, ERROR_NOMEM, "no memory for a request");
    request->method = keep(&cursor, from->method, text_len(from->method));
    request->content_type = keep(&cursor, from->content_type, text_len(from->content_type));
    request->accept = keep(&cursor, from->accept, text_len(from->accept));
    request->user_agent = keep(&cursor, from->user_agent, text_len(from->user_agent));
    request->if_none_match = keep(&cursor, from->if_none_match, text_len(from->if_none_match));
    request->user = keep(&cursor, from->user, text_len(from->user));
    request->body = str_n(keep(&cursor, from->body.data, from->body.len), from->body.len);
    request->path = keep(&cursor, from->path.data, from->path.len);
    char *path = cursor.at;
    keep(&cursor, from->path.data, from->path.len);
    char *query = cursor.at;
    keep(&cursor, from->query.data, from->query.len);
    parse_accept(request);
    if (parse_path(request, path, err) < 0)
        return ERROR_REJECTED;
    int rc = parse_query(request, query, err);
    set_verb(request);
    request->dry_run = request->dry_run_text[0] != 0;
    request->fields = strcmp(request->fields_text, "Strict") == 0   ? FIELDS_STRICT
                      : strcmp(request->fields_text, "Ignore") == 0 ? FIELDS_IGNORE
                                                                    : FIELDS_WARN;
    return rc;
}

void request_finish(struct request *request) {
    mem_free(request->groups);
    mem_free(request->block);
    *request = (struct request){0};
}
