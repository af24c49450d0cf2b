#include <string.h>

#include "apiserver/sub.h"

json_t *rest_user_info(const struct request *request) {
    json_t *groups = json_array();
    for (size_t i = 0; request->groups[i]; i++)
        json_array_append_new(groups, json_string(request->groups[i]));
    return json_pack("{s:s, s:o}", "username",
                     request->user[0] ? request->user : "system:anonymous", "groups", groups);
}

static json_t *judge_self(struct api_exchange *x) {
    char now[CLOCK_TEXT];
    server_time(x->server, now);
    if (document_set_meta(x->change.body, "creationTimestamp", now) < 0)
        return NULL;
    return json_pack("{s:o}", "userInfo", rest_user_info(&x->request));
}

static json_t *judge(struct api_exchange *x, const json_t *review) {
    const char *kind = x->kind->resource->kind;
    if (strcmp(kind, "SelfSubjectRulesReview") == 0)
        return json_pack("{s:[{s:[s], s:[s], s:[s]}], s:[{s:[s], s:[s]}], s:b}", "resourceRules",
                         "verbs", "*", "apiGroups", "*", "resources", "*", "nonResourceRules",
                         "verbs", "*", "nonResourceURLs", "*", "incomplete", 0);
    if (strcmp(kind, "SelfSubjectReview") == 0)
        return judge_self(x);
    if (strcmp(kind, "TokenReview") == 0)
        return sub_token_review(x->server, review);
    if (strstr(kind, "AccessReview"))
        return json_pack("{s:b}", "allowed", 1);
    return NULL;
}

static int check(struct api_exchange *x) {
    const char *kind = x->kind->resource->kind;
    if (strcmp(kind, "TokenReview") == 0 && !document_string(x->change.body, "spec.token")[0])
        return exchange_refuse(
            x, status_bad_request("token is required for TokenReview in authentication"));
    if (strcmp(kind, "SelfSubjectRulesReview") == 0 &&
        !document_string(x->change.body, "spec.namespace")[0])
        return exchange_refuse(x, status_bad_request("no namespace on request"));
    return 0;
}

/* Questions are answered, not kept; everybody may do everything. */
void rest_review(struct api_exchange *x) {
    json_t *status = NULL;
    int rc = 0;
    if (x->request.name[0])
        rc = exchange_unserved(x);
    else if (x->request.verb != VERB_CREATE)
        rc = exchange_refuse(x, status_make(405, "MethodNotAllowed", json_object(),
                                            "the server does not allow this method on the "
                                            "requested resource"));
    else if (body_parse(x, &x->change.body) < 0 || body_accept(x, x->kind, x->change.body) < 0)
        rc = -1;
    else if (check(x) < 0)
        rc = -1;
    else if ((status = judge(x, x->change.body)) == NULL)
        rc = exchange_refuse(x, status_not_served(x->kind->resource->kind));
    else if (json_object_set_new(x->change.body, "status", status) < 0)
        rc = exchange_nomem(x);
    if (rc < 0)
        exchange_fail(x);
    else
        exchange_answer_object(x, 201, x->change.body);
}
