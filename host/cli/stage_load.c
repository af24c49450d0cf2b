#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/stage_internal.h"
#include "runtime/stand_ins.h"

/* The controllers of a simulation: files beside the test, or texts. */

static char *name_of(const char *given) {
    const char *slash = strrchr(given, '/'), *base = slash ? slash + 1 : given;
    size_t len = strlen(base);
    return mem_strndup(base, str_ends_with(str_of(base), ".lua") ? len - 4 : len);
}

static bool is_there(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* "app.lua", or "network" for the folder of that name or "network.lua"; in the test's folder, or
 * where its controller stands. */
static char *find(const struct stage *stage, const char *given) {
    const char *const folders[] = {stage->file->folder, stage->file->home};
    for (size_t i = 0; i < 2; i++) {
        char *path = mem_printf(*given == '/' ? "%.0s%s" : "%s/%s", folders[i], given);
        if (path == NULL || is_there(path))
            return path;
        mem_free(path);
        path = mem_printf(*given == '/' ? "%.0s%s.lua" : "%s/%s.lua", folders[i], given);
        if (path == NULL || is_there(path))
            return path;
        mem_free(path);
    }
    return mem_printf("%s/%s", stage->file->folder, given);
}

static struct script_source *of_text(const char *name, struct str text, struct error *err) {
    CLEANUP(mem_freep) char *path = mem_printf("%s.lua", name);
    CLEANUP(mem_freep) char *copy = mem_strndup(text.data, text.len);
    if (path == NULL || copy == NULL) {
        error_set(err, ERROR_NOMEM, "no memory");
        return NULL;
    }
    struct script_file file = {path, (char *)(uintptr_t)name, copy, text.len};
    return source_create(name, &file, 1, err);
}

/* The host keeps what it has when the texts are the same; a reload is wanted all the same. */
static struct script_source *renew(struct stage *stage, struct script_source *source,
                                   struct error *err) {
    struct script_source *copy = source_create(source->name, source->files, source->count, err);
    if (copy)
        copy->hash = source->hash + ++stage->versions;
    script_source_unref(source);
    return copy;
}

int stage_load(struct stage *stage, const struct script_request *request, struct error *err) {
    CLEANUP(mem_freep) char *name = name_of(request->name);
    CLEANUP(mem_freep) char *path = find(stage, request->name);
    struct str text = strbuf_view(&request->body);
    if (name == NULL || path == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    if (strcmp(request->key, "unload") == 0)
        return testbed_unload(stage->testbed, name, err);
    struct script_source *source;
    if (text.len)
        source = of_text(name, text, err);
    else if (strcmp(name, STAND_INS) == 0 && !is_there(path))
        source = stand_ins_source(err);
    else
        source = source_read(path, NULL, err);
    if (source && strcmp(request->key, "reload") == 0)
        source = renew(stage, source, err);
    if (source == NULL)
        return err->code;
    int rc = testbed_load(stage->testbed, source, err);
    script_source_unref(source);
    return rc;
}
