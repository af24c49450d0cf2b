#include "apiserver/support/managed/bench.h"

#include <string.h>

#include "apiserver/support/docs.h"
#include "base/mem.h"

static const char widget[] =
    "{'type':'object','properties':{'spec':{'type':'object','properties':{"
    "'replicas':{'type':'integer'},'color':{'type':'string'},"
    "'labels':{'type':'object','additionalProperties':{'type':'string'}},"
    "'tags':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
    "'rules':{'type':'array','items':{'type':'string'}},"
    "'ports':{'type':'array','x-kubernetes-list-type':'map',"
    "'x-kubernetes-list-map-keys':['port','protocol'],'items':{'type':'object','properties':{"
    "'port':{'type':'integer'},'protocol':{'type':'string','default':'TCP'},"
    "'name':{'type':'string'}}}}}},'status':{'type':'object','properties':{"
    "'phase':{'type':'string'}}}}}";

int bench_setup(void **state) {
    struct bench *bench = mem_zalloc(sizeof *bench);
    bench->schema = doc_schema(widget);
    bench->change = (struct managed_change){.manager = "a",
                                            .api_version = "x.io/v1",
                                            .subresource = "",
                                            .time = "2026-01-01T00:00:00Z"};
    *state = bench;
    return 0;
}

int bench_teardown(void **state) {
    struct bench *bench = *state;
    schema_unref(bench->schema);
    json_decref(bench->live);
    json_decref(bench->causes);
    mem_free(bench);
    return 0;
}

json_t *bench_entry(const json_t *object, const char *manager) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(json_object_get(object, "metadata"), "managedFields"), i,
                       entry) {
        if (strcmp(json_string_value(json_object_get(entry, "manager")), manager) == 0)
            return entry;
    }
    return NULL;
}
