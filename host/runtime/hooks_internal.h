#ifndef MOONLET_RUNTIME_HOOKS_INTERNAL_H
#define MOONLET_RUNTIME_HOOKS_INTERNAL_H

#include "addon/registration.h"
#include "runtime/hooks.h"
#include "runtime/invocation.h"
#include "runtime/program.h"
#include "serve/server.h"

/* What the requests that come over HTTPS share. Only hooks.c, admission.c and conversion.c include
 * this. */

struct hooks {
    struct host *host;
    struct hooks_options options;
    struct server *server; /* NULL until a file needs it and there is a certificate */
    struct server_route routes[4];
    struct certificates *certificates;
    struct registrar *registrar;
    struct registration_endpoint endpoint;
    char *url, *client_ca;
    char *name, *dns[3]; /* what certificates are for */
    const char *names[6];
    struct list open; /* struct hook_call.link */
    size_t calls;     /* whose script has not ended, answered or not */
    struct error error;
    bool needed, listening, draining;
    void (*drained)(void *context);
    void *drained_context;
};

/* One request and the handler call that answers it. The request may be answered before the call
 * ends (deadline); it is released when both are over. */
struct hook_call {
    struct list link; /* hooks->open */
    struct hooks *hooks;
    struct server_request *request; /* NULL once answered */
    struct edition *edition;
    const char *name; /* the edition's, or "unknown" */
    struct invocation invocation;
    struct loop_timer deadline;
    uint64_t started_ns, allowed_ns;
    const char *uid; /* of the review, for messages; "" until it is known */
    char key[320];   /* "ns/name", for the log */
    bool running;
    const struct hook_call_type *type;
};
struct hook_call_type {
    void (*result)(struct hook_call *call, struct script_result *result); /* responds, fails, or
                                                                            starts another */
    /* The handler raised an error; NULL: the call is failed with 500. */
    void (*failure)(struct hook_call *call, const struct error *err);
    void (*release)(struct hook_call *call); /* frees */
};

/* Finds who answers for exchange->rest. 0, or UNAVAILABLE: nobody does; fail the call with 503. */
int hook_call_open(struct hook_call *call, struct hooks *hooks, struct server_request *request,
                   const struct server_exchange *exchange, bool conversion,
                   const struct hook_call_type *type, struct error *err);
/* Calls the handler with what of `told` is for a hook: event, ns, name, request. `result` follows
 * when it succeeds, else the call is failed. */
void hook_call_start(struct hook_call *call, const struct script_call *told,
                     const struct object *object, const struct object *old);
/* Answers, once; takes the body. Released now or when the handler has ended. */
void hook_call_respond(struct hook_call *call, struct server_answer *answer);
/* Answers with one sentence in plain text, which kubectl shows. */
void hook_call_fail(struct hook_call *call, int status, const struct error *err);
/* A request without a call. */
void hook_refuse(struct server_request *request, int status, const char *why);

#endif
