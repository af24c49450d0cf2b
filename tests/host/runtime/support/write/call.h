#ifndef MOONLET_TESTS_RUNTIME_CALL_H
#define MOONLET_TESTS_RUNTIME_CALL_H

#include "runtime/operation.h"
#include "runtime/support/world.h"

/* One call of a handler that has ConfigMap ns/a in hand, owns Deployments and Namespaces, and may
 * write Pods. What goes wrong ends the test. */
#define META(name, version)                                                                        \
    "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name                   \
    "\",\"resourceVersion\":\"" version "\""
#define WEB "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"}"
#define APPLIED "?fieldManager=moonlet%2Fapp&force=true"
#define DEPLOYMENT "/apis/apps/v1/namespaces/ns/deployments/web"
#define POD "/api/v1/namespaces/ns/pods/p"
#define TWO "{" WEB ",\"spec\":{\"replicas\":2,\"cpu\":\"1000m\"}}"
#define ONE "{" WEB ",\"spec\":{\"replicas\":2}}"
#define TYPED "{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
#define ANSWER(version, replicas, more)                                                            \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"," META(                                   \
        "web", version) "},\"spec\":{\"replicas\":" replicas ",\"cpu\":\"1\"" more "}}"

struct call {
    struct world world;
    struct declaration *declaration;
    const struct object *owner;
    struct scope scope;
    struct informer *informers[2];
    struct script_request *answered; /* the last one, until the next is asked */
};

void call_begin(struct call *call);
void call_end(struct call *call);
int call_setup(void **state); /* for cmocka: *state is one */
int call_teardown(void **state);
/* A synced informer; put it into call->informers. */
struct informer *call_watch(struct call *call, const char *api_version, const char *kind);

/* What the script asks: made, then started. `body` NULL: none. */
struct script_request *call_make(struct call *call, enum script_op op, const char *kind,
                                 const char *body);
void call_refer(struct script_request *request, const char *name); /* ns/NAME */
void call_start(struct call *call, struct script_request *request);
void call_apply(struct call *call, const char *kind, const char *body);

/* What went to the server and came back. */
void call_answer(struct call *call, int status, const char *body);
/* It was sent as that, and the server says `body`. */
void call_sent(struct call *call, const char *what, const char *body);
void call_skipped(struct call *call);
void call_refused(struct call *call, int code, const char *why);
bool call_body_has(struct call *call, const char *text);
void call_body_is(struct call *call, const char *text);
/* As the cache has it; not pinned. NULL: it has none. */
const struct object *call_stored(struct call *call, const char *api_version, const char *kind,
                                 const char *name);

#endif
