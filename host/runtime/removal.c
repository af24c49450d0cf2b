#include "runtime/removal.h"

#include <stdio.h>

#include "base/mem.h"
#include "runtime/body.h"

enum { MOST_NAMED = 5 };

struct survey {
    const struct kube_resource *resource;
    char finalizer[64];
    size_t found;
    struct strbuf commands;
};

/* kubectl patch with the finalizers that stay. */
static void add_command(struct survey *survey, const struct object *object) {
    const struct dag *dag = object->dag;
    node_t list = node_path(dag, object->root, "metadata.finalizers");
    struct str ns = object_namespace(object), name = object_name(object);
    bool first = true;
    strbuf_printf(&survey->commands, "%skubectl patch %s%s%s " STR_FORMAT,
                  survey->found > 1 ? "; " : "", survey->resource->plural,
                  survey->resource->group[0] ? "." : "", survey->resource->group, STR_ARG(name));
    if (ns.len > 0)
        strbuf_printf(&survey->commands, " -n " STR_FORMAT, STR_ARG(ns));
    strbuf_adds(&survey->commands, " --type=merge -p '{\"metadata\":{\"finalizers\":[");
    for (size_t i = 0; i < node_count(dag, list); i++) {
        if (node_is(dag, node_at(dag, list, i), survey->finalizer))
            continue;
        struct str one = node_text(dag, node_at(dag, list, i));
        strbuf_printf(&survey->commands, "%s\"" STR_FORMAT "\"", first ? "" : ",", STR_ARG(one));
        first = false;
    }
    strbuf_adds(&survey->commands, "]}}'");
}

static bool look(void *context, const struct object *object) {
    struct survey *survey = context;
    if (object_has_finalizer(object, survey->finalizer) && ++survey->found <= MOST_NAMED)
        add_command(survey, object);
    return true;
}

void removal_report(struct host *host, const struct edition *edition) {
    const struct definition *definition = edition->definition;
    if (!definition->has_resource || !(definition->handlers & HANDLER_FINALIZE))
        return;
    struct survey survey = {.resource = informer_resource(edition->feeds[0].informer)};
    snprintf(survey.finalizer, sizeof survey.finalizer, "moonlet.dev/%s", definition->name);
    if (survey.resource == NULL)
        return;
    store_each(informer_store(edition->feeds[0].informer), (struct str){0}, look, &survey);
    if (survey.found > 0)
        log_warn(host->log,
                 "%zu objects of %s still carry the finalizer %s and cannot be deleted until it is "
                 "taken off; bring the controller back, or: %s%s",
                 survey.found, definition->resource.kind, survey.finalizer,
                 survey.commands.data ? survey.commands.data : "",
                 survey.found > MOST_NAMED ? "; and so on" : "");
    strbuf_finish(&survey.commands);
}
