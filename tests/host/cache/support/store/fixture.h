#ifndef MOONLET_TESTS_CACHE_STORE_FIXTURE_H
#define MOONLET_TESTS_CACHE_STORE_FIXTURE_H

#include "cache/store.h"

/* A store of Pods that writes down what it emits. What goes wrong ends the test. */
struct fixture {
    struct dag *dag;
    struct epochs *epochs;
    struct store *store;
    struct strbuf deltas; /* "+a:1 ~a:2 -a:2 " */
    int initial;
    uint64_t blocks;
};

/* `split`: a stream per namespace. The end asserts that nothing is left. */
void fixture_begin(struct fixture *f, bool split);
void fixture_end(struct fixture *f);
int fixture_setup(void **state); /* for cmocka: *state is a fixture that is not split */
int fixture_teardown(void **state);

/* A Pod's JSON in `buf`, of 1000 bytes; `rest` stands at the end of its metadata. */
struct str fixture_pod(char *buf, const char *ns, const char *name, const char *uid, int version,
                       const char *rest);
void fixture_put(struct fixture *f, enum store_source source, const char *ns, const char *name,
                 const char *uid, int version, const char *rest);
void fixture_delete_event(struct fixture *f, const char *name, const char *uid,
                          int version);                                /* ns */
const struct object *fixture_get(struct fixture *f, const char *name); /* in ns; NULL: none */
/* What was emitted since the last time. */
void fixture_assert_deltas(struct fixture *f, const char *expected);

#endif
