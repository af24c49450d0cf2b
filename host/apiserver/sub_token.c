#include <string.h>

#include "apiserver/sub.h"
#include "apiserver/token.h"
#include "base/mem.h"

static const char issuer[] = "https://kubernetes.default.svc.cluster.local";

static int64_t seconds_now(const struct apiserver *server) {
    return clock_wall(loop_clock(server->loop)) / (int64_t)NS_PER_S;
}

/* --- what a token is bound to, besides its account ----------------------------------------- */

static const struct bindable {
    const char *kind, *plural, *claim;
    bool namespaced;
} bindables[] = {{"Pod", "pods", "pod", true},
                 {"Secret", "secrets", "secret", true},
                 {"Node", "nodes", "node", false}};
enum { BINDABLES = sizeof bindables / sizeof *bindables };

static node_t find_bound(const struct apiserver *server, const struct bindable *to, const char *ns,
                         const char *name) {
    return server_find(server, "", to->plural, to->namespaced ? ns : "", name);
}

static struct str uid_of(const struct apiserver *server, node_t node) {
    return node_text(server->dag, node_path(server->dag, node, "metadata.uid"));
}

static int refuse_kind(struct api_exchange *x, const char *api_version, const char *kind) {
    return exchange_refuse(
        x, status_bad_request("cannot bind token for serviceaccount \"%s\" to object of type "
                              "%s, Kind=%s",
                              x->request.name, api_version, kind));
}

/* Adds what spec.boundObjectRef names to the claims. */
static int claim_bound(struct api_exchange *x, json_t *claims) {
    json_t *wanted = document_path(x->change.body, "spec.boundObjectRef");
    const char *kind = document_string(wanted, "kind"), *name = document_string(wanted, "name");
    const char *uid = document_string(wanted, "uid");
    const struct bindable *to = NULL;
    if (!json_is_object(wanted))
        return 0;
    for (size_t i = 0; i < BINDABLES; i++)
        to = strcmp(bindables[i].kind, kind) == 0 ? &bindables[i] : to;
    if (to == NULL || strcmp(document_string(wanted, "apiVersion"), "v1") != 0)
        return refuse_kind(x, document_string(wanted, "apiVersion"), kind);
    struct api_resource resource = {.group = "", .plural = to->plural};
    node_t node = find_bound(x->server, to, x->request.ns, name);
    if (node == NODE_NONE)
        return exchange_refuse(x, status_not_found(&resource, name));
    struct str live = uid_of(x->server, node);
    if (uid[0] && !str_is(live, uid)) {
        char why[256];
        snprintf(why, sizeof why,
                 "the UID in the bound object reference (%.64s) does not match the UID in record. "
                 "The object might have been deleted and then recreated",
                 uid);
        return exchange_refuse(x, status_conflict(&resource, name, why));
    }
    json_t *claim = json_pack("{s:s, s:s%}", "name", name, "uid", live.data, live.len);
    return json_object_set_new(json_object_get(claims, "kubernetes.io"), to->claim, claim) < 0
               ? exchange_nomem(x)
               : 0;
}

/* --- making -------------------------------------------------------------------------------- */

static json_t *claims_of(struct api_exchange *x, node_t account, int64_t seconds) {
    struct str uid = uid_of(x->server, account);
    int64_t now = seconds_now(x->server);
    char id[40], subject[600];
    server_uid(x->server, id);
    snprintf(subject, sizeof subject, "system:serviceaccount:%s:%s", x->request.ns,
             x->request.name);
    return json_pack("{s:O, s:I, s:I, s:s, s:s, s:{s:s, s:{s:s, s:s%}}, s:I, s:s}", "aud",
                     document_path(x->change.body, "spec.audiences"), "exp",
                     (json_int_t)(now + seconds), "iat", (json_int_t)now, "iss", issuer, "jti", id,
                     "kubernetes.io", "namespace", x->request.ns, "serviceaccount", "name",
                     x->request.name, "uid", uid.data, uid.len, "nbf", (json_int_t)now, "sub",
                     subject);
}

/* The spec as it is answered: with its defaults. */
static int complete_spec(struct api_exchange *x) {
    json_t *spec = json_object_get(x->change.body, "spec");
    if (!json_is_object(spec)) {
        spec = json_object();
        if (json_object_set_new(x->change.body, "spec", spec) < 0)
            return exchange_nomem(x);
    }
    int rc = 0;
    if (!json_is_array(json_object_get(spec, "audiences")) ||
        json_array_size(json_object_get(spec, "audiences")) == 0)
        rc |= json_object_set_new(spec, "audiences", json_pack("[s]", issuer));
    if (document_empty(json_object_get(spec, "boundObjectRef")))
        rc |= json_object_set_new(spec, "boundObjectRef", json_null());
    json_t *wanted = json_object_get(spec, "expirationSeconds");
    if (wanted == NULL || json_is_null(wanted))
        rc |= json_object_set_new(spec, "expirationSeconds", wanted = json_integer(3600));
    if (rc)
        return exchange_nomem(x);
    struct causes causes = {json_array(), false};
    if (json_integer_value(wanted) < 600)
        cause_invalid(&causes, "spec.expirationSeconds", wanted,
                      "may not specify a duration less than 10 minutes");
    else if (json_integer_value(wanted) > (json_int_t)1 << 32)
        cause_invalid(&causes, "spec.expirationSeconds", wanted,
                      "may not specify a duration larger than 2^32 seconds");
    return exchange_causes(x, "authentication.k8s.io", "TokenRequest", "", &causes);
}

