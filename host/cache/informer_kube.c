#include "cache/informer_internal.h"

struct informer_set *informer_set_create(const struct informer_set_options *options,
                                         struct error *err) {
    struct source source = source_of_kube(options->client, options->discovery);
    struct informer_set *set = informer_set_create_over(options, &source, err);
    if (set) {
        set->own = source;
        set->source = &set->own;
    }
    return set;
}
