#ifndef MOONLET_RUNTIME_REGISTRAR_INTERNAL_H
#define MOONLET_RUNTIME_REGISTRAR_INTERNAL_H

#include <string.h>

#include "runtime/registrar.h"

/* For registrar*.c alone. */

enum object_type { MUTATING, VALIDATING, CRD, OBJECT_TYPES };
struct registered { /* one object at the server */
    enum object_type type;
    char *applied; /* the body acknowledged last; NULL: there from an earlier run */
    char *wanted;  /* the body it should have; NULL: it should go */
    char *foreign; /* the instance it belongs to, when that is not ours */
    bool complained;
    bool failed; /* in this round: the others first */
    bool stale;  /* was applied too long ago */
    bool called; /* REGISTRAR_CHECK: it is we whom it calls */
    char *complaint;
};

struct registrar {
    struct registrar_options options;
    struct map objects; /* collection "/" name -> struct registered * */
    struct kube_call *call;
    struct registered *at; /* whose call it is */
    char *at_path;
    struct loop_timer timer;
    unsigned listed; /* of MUTATING and VALIDATING */
    unsigned failures;
    uint64_t heard_ns; /* by then everybody has heard of the last removal; 0: there was none */
    bool published, withdrawing;
    bool resync; /* the timer waits for what is applied to become stale */
    char *complaint;
    void (*done)(void *context);
    void *done_context;
};

/* The collection of that type at the server: "/apis/..." without a slash at its end. */
const char *registrar_collection(enum object_type type);
/* The name in a path that is a key of `objects`. */
static inline const char *registrar_name(const char *path) {
    return strrchr(path, '/') + 1;
}

/* The object of that name, made when it is new; the registrar's. NULL: NOMEM. */
struct registered *registrar_object(struct registrar *registrar, enum object_type type,
                                    const char *name, struct error *err);
void registrar_free_object(struct registered *object);
/* Sets what each object should be by the live files. 0, or what a definition lacks, or NOMEM. */
int registrar_compute(struct registrar *registrar, struct error *err);
/* Is the certificate of this host good for whom each of the object's webhooks calls? INVALID if it
 * is not: then another host's is, and our caBundle would lock that one out. */
int registrar_check_called(const struct registrar *registrar, const struct dag *dag, node_t object,
                           struct error *err);
/* The next object to send or to remove; NULL: none. Says what is somebody else's. */
struct map_entry *registrar_find_due(struct registrar *registrar);
bool registrar_any_failed(const struct registrar *registrar); /* in this round */
bool registrar_has_converters(const struct registrar *registrar);

#endif
