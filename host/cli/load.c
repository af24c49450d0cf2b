#include "cli/load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct loader {
    const struct script_engine_type *type;
    struct script_engine *engine;
    struct dag *dag;
    struct epochs *epochs;
    struct epoch_reader *reader;
    struct log log;
    struct script_host host;
    struct script_limits limits;
    struct source_set sources;
    struct loaded *files;
    size_t count;
    char *config;
};

/* Nothing runs here, so nothing may be asked for. */
static void refuse_request(void *context, struct script_request *request) {
    (void)context;
    script_request_destroy(request);
}

static void refuse_note(void *context, struct script_note *note) {
    (void)context;
    script_note_destroy(note);
}

static void ignore_wake(void *context) {
    (void)context;
}

static int open_engine(struct loader *loader, const struct command_context *context,
                       struct error *err) {
    loader->type = context->engine;
    loader->log = (struct log){.clock = context->clock,
                               .level = LOG_INFO,
                               .write = log_write_fd,
                               .context = (void *)(intptr_t)STDERR_FILENO};
    if ((loader->dag = dag_create(&(struct dag_options){0}, err)) == NULL ||
        (loader->epochs = epochs_create(loader->dag, ignore_wake, NULL, err)) == NULL ||
        (loader->reader = epoch_reader_create(loader->epochs, err)) == NULL)
        return err->code;
    loader->host = (struct script_host){.clock = context->clock,
                                        .log = &loader->log,
                                        .name = "moonlet",
                                        .version = MOONLET_VERSION,
                                        .ns = "default",
                                        .reader = loader->reader,
                                        .submit = refuse_request,
                                        .note = refuse_note};
    loader->engine = loader->type->open(&loader->host, err);
    return loader->engine ? 0 : err->code;
}

static void load_one(struct loader *loader, const struct source_entry *entry, struct loaded *file) {
    file->source = entry->source;
    if (entry->source == NULL) {
        file->error = entry->error;
        return;
    }
    file->script = loader->type->load(loader->engine, entry->source, &loader->limits,
                                      loader->config, &file->error);
    if (file->script == NULL)
        return;
    file->error.code = 0;
    file->declaration =
        declaration_parse(str_of(loader->type->declaration(file->script)), &file->error);
}

/* Names and CRDs that two files declare (R6, R16); the later file is the faulty one. */
static void compare(struct loaded *later, const struct loaded *earlier) {
    for (size_t i = 0; i < later->declaration->count; i++)
        for (size_t k = 0; k < earlier->declaration->count; k++) {
            const struct definition *a = &later->declaration->definitions[i];
            const struct definition *b = &earlier->declaration->definitions[k];
            if (strcmp(a->name, b->name) == 0)
                error_set(&later->error, ERROR_EXISTS, "%s: the name \"%s\" is taken by %s",
                          a->source, a->name, b->source);
        }
    for (size_t i = 0; i < later->declaration->crd_count; i++)
        for (size_t k = 0; k < earlier->declaration->crd_count; k++) {
            const struct declared_crd *a = &later->declaration->crds[i];
            const struct declared_crd *b = &earlier->declaration->crds[k];
            if (strcmp(a->name, b->name) == 0 && strcmp(a->json, b->json) != 0)
                error_set(&later->error, ERROR_EXISTS,
                          "%s: declares the CRD %s differently from %s", later->source->name,
                          a->name, earlier->source->name);
        }
}

static void compare_all(struct loader *loader) {
    for (size_t i = 0; i < loader->count; i++)
        for (size_t k = 0; k < i; k++)
            if (loader->files[i].declaration && loader->files[k].declaration)
                compare(&loader->files[i], &loader->files[k]);
}

static const char **defined_names(const struct loader *loader, size_t *count) {
    const char **names = NULL;
    size_t cap = 0;
    *count = 0;
    for (size_t i = 0; i < loader->count; i++)
        for (size_t k = 0; k < loader->files[i].declaration->count; k++) {
            if (mem_grow(&names, &cap, *count + 1, sizeof *names) < 0) {
                mem_free(names);
                return NULL;
            }
            names[(*count)++] = loader->files[i].declaration->definitions[k].name;
        }
    return names;
}

static int check_name(const char *setting, const char *const *names, size_t count,
                      struct error *err) {
    struct str name = str_n(setting, strcspn(setting, "."));
    for (size_t i = 0; i < count; i++)
        if (str_is(name, names[i]))
            return 0;
    CLEANUP(mem_freep) char *copy = mem_strndup(name.data, name.len);
    const char *near = copy ? str_nearest(copy, names, count) : NULL;
    return error_set(err, ERROR_INVALID, "--set %s: no file defines \"%s\"%s%s%s", setting,
                     copy ? copy : "?", near ? "; did you mean \"" : "", near ? near : "",
                     near ? "\"?" : "");
}

/* A value for a controller that is not there would be lost without a word. */
static int check_set_names(const struct loader *loader, const struct options *options,
                           struct error *err) {
    const char *const *settings = option_list(options, "set");
    size_t count = 0;
    for (size_t i = 0; i < loader->count; i++)
        if (loader->files[i].error.code != 0)
            return 0; /* who knows what it would have defined */
    CLEANUP(mem_freep) const char **names = settings ? defined_names(loader, &count) : NULL;
    for (; settings && *settings; settings++)
        if (check_name(*settings, names, count, err) < 0)
            return err->code;
    return 0;
}

struct loader *loader_open(const struct command_context *context, const struct options *options,
                           const char *const *folders, struct error *err) {
    struct loader *loader = mem_zalloc(sizeof *loader);
    if (loader == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to load files");
        return NULL;
    }
    size_t at = 0;
    loader->config = cli_script_config(options, err);
    if (loader->config == NULL || open_engine(loader, context, err) < 0 ||
        source_scan(folders, &loader->sources, err) < 0) {
        loader_close(loader);
        return NULL;
    }
    loader->files = mem_calloc(loader->sources.by_name.count, sizeof *loader->files);
    if (loader->files == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to load files");
        loader_close(loader);
        return NULL;
    }
    for (struct map_entry *entry; (entry = map_next(&loader->sources.by_name, &at));)
        load_one(loader, entry->value, &loader->files[loader->count++]);
    compare_all(loader);
    if (check_set_names(loader, options, err) == 0)
        return loader;
    loader_close(loader);
    return NULL;
}

size_t loader_count(const struct loader *loader) {
    return loader->count;
}

const struct loaded *loader_at(const struct loader *loader, size_t index) {
    return &loader->files[index];
}

size_t loader_print_errors(const struct loader *loader) {
    size_t failed = 0;
    for (size_t i = 0; i < loader->count; i++) {
        if (loader->files[i].error.code == 0)
            continue;
        fprintf(stderr, "%s\n", loader->files[i].error.message);
        failed++;
    }
    return failed;
}

const char *loader_config(const struct loader *loader) {
    return loader->config;
}

void loader_close(struct loader *loader) {
    if (loader == NULL)
        return;
    for (size_t i = 0; i < loader->count; i++) {
        declaration_destroy(loader->files[i].declaration);
        if (loader->files[i].script)
            loader->type->unload(loader->files[i].script);
    }
    mem_free(loader->files);
    source_set_finish(&loader->sources);
    if (loader->engine)
        loader->type->close(loader->engine);
    if (loader->reader)
        epoch_reader_destroy(loader->reader);
    epochs_destroy(loader->epochs);
    dag_destroy(loader->dag);
    mem_free(loader->config);
    mem_free(loader);
}
