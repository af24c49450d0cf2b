#ifndef MOONLET_APISERVER_REQUEST_H
#define MOONLET_APISERVER_REQUEST_H

#include "apiserver/apiserver.h"

/*
 * Request: what a path, a query and an Accept header ask for.
 *
 * Is:      parsing, with owned copies, so that a request outlives the call that brought it.
 * Is not:  aware of which resources there are.
 * Threads: any. Yields: never.
 */
enum verb {
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_PATCH,
    VERB_DELETE,
    VERB_DELETE_COLLECTION,
    VERB_OTHER
};
enum answer_form { FORM_OBJECT, FORM_PARTIAL, FORM_TABLE };
enum field_validation { FIELDS_WARN, FIELDS_STRICT, FIELDS_IGNORE };

struct request {
    char *block; /* owned; all texts lie in it */
    enum verb verb;
    bool is_resource; /* the path names one; else only `path` is of use */
    const char *method, *content_type, *accept, *user_agent, *if_none_match, *user, *path;
    const char **groups; /* owned, NULL-terminated */
    struct str body;
    const char *group, *version, *ns, *plural, *name, *subresource; /* "" when absent */
    /* of the query, "" when absent */
    const char *label_selector, *field_selector, *resource_version, *match, *from, *field_manager,
        *propagation, *include_object;
    const char *dry_run_text, *fields_text; /* not judged yet */
    enum field_validation fields;
    int64_t limit, timeout; /* 0 = none */
    int64_t grace;          /* -1 = none */
    int orphan, initial;    /* -1 = unset: orphanDependents, sendInitialEvents */
    bool watch, watch_path, /* by ?watch, by /watch/ in the path */
        bookmarks, dry_run, force;
    enum answer_form form; /* of what the client accepts, the first that is known */
    bool yaml;
    bool acceptable;
};
/* 0; REJECTED (err->status 400 or 422), NOMEM. Pair with request_finish() in any case. */
int request_parse(struct request *request, const struct api_request *from, struct error *err);
void request_finish(struct request *request);
/* "application/json" of "application/json; charset=utf-8". */
bool request_is_type(const char *content_type, const char *type);

#endif
