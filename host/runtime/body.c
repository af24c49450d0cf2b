#include "runtime/body.h"

#include <stdio.h>

#include "json/write.h"

node_t body_with_meta(struct dag *dag, node_t root, const char *field, struct str json,
                      struct error *err) {
    struct str metadata = str_of("metadata");
    node_t value = dag_parse(dag, json, 0, err);
    if (value == NODE_NONE)
        return NODE_NONE;
    node_t meta = dag_with(dag, node_get(dag, root, metadata), str_of(field), value, err);
    node_unref(dag, value);
    if (meta == NODE_NONE)
        return NODE_NONE;
    node_t next = dag_with(dag, root, metadata, meta, err);
    node_unref(dag, meta);
    return next;
}

void body_from_node(const struct dag *dag, node_t node, struct strbuf *buf) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    node_write(dag, node, &writer);
}

static void key_bool(struct json_writer *writer, const char *key, bool value) {
    json_write_key(writer, str_of(key));
    json_write_bool(writer, value);
}

void body_owner(struct strbuf *buf, const char *api_version, const char *kind,
                const struct object *owner) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_array_begin(&writer);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of(api_version));
    json_write_key_string(&writer, "kind", str_of(kind));
    json_write_key_string(&writer, "name", object_name(owner));
    json_write_key_string(&writer, "uid", object_uid(owner));
    key_bool(&writer, "controller", true);
    key_bool(&writer, "blockOwnerDeletion", true);
    json_write_object_end(&writer);
    json_write_array_end(&writer);
}

void body_status(struct strbuf *buf, const char *api_version, const char *kind,
                 const struct object *object, struct str status) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of(api_version));
    json_write_key_string(&writer, "kind", str_of(kind));
    json_write_key(&writer, str_of("metadata"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "name", object_name(object));
    if (object_namespace(object).len > 0)
        json_write_key_string(&writer, "namespace", object_namespace(object));
    json_write_key_string(&writer, "uid", object_uid(object));
    json_write_object_end(&writer);
    json_write_key(&writer, str_of("status"));
    json_write_raw(&writer, status);
    json_write_object_end(&writer);
}

void body_deletion(struct strbuf *buf, const struct script_request *request) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of("v1"));
    json_write_key_string(&writer, "kind", str_of("DeleteOptions"));
    if (request->grace_s >= 0) {
        json_write_key(&writer, str_of("gracePeriodSeconds"));
        json_write_int(&writer, (int64_t)request->grace_s);
    }
    if (request->propagation)
        json_write_key_string(&writer, "propagationPolicy", str_of(request->propagation));
    if (request->precondition_uid || request->precondition_version) {
        json_write_key(&writer, str_of("preconditions"));
        json_write_object_begin(&writer);
        if (request->precondition_uid)
            json_write_key_string(&writer, "uid", str_of(request->precondition_uid));
        if (request->precondition_version)
            json_write_key_string(&writer, "resourceVersion",
                                  str_of(request->precondition_version));
        json_write_object_end(&writer);
    }
    json_write_object_end(&writer);
}

void body_eviction(struct strbuf *buf, const char *ns, const char *name, double grace_s) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of("policy/v1"));
    json_write_key_string(&writer, "kind", str_of("Eviction"));
    json_write_key(&writer, str_of("metadata"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "name", str_of(name));
    json_write_key_string(&writer, "namespace", str_of(ns));
    json_write_object_end(&writer);
    if (grace_s >= 0) {
        json_write_key(&writer, str_of("deleteOptions"));
        json_write_object_begin(&writer);
        json_write_key(&writer, str_of("gracePeriodSeconds"));
        json_write_int(&writer, (int64_t)grace_s);
        json_write_object_end(&writer);
    }
    json_write_object_end(&writer);
}

void body_binding(struct strbuf *buf, const char *ns, const char *name, const char *uid,
                  struct str target) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of("v1"));
    json_write_key_string(&writer, "kind", str_of("Binding"));
    json_write_key(&writer, str_of("metadata"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "name", str_of(name));
    json_write_key_string(&writer, "namespace", str_of(ns));
    if (uid)
        json_write_key_string(&writer, "uid", str_of(uid));
    json_write_object_end(&writer);
    json_write_key(&writer, str_of("target"));
    json_write_raw(&writer, target);
    json_write_object_end(&writer);
}

void body_token_request(struct strbuf *buf, struct str spec) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of("authentication.k8s.io/v1"));
    json_write_key_string(&writer, "kind", str_of("TokenRequest"));
    json_write_key(&writer, str_of("spec"));
    json_write_raw(&writer, spec.len > 0 ? spec : str_of("{}"));
    json_write_object_end(&writer);
}

static node_t finalizers_of(const struct object *object) {
    return node_path(object->dag, object->root, "metadata.finalizers");
}

bool object_has_finalizer(const struct object *object, const char *finalizer) {
    node_t list = finalizers_of(object);
    for (size_t i = 0; i < node_count(object->dag, list); i++)
        if (node_is(object->dag, node_at(object->dag, list, i), finalizer))
            return true;
    return false;
}

bool object_is_deleting(const struct object *object) {
    return node_path(object->dag, object->root, "metadata.deletionTimestamp") != NODE_NONE;
}

static void patch_step(struct json_writer *writer, const char *step, const char *path,
                       struct str text) {
    json_write_object_begin(writer);
    json_write_key_string(writer, "op", str_of(step));
    json_write_key_string(writer, "path", str_of(path));
    if (text.data)
        json_write_key_string(writer, "value", text);
    json_write_object_end(writer);
}

bool body_finalizer_patch(struct strbuf *buf, const struct object *object, const char *finalizer,
                          bool on) {
    const struct dag *dag = object->dag;
    node_t list = finalizers_of(object);
    size_t count = node_count(dag, list), at = 0;
    while (at < count && !node_is(dag, node_at(dag, list, at), finalizer))
        at++;
    if ((at < count) == on)
        return false;
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_array_begin(&writer);
    patch_step(&writer, "test", "/metadata/uid", object_uid(object));
    patch_step(&writer, "test", "/metadata/resourceVersion",
               node_text(dag, node_path(dag, object->root, "metadata.resourceVersion")));
    if (on && list == NODE_NONE) {
        json_write_object_begin(&writer);
        json_write_key_string(&writer, "op", str_of("add"));
        json_write_key_string(&writer, "path", str_of("/metadata/finalizers"));
        json_write_key(&writer, str_of("value"));
        json_write_array_begin(&writer);
        json_write_string(&writer, str_of(finalizer));
        json_write_array_end(&writer);
        json_write_object_end(&writer);
    } else if (on) {
        patch_step(&writer, "add", "/metadata/finalizers/-", str_of(finalizer));
    } else {
        char path[64];
        snprintf(path, sizeof path, "/metadata/finalizers/%zu", at);
        patch_step(&writer, "remove", path, (struct str){0});
    }
    json_write_array_end(&writer);
    return true;
}
