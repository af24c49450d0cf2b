#include "bindings/engine.h"

#include <string.h>

#include "base/mem.h"
#include "bindings/fail.h"
#include "bindings/library.h"
#include "bindings/load.h"
#include "bindings/run.h"
#include "bindings/script.h"

enum { DEFAULT_MEMORY = 64 << 20 };

static struct script_engine *engine_open(const struct script_host *host, struct error *err) {
    struct script_engine *engine = mem_zalloc(sizeof *engine);
    if (!engine) {
        error_set(err, ERROR_NOMEM, "no memory");
        return NULL;
    }
    engine->host = *host;
    engine->watchdog = watchdog_create(err);
    if (!engine->watchdog) {
        mem_free(engine);
        return NULL;
    }
    return engine;
}

static void engine_close(struct script_engine *engine) {
    if (!engine)
        return;
    watchdog_destroy(engine->watchdog);
    mem_free(engine);
}

static void finish_source(struct script_source *source) {
    for (size_t i = 0; i < source->count && source->files; i++) {
        mem_free(source->files[i].path);
        mem_free(source->files[i].module);
        mem_free(source->files[i].text);
    }
    mem_free(source->files);
    mem_free(source->name);
}

static int copy_source(struct script_source *to, const struct script_source *from) {
    *to = (struct script_source){.name = mem_strdup(from->name), .hash = from->hash};
    to->files = mem_calloc(from->count ? from->count : 1, sizeof *to->files);
    if (!to->name || !to->files)
        return ERROR_NOMEM;
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        struct script_file *file = &to->files[i];
        file->path = mem_strdup(from->files[i].path);
        file->module = mem_strdup(from->files[i].module);
        file->text = mem_strndup(from->files[i].text, from->files[i].len);
        file->len = from->files[i].len;
        if (!file->path || !file->module || !file->text)
            return ERROR_NOMEM;
    }
    return 0;
}

static void unload(struct script *script) {
    struct list *link, *following;
    if (!script)
        return;
    LIST_EACH(link, following, &script->runs)
    run_destroy(CONTAINER_OF(link, struct script_run, link));
    isolate_destroy(script->isolate); /* views and modules go before what they borrow */
    for (size_t i = 0; i < script->view_count; i++)
        mem_free(script->views[i].kind);
    for (size_t i = 0; i < script->definition_count; i++) {
        mem_free(script->names[i]);
        mem_free(script->primary[i]);
    }
    mem_free(script->names);
    mem_free(script->primary);
    mem_free(script->views);
    mem_free(script->declaration);
    finish_source(&script->source);
    mem_free(script);
}

static struct script *load(struct script_engine *engine, const struct script_source *source,
                           const struct script_limits *limits, const char *config,
                           struct error *err) {
    struct error local = {0};
    struct script *script = mem_zalloc(sizeof *script);
    if (!script) {
        error_set(err, ERROR_NOMEM, "%s: no memory", source->name);
        return NULL;
    }
    list_init(&script->runs);
    script->engine = engine;
    script->seed = limits ? limits->seed : 0;
    script->coverage = limits ? limits->coverage : NULL;
    script->ordered = limits && limits->ordered;
    script->start_ref = script->observe_ref = LUA_NOREF;
    size_t memory = limits && limits->memory ? limits->memory : DEFAULT_MEMORY;
    uint64_t cpu_ns = limits && limits->cpu_ns ? limits->cpu_ns : NS_PER_S;
    if (copy_source(&script->source, source) < 0)
        error_set(&local, ERROR_NOMEM, "%s: no memory", source->name);
    else
        script->isolate = isolate_create(engine->watchdog, memory, cpu_ns, script, &local);
    if (!script->isolate || load_source(script, config, &local) < 0) {
        if (err)
            *err = local;
        unload(script);
        return NULL;
    }
    return script;
}

static const char *declaration(const struct script *script) {
    return script->declaration;
}

static int bind(struct script *script, const struct script_view *views, size_t count,
                struct error *err) {
    struct bound_view *bound = mem_calloc(count ? count : 1, sizeof *bound);
    size_t done = 0;
    for (; bound && done < count; done++) {
        bound[done] = (struct bound_view){.definition = views[done].definition,
                                          .kind = mem_strdup(views[done].kind),
                                          .store = views[done].store,
                                          .namespaced = views[done].namespaced,
                                          .metadata_only = views[done].metadata_only};
        if (!bound[done].kind)
            break;
    }
    if (!bound || done < count) {
        for (size_t i = 0; bound && i < done; i++)
            mem_free(bound[i].kind);
        mem_free(bound);
        return error_set(err, ERROR_NOMEM, "no memory");
    }
    for (size_t i = 0; i < script->view_count; i++)
        mem_free(script->views[i].kind);
    mem_free(script->views);
    script->views = bound;
    script->view_count = count;
    return 0;
}

const char *script_primary_metadata_only(const struct script *script, unsigned definition) {
    const char *primary =
        definition < script->definition_count ? script->primary[definition] : NULL;
    const struct bound_view *view = primary ? script_find_view(script, primary) : NULL;
    return view && view->metadata_only ? view->kind : NULL;
}

static bool dead(const struct script *script) {
    return script->isolate->dead;
}

static size_t memory(const struct script *script) {
    return isolate_memory(script->isolate);
}

static uint64_t cpu(const struct script *script) {
    return script->isolate->spent_ns;
}

const struct script_engine_type lua_engine = {
    .name = "lua",
    .open = engine_open,
    .close = engine_close,
    .load = load,
    .declaration = declaration,
    .bind = bind,
    .unload = unload,
    .dead = dead,
    .memory = memory,
    .cpu = cpu,
    .call = run_call,
    .answer = run_answer,
    .cancel = run_cancel,
    .observe = observe_change,
};
