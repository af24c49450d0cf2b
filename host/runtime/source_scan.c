#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "runtime/source_internal.h"

static int add_entry(struct source_set *set, const char *path, const char *name, const char *root,
                     struct error *err) {
    struct source_entry *entry = mem_zalloc(sizeof *entry);
    CLEANUP(mem_freep) char *second = NULL;
    if (entry == NULL)
        return error_set(err, ERROR_NOMEM, "%s: no memory", path);
    if (map_get(&set->by_name, str_of(name))) {
        second = mem_printf("%s (second)", name);
        error_set(&entry->error, ERROR_EXISTS, "%s: another folder has a controller \"%s\" already",
                  path, name);
        name = second;
    } else {
        entry->source = source_read(path, root, &entry->error);
        if (entry->source)
            entry->error.code = 0;
    }
    void *old = NULL;
    if (name == NULL || map_set(&set->by_name, str_of(name), entry, &old) < 0) {
        script_source_unref(entry->source);
        mem_free(entry);
        return error_set(err, ERROR_NOMEM, "%s: no memory", path);
    }
    mem_free(old);
    return 0;
}

int source_set_add(struct source_set *set, struct script_source *source, struct error *err) {
    if (map_get(&set->by_name, str_of(source->name)))
        return error_set(err, ERROR_EXISTS, "there is a file \"%s\" already", source->name);
    struct source_entry *entry = mem_zalloc(sizeof *entry);
    if (entry == NULL || map_set(&set->by_name, str_of(source->name), entry, NULL) < 0) {
        mem_free(entry);
        return error_set(err, ERROR_NOMEM, "%s: no memory", source->name);
    }
    entry->source = script_source_ref(source);
    return 0;
}

static int scan_file(struct source_set *set, const char *path, const char *root,
                     struct error *err) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (!source_is_lua(base))
        return error_set(err, ERROR_INVALID, "%s: not a .lua file", path);
    CLEANUP(mem_freep) char *name = mem_strndup(base, strlen(base) - 4);
    return name ? add_entry(set, path, name, root, err)
                : error_set(err, ERROR_NOMEM, "%s: no memory", path);
}

static int scan_one(struct source_set *set, const char *folder, const char *name,
                    struct error *err) {
    struct stat info;
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", folder, name);
    CLEANUP(mem_freep) char *init = mem_printf("%s/%s/init.lua", folder, name);
    if (path == NULL || init == NULL)
        return error_set(err, ERROR_NOMEM, "%s: no memory", folder);
    if (source_is_lua(name))
        return stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? 0
                                                               : scan_file(set, path, folder, err);
    if (stat(init, &info) == 0)
        return add_entry(set, path, name, folder, err);
    return 0;
}

static int scan_folder(struct source_set *set, const char *folder, struct error *err) {
    struct dirent **entries = NULL;
    int rc = 0, count = source_list(folder, &entries, err);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = scan_one(set, folder, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int source_scan(const char *const *folders, struct source_set *ret, struct error *err) {
    int result = 0;
    *ret = (struct source_set){0};
    for (; *folders; folders++) {
        struct stat info;
        bool file = stat(*folders, &info) == 0 && S_ISREG(info.st_mode);
        int rc = file ? scan_file(ret, *folders, NULL, err) : scan_folder(ret, *folders, err);
        result = rc < 0 ? rc : result;
    }
    return result;
}

void source_set_finish(struct source_set *set) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&set->by_name, &at));) {
        struct source_entry *one = entry->value;
        script_source_unref(one->source);
        mem_free(one);
    }
    map_finish(&set->by_name);
}