static json_t *answer_of(struct api_exchange *x, node_t account, int64_t until, const char *token) {
    char now[CLOCK_TEXT], end[CLOCK_TEXT];
    struct str uid = uid_of(x->server, account);
    server_time(x->server, now);
    clock_format(until * (int64_t)NS_PER_S, 0, end);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s%}, s:O, s:{s:s, s:s}}", "kind",
                     "TokenRequest", "apiVersion", "authentication.k8s.io/v1", "metadata",
                     "creationTimestamp", now, "name", x->request.name, "namespace", x->request.ns,
                     "uid", uid.data, uid.len, "spec", json_object_get(x->change.body, "spec"),
                     "status", "expirationTimestamp", end, "token", token);
}

static int make(struct api_exchange *x, node_t account) {
    if (complete_spec(x) < 0)
        return -1;
    json_int_t seconds =
        json_integer_value(document_path(x->change.body, "spec.expirationSeconds"));
    json_t *claims = claims_of(x, account, seconds);
    int rc = claims ? claim_bound(x, claims) : exchange_nomem(x);
    char *token = rc == 0 ? token_make(x->server->token_key, claims) : NULL;
    if (rc == 0) {
        json_t *answer =
            token ? answer_of(x, account, seconds_now(x->server) + seconds, token) : NULL;
        exchange_answer_json(x, 201, answer);
        json_decref(answer);
    }
    json_decref(claims);
    mem_free(token);
    return rc;
}

void sub_token(struct api_exchange *x) {
    node_t account = server_find(x->server, "", "serviceaccounts", x->request.ns, x->request.name);
    int rc;
    if (x->request.verb != VERB_CREATE)
        rc = exchange_refuse(x, status_not_allowed(x->kind->resource, x->request.method));
    else if (account == NODE_NONE)
        rc = exchange_refuse(x, status_not_found(x->kind->resource, x->request.name));
    else if (body_parse(x, &x->change.body) < 0)
        rc = -1;
    else if (!json_is_object(x->change.body))
        rc = exchange_refuse(x, status_bad_request("a TokenRequest must be an object"));
    else
        rc = make(x, account);
    if (rc < 0)
        exchange_fail(x);
}

/* --- knowing again ------------------------------------------------------------------------- */

static bool is_live(const struct apiserver *server, node_t node, const json_t *claim) {
    return node != NODE_NONE && str_is(uid_of(server, node), document_string(claim, "uid"));
}

static bool is_true_still(const struct apiserver *server, const json_t *claims) {
    const json_t *own = json_object_get(claims, "kubernetes.io");
    const json_t *account = json_object_get(own, "serviceaccount");
    const char *ns = document_string(own, "namespace");
    if (json_integer_value(json_object_get(claims, "exp")) <= seconds_now(server) ||
        !is_live(server,
                 server_find(server, "", "serviceaccounts", ns, document_string(account, "name")),
                 account))
        return false;
    for (size_t i = 0; i < BINDABLES; i++) {
        const json_t *bound = json_object_get(own, bindables[i].claim);
        if (bound &&
            !is_live(server, find_bound(server, &bindables[i], ns, document_string(bound, "name")),
                     bound))
            return false;
    }
    return true;
}

/* The claims of a token that is good now, or NULL. */
static json_t *claims_now(const struct apiserver *server, const char *token) {
    json_t *claims = token_claims(server->token_key, token);
    if (claims && is_true_still(server, claims))
        return claims;
    json_decref(claims);
    return NULL;
}

char *apiserver_account(const struct apiserver *server, const char *token) {
    json_t *claims = claims_now(server, token);
    bool good = document_has_string(json_object_get(claims, "aud"), issuer);
    char *name = good ? mem_strdup(document_string(claims, "sub")) : NULL;
    json_decref(claims);
    return name;
}

/* Those of `wanted` that the token is for; NULL: none, or no memory. */
static json_t *common_audiences(const json_t *claims, const json_t *wanted) {
    json_t *common = json_array(), *own = json_pack("[s]", issuer), *one;
    const json_t *asked = json_array_size(wanted) > 0 ? wanted : own;
    size_t i;
    json_array_foreach(asked, i, one) {
        if (json_is_string(one) &&
            document_has_string(json_object_get(claims, "aud"), json_string_value(one)))
            json_array_append(common, one);
    }
    json_decref(own);
    if (json_array_size(common) > 0)
        return common;
    json_decref(common);
    return NULL;
}

json_t *sub_token_review(const struct apiserver *server, const json_t *review) {
    json_t *claims = claims_now(server, document_string(review, "spec.token"));
    json_t *common = common_audiences(claims, document_path(review, "spec.audiences")), *status;
    char group[300];
    snprintf(group, sizeof group, "system:serviceaccounts:%s",
             document_string(json_object_get(claims, "kubernetes.io"), "namespace"));
    if (common == NULL)
        status = json_pack("{s:{}, s:s}", "user", "error", "invalid bearer token");
    else
        status = json_pack(
            "{s:b, s:O, s:{s:s, s:s, s:[s, s, s]}}", "authenticated", 1, "audiences", common,
            "user", "username", document_string(claims, "sub"), "uid",
            document_string(
                document_path(json_object_get(claims, "kubernetes.io"), "serviceaccount"), "uid"),
            "groups", "system:serviceaccounts", group, "system:authenticated");
    json_decref(common);
    json_decref(claims);
    return status;
}
