#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/source_internal.h"

struct counted { /* the reference count beside the public part */
    struct script_source source;
    unsigned refs;
};

struct script_source *script_source_ref(struct script_source *source) {
    CONTAINER_OF(source, struct counted, source)->refs++;
    return source;
}

void script_source_unref(struct script_source *source) {
    if (source == NULL)
        return;
    struct counted *counted = CONTAINER_OF(source, struct counted, source);
    if (--counted->refs > 0)
        return;
    for (size_t i = 0; i < source->count; i++) {
        mem_free(source->files[i].path);
        mem_free(source->files[i].module);
        mem_free(source->files[i].text);
    }
    mem_free(source->files);
    mem_free(source->name);
    mem_free(counted);
}

struct script_source *source_new(struct str name, struct error *err) {
    struct counted *counted = mem_zalloc(sizeof *counted);
    char *copy = mem_strndup(name.data, name.len);
    if (counted == NULL || copy == NULL) {
        mem_free(counted);
        mem_free(copy);
        error_set(err, ERROR_NOMEM, STR_FORMAT ": no memory", STR_ARG(name));
        return NULL;
    }
    counted->source.name = copy;
    counted->refs = 1;
    return &counted->source;
}

static uint64_t hash_of(const struct script_source *source) {
    uint64_t hash = 0;
    for (size_t i = 0; i < source->count; i++) {
        hash = hash * 0x100000001b3u ^ str_hash(str_of(source->files[i].path));
        hash = hash * 0x100000001b3u ^ str_hash(str_n(source->files[i].text, source->files[i].len));
    }
    return hash;
}

static bool blank(const struct script_file *file) {
    for (size_t i = 0; i < file->len; i++)
        if (strchr(" \t\r\n", file->text[i]) == NULL || file->text[i] == '\0')
            return false;
    return true;
}

struct script_source *source_seal(struct script_source *source, struct error *err) {
    if (source->count > 0 && !blank(&source->files[0])) {
        source->hash = hash_of(source);
        return source;
    }
    error_set(err, ERROR_INVALID,
              "%s: the file is empty; return a definition, or delete it to remove the controller",
              source->count > 0 ? source->files[0].path : source->name);
    script_source_unref(source);
    return NULL;
}

static int copy_files(struct script_source *source, const struct script_file *files, size_t count,
                      struct error *err) {
    source->files = mem_calloc(count ? count : 1, sizeof *source->files);
    for (size_t i = 0; source->files && i < count; i++) {
        struct script_file *file = &source->files[source->count++];
        file->path = mem_strdup(files[i].path);
        file->module = mem_strdup(files[i].module);
        file->text = mem_strndup(files[i].text, files[i].len);
        file->len = files[i].len;
        if (file->path == NULL || file->module == NULL || file->text == NULL)
            return error_set(err, ERROR_NOMEM, "%s: no memory", source->name);
    }
    return source->files ? 0 : error_set(err, ERROR_NOMEM, "%s: no memory", source->name);
}

struct script_source *source_create(const char *name, const struct script_file *files, size_t count,
                                    struct error *err) {
    struct script_source *source = source_new(str_of(name), err);
    if (source == NULL || copy_files(source, files, count, err) == 0)
        return source ? source_seal(source, err) : NULL;
    script_source_unref(source);
    return NULL;
}

static const struct script_file *file_of(const struct script_source *source, const char *path) {
    for (size_t i = 0; i < source->count; i++)
        if (strcmp(source->files[i].path, path) == 0)
            return &source->files[i];
    return NULL;
}

/* The line of the first byte that differs; 0: none does. */
static unsigned line_of_change(const struct script_file *old, const struct script_file *now) {
    unsigned line = 1;
    size_t i = 0;
    for (; i < old->len && i < now->len && old->text[i] == now->text[i]; i++)
        line += now->text[i] == '\n';
    return i == old->len && i == now->len ? 0 : line;
}

void source_first_change(const struct script_source *old, const struct script_source *now,
                         char *ret, size_t size) {
    *ret = '\0';
    for (size_t i = 0; i < now->count; i++) {
        const struct script_file *before = file_of(old, now->files[i].path);
        unsigned line = before ? line_of_change(before, &now->files[i]) : 1;
        if (line > 0) {
            snprintf(ret, size, "%s:%u", now->files[i].path, line);
            return;
        }
    }
    for (size_t i = 0; i < old->count; i++)
        if (file_of(now, old->files[i].path) == NULL) {
            snprintf(ret, size, "%s is gone", old->files[i].path);
            return;
        }
}
