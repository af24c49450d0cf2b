#ifndef MOONLET_TESTS_GIVEN_H
#define MOONLET_TESTS_GIVEN_H

/* Defines setup() and teardown() for cmocka: a test finds at *state a `type` that begin(&it) has
 * made, and end(&it) ends it after the test. */
#define GIVEN(type, begin, end)                                                                    \
    static int setup(void **state) {                                                               \
        static type given;                                                                         \
        begin(&given);                                                                             \
        *state = &given;                                                                           \
        return 0;                                                                                  \
    }                                                                                              \
    static int teardown(void **state) {                                                            \
        end(*state);                                                                               \
        return 0;                                                                                  \
    }

#endif
