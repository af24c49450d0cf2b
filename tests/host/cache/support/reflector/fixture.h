#ifndef MOONLET_TESTS_CACHE_REFLECTOR_FIXTURE_H
#define MOONLET_TESTS_CACHE_REFLECTOR_FIXTURE_H

#include "cache/reflector.h"
#include "cache/support/fake_source.h"

/* A reflector over a server that the test plays, in virtual time; and the store it fills. What goes
 * wrong ends the test. */
struct fixture {
    struct clock_fake clock;
    struct loop *loop;
    struct rng rng;
    struct dag *dag;
    struct epochs *epochs;
    struct store *store;
    struct fake_source fake;
    struct reflector reflector;
    struct strbuf deltas;
    int synced, last_error;
    uint64_t blocks;
};

void fixture_begin(struct fixture *f); /* started */
void fixture_end(struct fixture *f);   /* asserts that nothing is left */
int fixture_setup(void **state);       /* for cmocka: *state is a fixture */
int fixture_teardown(void **state);

/* The watch and the list that are under way. */
struct kube_watch *fixture_watch(struct fixture *f);
struct kube_list *fixture_list(struct fixture *f);
void fixture_pass(struct fixture *f, double seconds);
/* Brings it to watching with pods a:1 and b:2, list version 5; of a server without streaming lists:
 * by_list. */
void fixture_sync_by_stream(struct fixture *f);
void fixture_sync_by_list(struct fixture *f);

/* What the store emitted since the last time. */
void fixture_assert_deltas(struct fixture *f, const char *expected);
void fixture_assert_streaming(struct fixture *f, const char *version);
void fixture_assert_watching(struct fixture *f, const char *version);

#endif
