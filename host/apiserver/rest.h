#ifndef MOONLET_APISERVER_REST_H
#define MOONLET_APISERVER_REST_H

#include "apiserver/apiserver.h"
#include "apiserver/document.h"
#include "apiserver/kinds.h"
#include "apiserver/request.h"
#include "apiserver/status.h"
#include "apiserver/storage.h"
#include "apiserver/token.h"
#include "base/list.h"

/*
 * The inside of the API server (apiserver.h is its outside): exchanges and the ways of each verb.
 *
 * Functions that return int give 0, or < 0 with the Status in x->failure (NULL: no memory), which
 * exchange_fail() sends. Whoever has answered an exchange returns and touches it no more.
 * Threads: core. Yields: never.
 */
struct collector;
struct watch;

struct apiserver {
    struct loop *loop;
    struct log *log;
    struct rng rng;
    char token_key[TOKEN_KEY];
    struct http_transport *webhooks; /* NULL: none */
    bool ignore_rules;               /* CEL of CRDs */
    struct list trusts;              /* webhook.c: CAs of webhooks */
    struct dag *dag;
    struct fieldset_known *known;
    struct journal *journal; /* NULL: in memory */
    struct storage *storage;
    struct kinds *kinds;
    struct collector *collector;
    struct list exchanges;
    bool ending;
};

/* One write on its way: what webhooks and rules look at. */
struct change {
    const char *operation; /* "CREATE", "UPDATE", "DELETE", "CONNECT" */
    struct storage_key key;
    char *name;      /* owned; key.name when it was generated or came with the body */
    json_t *body;    /* owned; as the client sent it: an object, a patch, DeleteOptions */
    json_t *options; /* owned; CreateOptions and so on as admission shows them; may be NULL */
    json_t *old;     /* owned; NULL: there is none */
    json_t *now;     /* owned; NULL when deleted. Mutating admission replaces it */
    json_t *kept;    /* owned; `now` as it is stored, when a webhook converts it, else NULL */
    node_t seen;     /* a reference: what `old` was made of */
    /* The new object from the live one (NULL: there is none), or the live one itself: nothing
     * changes. 0 or as said above. */
    int (*compute)(struct api_exchange *x, const json_t *live, json_t **ret_now);
    void (*stored)(struct api_exchange *x, bool created); /* answers; NULL: with the object */
    void (*then)(struct api_exchange *x);                 /* goes on after a conversion */
    bool create_too;                                      /* an update may create */
    bool managed;                                         /* compute() has set managedFields */
    bool same;                                            /* an update that changes nothing */
    bool pinned;                                          /* the client named a resourceVersion */
    unsigned tries;
};

struct api_exchange {
    struct list link; /* of server->exchanges */
    struct apiserver *server;
    struct api_handler handler;
    void *context;
    struct request request;
    const struct api_kind *kind; /* of the request; found again when kinds have changed */
    uint64_t kinds_seen;
    json_t *failure;  /* owned; a Status */
    json_t *warnings; /* owned; strings, may be NULL */
    json_t *twice;    /* owned; paths that the body has twice, may be NULL */
    struct change change;
    struct watch *watch;     /* owned */
    struct listing *listing; /* owned; while its items are converted */
    int answer;              /* the status, while the object is converted */
    /* What goes on elsewhere for this exchange (webhooks, other exchanges) and how to end it. */
    void (*cancel)(struct api_exchange *x);
    void *pending;
    unsigned depth; /* > 0: our functions are on the stack; freed when it is 0 and it has ended */
    bool ended, gone;
};

/* exchange.c */
void exchange_enter(struct api_exchange *x);
bool exchange_leave(struct api_exchange *x); /* false: it is no more */
/* Goes on with `then` from outside (a webhook's answer, a timer). */
void exchange_resume(struct api_exchange *x, void (*then)(struct api_exchange *x));
int exchange_refuse(struct api_exchange *x, json_t *status); /* takes; for `return` */
int exchange_nomem(struct api_exchange *x);
/* Invalid (422) when there are causes; finishes them. 0 when there are none. */
int exchange_causes(struct api_exchange *x, const char *group, const char *kind, const char *name,
                    struct causes *causes);
