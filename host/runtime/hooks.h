#ifndef MOONLET_RUNTIME_HOOKS_H
#define MOONLET_RUNTIME_HOOKS_H

#include "runtime/certificates.h"
#include "runtime/registrar.h"

/*
 * Hooks: what this host answers over HTTPS for the API server: admission and conversion.
 *
 * Is:      the server with its certificate and its registration, opened when the first file needs
 *          it; and the way from a path to the isolate that answers.
 * Is not:  one request (runtime/admission.h, runtime/conversion.h), metrics or probes.
 * Order:   certificate -> listening -> CRDs that name it -> informers -> registration (R11).
 * Threads: core. Yields: never.
 */
struct hooks;
struct hooks_options {
    const char *address;   /* to listen on; NULL = ":9443" with a Service, else "127.0.0.1:9443" */
    bool may_move;         /* the port is a default */
    const char *host;      /* what the API server is told; NULL = the address's; unused with: */
    unsigned port;         /* likewise; 0 = the real one */
    const char *service;   /* "namespace/name:port" in front of us; NULL: registered by URL */
    const char *cert_dir;  /* see certificates_options */
    const char *secret;    /* likewise */
    uint64_t lifetime_ns;  /* likewise */
    uint64_t resync_ns;    /* runtime/registrar.h */
    const char *client_ca; /* file with the CA that clients need a certificate of, or NULL */
    const char *instance;  /* label value: which installation this is */
    const char *local_ca;  /* PEM; in simulation: requests come by hooks_post() alone, and this is
                              told as the CA. Needs host and port */
    enum registrar_mode mode;
};
/* Texts are borrowed. NULL: INVALID (a Service, an address that cannot be told), NOMEM. */
struct hooks *hooks_create(struct host *host, const struct hooks_options *options,
                           struct error *err);
/* A file needs HTTPS. program_endpoint() follows for every program that waits for it. */
void hooks_need(struct hooks *hooks);
/* Listening with a certificate, or not needed. */
bool hooks_ready(const struct hooks *hooks);
/* Where the API server finds us; NULL when not ready. */
const struct registration_endpoint *hooks_endpoint(const struct hooks *hooks);
/* With local_ca: a request as one over HTTPS, see serve/server.h. NULL: UNAVAILABLE (not
 * listening), NOT_FOUND, NOMEM. */
struct server_local;
struct server_request *hooks_post(struct hooks *hooks, const struct server_local *post,
                                  struct error *err);
/* Files or leadership have changed. */
void hooks_update(struct hooks *hooks);
/* Nothing is left to register, and no request is in work. */
bool hooks_settled(const struct hooks *hooks);
bool hooks_quiet(const struct hooks *hooks); /* no request is in work */
size_t hooks_in_flight(const struct hooks *hooks);
/* When the certificate in use ends, unix seconds; 0: there is none. */
int64_t hooks_certificate_end(const struct hooks *hooks);
/* The end begins: registrations by URL are removed, then no new connections. `done` comes once. */
void hooks_drain(struct hooks *hooks, void (*done)(void *context), void *context);
/* Every handler call still running is told to stop. */
void hooks_cancel_all(struct hooks *hooks);
void hooks_destroy(struct hooks *hooks); /* quiet by then; NULL is fine */

#endif
