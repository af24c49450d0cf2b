#ifndef MOONLET_RUNTIME_REGISTRAR_H
#define MOONLET_RUNTIME_REGISTRAR_H

#include "addon/registration.h"
#include "runtime/host.h"

/*
 * Registrar: keeps the API server's webhook configurations, and the converters that CRDs name, as
 * the live files declare them.
 *
 * Is:      level-based: what should be there against what has been acknowledged, one request at a
 *          time, leader only (R12). What is refused is tried again, after the others. A file is
 *          registered once it is live, and its configuration goes when the file goes. What an
 *          earlier run left is found by its instance label.
 * Is not:  the first apply of a CRD (runtime/install.h).
 * Safety:  while a file cannot be loaded nothing is removed, for its webhooks are not known. After
 *          a removal it is not settled for a second: an API server that has not heard still calls.
 * Threads: core. Yields: never.
 */
enum registrar_mode {
    REGISTRAR_APPLY,
    REGISTRAR_CHECK, /* the package brings them; only the caBundle is ours */
    REGISTRAR_SKIP
};
struct registrar;
struct registrar_options {
    struct host *host;
    enum registrar_mode mode;
    const struct registration_endpoint *endpoint; /* borrowed; its texts may change */
    uint64_t resync_ns; /* what was edited or deleted by hand comes back so soon; 0 = 60 s */
    void (*published)(void *context); /* everything carries the present bundle */
    void *context;
};
struct registrar *registrar_create(const struct registrar_options *options, struct error *err);
/* Files, leadership or the endpoint have changed. */
void registrar_update(struct registrar *registrar);
/* Removes what this process or an earlier run of it has registered; `done` comes once, also after
 * failures. CRDs keep their converter: a warning says so. */
void registrar_withdraw(struct registrar *registrar, void (*done)(void *context), void *context);
bool registrar_settled(const struct registrar *registrar); /* nothing is left to send */
void registrar_destroy(struct registrar *registrar);       /* NULL is fine */

#endif