int exchange_unserved(struct api_exchange *x); /* 404: no such resource */
int exchange_error(struct api_exchange *x, const struct error *err);
void exchange_fail(struct api_exchange *x); /* answers x->failure */
void exchange_warn(struct api_exchange *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const struct api_kind *exchange_kind(struct api_exchange *x); /* NULL: served no more */
void exchange_begin(struct api_exchange *x, int status, const char *content_type);
void exchange_send(struct api_exchange *x, struct str bytes);
void exchange_end(struct api_exchange *x);
void exchange_answer(struct api_exchange *x, int status, const char *content_type, struct str body);
void exchange_answer_json(struct api_exchange *x, int status, const json_t *document);
/* An object, in the form that the client accepts. */
void exchange_answer_node(struct api_exchange *x, int status, node_t node);
void exchange_answer_object(struct api_exchange *x, int status, const json_t *object);
/* A text of JSON, ended with a newline, as YAML when that was asked for. */
void exchange_answer_text(struct api_exchange *x, int status, struct strbuf *text);

/* body.c: what the client sent. */
int body_parse(struct api_exchange *x, json_t **ret);
/* Checks apiVersion, kind, names; drops and reports unknown fields. */
int body_prune(struct api_exchange *x, const struct api_kind *kind, json_t *object);
/* The URL and the object must speak of the same thing. */
int body_check_names(struct api_exchange *x, const struct api_kind *kind, json_t *object);
int body_refuse_nameless(struct api_exchange *x); /* the URL has a name, the object none */
/* It cannot be read into the kind: 400, of a patch that was not applied 422. Gives -1. */
int body_refuse(struct api_exchange *x, const struct api_kind *kind, const json_t *object,
                const char *why);
/* Sets defaults. */
int body_default(struct api_exchange *x, const struct api_kind *kind, json_t *object);
/* Both. */
int body_accept(struct api_exchange *x, const struct api_kind *kind, json_t *object);
int body_delete_options(struct api_exchange *x, json_t **ret);

/* admit.c: asks webhooks, then goes on with `then`, or answers the exchange itself. All that a
 * review tells is in x->change, x->kind and x->request. */
enum admission_phase { ADMIT_MUTATE, ADMIT_VALIDATE };
void admission_pass(struct api_exchange *x, enum admission_phase phase,
                    void (*then)(struct api_exchange *x));

/* write*.c: an object on its way into storage. */
void write_create(struct api_exchange *x); /* change.now is set and pruned */
void write_update(struct api_exchange *x); /* change.compute is set */
/* 0, or -1 when `given` names a uid that is not that of the live object. */
int write_check_uid(struct api_exchange *x, const json_t *given, const json_t *live);
/* Of a PUT whose body is read, but not accepted yet: what it shares with the live object needs no
 * second look. Fails later, when it does. */
void write_expect(struct api_exchange *x);
int write_load(struct api_exchange *x, node_t *ret_node); /* the live object into change.old */
/* Then: goes on when change.old is in the version that was asked for. */
void write_convert(struct api_exchange *x, void (*then)(struct api_exchange *x));

/* write_check.c: is what the live object and a new one say alike in no need of a second look, and
 * shared? Not of custom objects: their definition may have changed since they were stored; nor of
 * objects that were converted. */
bool write_trusts_stored(const struct api_exchange *x);
const json_t *write_known(const struct api_exchange *x); /* change.old if so, or NULL */
/* Is all of the object written? Status, binding and their like have rules of their
 * own. */
bool write_is_whole(const struct api_exchange *x);
int write_check(struct api_exchange *x); /* of change.now */
/* 409: the client's `wanted` is not the object's `uid`, which is "" when there is none. */
int write_refuse_uid(struct api_exchange *x, const char *wanted, const char *uid);

/* server.c: puts or deletes, and tells whoever must know; the object gets its resourceVersion and
 * the apiVersion that is stored. *ret_text (may be NULL) is its JSON then, the caller's. */
int server_put(struct apiserver *server, const struct storage_key *key, json_t *object,
               struct strbuf *ret_text, struct error *err);
int server_delete(struct apiserver *server, const struct storage_key *key, json_t *last,
                  struct error *err);
node_t server_find(const struct apiserver *server, const char *group, const char *plural,
                   const char *ns, const char *name);
void server_time(const struct apiserver *server, char text[CLOCK_TEXT]);
void server_uid(struct apiserver *server, char uid[40]);

/* One file each. */
void rest_create(struct api_exchange *x);
void rest_get(struct api_exchange *x);
int rest_parse_version(struct api_exchange *x, uint64_t *ret);    /* resourceVersion; "" is 0 */
int rest_check_reached(struct api_exchange *x, uint64_t version); /* it is none of the future */
void rest_list(struct api_exchange *x);
int rest_list_text(struct api_exchange *x, struct strbuf *text); /* 0, or as said above */
void listing_destroy(struct listing *listing);                   /* NULL is fine */
/* resourceVersionMatch is none of `known`, an array, which is taken; NULL: no memory. */
void list_refuse_match(struct causes *causes, const char *match, json_t *known);
void rest_watch(struct api_exchange *x);
void rest_update(struct api_exchange *x);
void rest_patch(struct api_exchange *x);
void rest_delete(struct api_exchange *x);
void rest_delete_collection(struct api_exchange *x);
void rest_subresource(struct api_exchange *x);
void rest_review(struct api_exchange *x);              /* virtual resources */
json_t *rest_user_info(const struct request *request); /* a UserInfo; NULL: NOMEM */

/* rest_table.c: a request that accepts Tables. The kind must be served still. */
int rest_table_check(struct api_exchange *x); /* of includeObject; 0, or as said above */
/* Is this one to be shown as a Table? Not what a subresource has of its own (Scale). */
bool rest_table_has(struct api_exchange *x, node_t node);
void rest_table_columns(struct api_exchange *x, struct json_writer *writer);
void rest_table_row(struct api_exchange *x, struct json_writer *writer, node_t node,
                    const struct document_form *shown);
void rest_table_write(struct api_exchange *x, struct json_writer *writer, node_t node,
                      const struct document_form *shown, bool columns);
void rest_table_write_text(struct api_exchange *x, struct json_writer *writer, struct str text,
                           bool columns);

void watch_destroy(struct watch *watch);
void watch_end(struct api_exchange *x);                               /* as after its timeout */
void watch_end_resource(struct apiserver *server, unsigned resource); /* its kind has changed */

#endif
