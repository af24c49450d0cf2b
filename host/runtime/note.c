#include "runtime/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/telemetry.h"

static char *text_of(const struct dag *dag, node_t node) {
    struct str text = node_text(dag, node);
    return mem_strndup(text.data ? text.data : "", text.len);
}

static void record(struct host *host, const char *component, const struct dag *dag, node_t root,
                   bool reference, const char *api_version, const char *kind, const char *type,
                   const char *reason, const char *message) {
    node_t meta = reference ? root : node_get(dag, root, str_of("metadata"));
    char *ns = text_of(dag, node_get(dag, meta, str_of("namespace")));
    char *name = text_of(dag, node_get(dag, meta, str_of("name")));
    char *uid = text_of(dag, node_get(dag, meta, str_of("uid")));
    char *version = text_of(dag, node_get(dag, meta, str_of("resourceVersion")));
    if (ns && name && uid && version) {
        struct event_about about = {api_version, kind, ns, name, uid, version};
        event_record(host->events, component, &about, type, reason, message);
    }
    mem_free(ns);
    mem_free(name);
    mem_free(uid);
    mem_free(version);
}

void host_event(struct host *host, const char *component, const struct object *object,
                const char *api_version, const char *kind, const char *type, const char *reason,
                const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    record(host, component, object->dag, object->root, /* reference= */ false, api_version, kind,
           type, reason, message);
}

/* An Event about what the script named: {apiVersion, kind, namespace, name, uid}. */
static void event_about_reference(struct invocation *invocation, const struct script_note *note) {
    struct host *host = invocation->scope.host;
    struct dag *dag = host->dag;
    struct error err;
    node_t root = dag_parse(dag, str_of(note->ref), 0, &err);
    if (root == NODE_NONE)
        return;
    char *api_version = text_of(dag, node_get(dag, root, str_of("apiVersion")));
    char *kind = text_of(dag, node_get(dag, root, str_of("kind")));
    if (api_version && kind)
        record(host, invocation->scope.definition->name, dag, root, /* reference= */ true,
               api_version, kind, note->a, note->b, note->c);
    mem_free(api_version);
    mem_free(kind);
    node_unref(dag, root);
}

static void take_event(struct invocation *invocation, const struct script_note *note) {
    const struct scope *scope = &invocation->scope;
    if (note->ref)
        event_about_reference(invocation, note);
    else if (scope->object)
        host_event(scope->host, scope->definition->name, scope->object,
                   scope->definition->resource.api_version, scope->definition->resource.kind_name,
                   note->a, note->b, "%s", note->c);
}

void note_take(struct invocation *invocation, struct script_note *note) {
    if (note->type == SCRIPT_NOTE_EVENT)
        take_event(invocation, note);
    else
        telemetry_script_metric(invocation->scope.host->telemetry,
                                invocation->scope.definition->name, note->a, note->b, note->c,
                                note->value);
    script_note_destroy(note);
}

void host_count_skipped(struct host *host, const char *controller) {
    telemetry_skipped(host->telemetry, controller);
}
