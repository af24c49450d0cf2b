#ifndef MOONLET_TESTS_RANDOM_JSON_H
#define MOONLET_TESTS_RANDOM_JSON_H

#include <jansson.h>

#include "base/rng.h"

/* A document with few distinct keys and values, so that two of them have much in common. */
static inline json_t *random_json(struct rng *rng, unsigned depth) {
    static const char *const keys[] = {"a", "b/c", "d~e", "~1", "", "x y"};
    uint64_t what = rng_next(rng) % (depth > 0 ? 10 : 6), count = rng_next(rng) % 6;
    json_t *value;
    switch (what) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(rng_next(rng) % 2);
    case 2:
    case 3:
        return json_integer((json_int_t)(rng_next(rng) % 4));
    case 4:
    case 5:
        return json_string(keys[rng_next(rng) % 6]);
    case 6:
    case 7:
        value = json_array();
        while (count-- > 0)
            json_array_append_new(value, random_json(rng, depth - 1));
        return value;
    default:
        value = json_object();
        while (count-- > 0)
            json_object_set_new(value, keys[rng_next(rng) % 6], random_json(rng, depth - 1));
        return value;
    }
}

#endif
