#ifndef MOONLET_TESTS_APISERVER_BENCH_H
#define MOONLET_TESTS_APISERVER_BENCH_H

#include "apiserver/managed.h"

/* One object of a kind with a list and a map of each type, and who applies to it. */
struct bench {
    struct schema *schema;
    struct managed_change change;
    json_t *live, *causes; /* owned */
    struct error err;
};

/* For cmocka: *state is a bench whose change is of manager "a". */
int bench_setup(void **state);
int bench_teardown(void **state);

/* That manager's entry in metadata.managedFields; NULL: there is none. Lends. */
json_t *bench_entry(const json_t *object, const char *manager);

#endif
