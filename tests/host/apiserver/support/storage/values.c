#include "apiserver/support/storage/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct storage *values_storage(struct dag **ret_dag, size_t history) {
    struct error err;
    *ret_dag = dag_create(NULL, &err);
    assert_non_null(*ret_dag);
    struct storage *storage =
        storage_create(&(struct storage_options){.dag = *ret_dag, .history = history}, &err);
    assert_non_null(storage);
    return storage;
}

void values_finish(struct storage *storage, struct dag *dag) {
    storage_destroy(storage);
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
}

struct storage_key values_key(unsigned resource, const char *ns, const char *name) {
    return (struct storage_key){.resource = resource, .ns = str_of(ns), .name = str_of(name)};
}

int values_put(struct storage *storage, unsigned resource, const char *ns, const char *name,
               int value) {
    char json[256];
    struct error err;
    struct storage_key key = values_key(resource, ns, name);
    snprintf(json, sizeof json,
             "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"resourceVersion\":\"%llu\"},"
             "\"value\":%d}",
             ns, name, (unsigned long long)storage_revision(storage) + 1, value);
    return storage_put(storage, &key, str_of(json), &err);
}

int values_drop(struct storage *storage, unsigned resource, const char *ns, const char *name) {
    char json[64];
    struct error err;
    struct storage_key key = values_key(resource, ns, name);
    snprintf(json, sizeof json, "{\"deleted\":%llu}",
             (unsigned long long)storage_revision(storage) + 1);
    return storage_delete(storage, &key, str_of(json), &err);
}

int64_t values_of(const struct dag *dag, node_t node) {
    int64_t value = -1;
    node_int(dag, node_get(dag, node, str_of("value")), &value);
    return value;
}

struct str values_namespace(const char *ns) {
    return ns ? str_of(ns) : (struct str){0};
}
