#include "runtime/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { MOST_BYTES = 1 << 20, MOST_FILES = 256, MOST_DEPTH = 4 };

struct counted { /* the reference count beside the public part */
    struct script_source source;
    unsigned refs;
    size_t cap;
    const char *root; /* while reading: resolved, or NULL */
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

static int system_error(struct error *err, const char *path) {
    int code = errno == ENOENT || errno == ENOTDIR ? ERROR_NOT_FOUND
               : errno == EACCES                   ? ERROR_FORBIDDEN
                                                   : ERROR_UNAVAILABLE;
    return error_set(err, code, "%s: %s", path, strerror(errno));
}

static int read_text(const char *path, char **ret, size_t *ret_len, struct error *err) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return system_error(err, path);
    char *text = NULL;
    size_t len = 0;
    int rc = 0;
    if (fstat(fd, &info) < 0)
        rc = system_error(err, path);
    else if (!S_ISREG(info.st_mode))
        rc = error_set(err, ERROR_INVALID, "%s: not a file", path);
    else if ((text = mem_alloc(MOST_BYTES + 1)) == NULL)
        rc = error_set(err, ERROR_NOMEM, "%s: no memory", path);
    while (rc == 0 && len <= MOST_BYTES) {
        ssize_t got = read(fd, text + len, MOST_BYTES + 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = system_error(err, path);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    if (rc == 0 && len > MOST_BYTES)
        rc = error_set(err, ERROR_INVALID, "%s: larger than %d KiB", path, MOST_BYTES >> 10);
    char *fitted = rc == 0 ? mem_strndup(text, len) : NULL;
    if (rc == 0 && fitted == NULL)
        rc = error_set(err, ERROR_NOMEM, "%s: no memory", path);
    mem_free(text);
    *ret = fitted;
    *ret_len = len;
    return rc;
}

static int check_inside(const char *root, const char *path, struct error *err) {
    char *real = root ? realpath(path, NULL) : NULL;
    if (root && real == NULL)
        return system_error(err, path);
    size_t len = root ? strlen(root) : 0;
    int rc = 0;
    if (root && (strncmp(real, root, len) != 0 || (len > 1 && real[len] != '/' && real[len])))
        rc = error_set(err, ERROR_FORBIDDEN, "%s: leads out of the folder %s", path, root);
    free(real);
    return rc;
}

/* `shown` is what messages call it; takes nothing over on failure. */
static int add_file(struct counted *counted, const char *path, const char *shown,
                    const char *module, struct error *err) {
    struct script_source *source = &counted->source;
    struct script_file file = {0};
    if (source->count == MOST_FILES)
        return error_set(err, ERROR_INVALID, "%s: more than %d files", shown, MOST_FILES);
    int rc = check_inside(counted->root, path, err);
    if (rc == 0)
        rc = read_text(path, &file.text, &file.len, err);
    if (rc < 0)
        return rc;
    file.path = mem_strdup(shown);
    file.module = mem_strdup(module);
    if (file.path == NULL || file.module == NULL ||
        mem_grow(&source->files, &counted->cap, source->count + 1, sizeof file) < 0) {
        mem_free(file.path);
        mem_free(file.module);
        mem_free(file.text);
        return error_set(err, ERROR_NOMEM, "%s: no memory", shown);
    }
    source->files[source->count++] = file;
    return 0;
}

static bool is_lua(const char *name) {
    struct str text = str_of(name);
    return name[0] != '.' && name[0] != '#' && str_ends_with(text, ".lua") &&
           !str_ends_with(text, "_test.lua");
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* The modules of a folder, init.lua excepted: "network/util.lua" is "network.util". */
static int add_modules(struct counted *counted, const char *folder, const char *shown,
                       const char *prefix, int depth, struct error *err) {
    struct dirent **entries = NULL;
    int rc = check_inside(counted->root, folder, err);
    int count = rc == 0 ? scandir(folder, &entries, wanted, compare_names) : 0;
    if (count < 0)
        return system_error(err, folder);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        CLEANUP(mem_freep) char *path = mem_printf("%s/%s", folder, name);
        CLEANUP(mem_freep) char *label = mem_printf("%s/%s", shown, name);
        struct stat info;
        if (rc == 0 && (path == NULL || label == NULL))
            rc = error_set(err, ERROR_NOMEM, "%s: no memory", folder);
        if (rc == 0 && stat(path, &info) == 0) {
            size_t stem = strlen(name) - (is_lua(name) ? 4 : 0);
            CLEANUP(mem_freep) char *module = mem_printf("%s.%.*s", prefix, (int)stem, name);
            if (module == NULL)
                rc = error_set(err, ERROR_NOMEM, "%s: no memory", folder);
            else if (S_ISDIR(info.st_mode) && depth < MOST_DEPTH)
                rc = add_modules(counted, path, label, module, depth + 1, err);
            else if (S_ISREG(info.st_mode) && is_lua(name) &&
                     !(depth == 0 && strcmp(name, "init.lua") == 0))
                rc = add_file(counted, path, label, module, err);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
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

static int fill(struct counted *counted, const char *path, const char *base, bool folder,
                struct error *err) {
    const char *name = counted->source.name;
    if (!folder)
        return add_file(counted, path, base, name, err);
    CLEANUP(mem_freep) char *entry = mem_printf("%s/init.lua", path);
    CLEANUP(mem_freep) char *shown = mem_printf("%s/init.lua", base);
    if (entry == NULL || shown == NULL)
        return error_set(err, ERROR_NOMEM, "%s: no memory", path);
    int rc = add_file(counted, entry, shown, name, err);
    return rc < 0 ? rc : add_modules(counted, path, base, name, 0, err);
}

static int check_entry(const struct script_source *source, struct error *err) {
    if (source->count > 0 && !blank(&source->files[0]))
        return 0;
    return error_set(err, ERROR_INVALID,
                     "%s: the file is empty; return a definition, or delete it to remove the "
                     "controller",
                     source->count > 0 ? source->files[0].path : source->name);
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
    struct counted *counted = mem_zalloc(sizeof *counted);
    if (counted == NULL || (counted->source.name = mem_strdup(name)) == NULL) {
        mem_free(counted);
        error_set(err, ERROR_NOMEM, "%s: no memory", name);
        return NULL;
    }
    counted->refs = 1;
    struct script_source *source = &counted->source;
    if (copy_files(source, files, count, err) < 0 || check_entry(source, err) < 0) {
        script_source_unref(source);
        return NULL;
    }
    source->hash = hash_of(source);
    return source;
}

static void free_path(char **path) { /* realpath's, so libc's */
    free(*path);
}

struct script_source *source_read(const char *path, const char *root, struct error *err) {
    struct stat info;
    CLEANUP(free_path) char *real_root = root ? realpath(root, NULL) : NULL;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (stat(path, &info) < 0 || (root && real_root == NULL)) {
        system_error(err, path);
        return NULL;
    }
    bool folder = S_ISDIR(info.st_mode);
    struct counted *counted = mem_zalloc(sizeof *counted);
    if (counted)
        counted->source.name = mem_strndup(base, strlen(base) - (folder ? 0 : 4));
    if (counted == NULL || counted->source.name == NULL) {
        mem_free(counted);
        error_set(err, ERROR_NOMEM, "%s: no memory", path);
        return NULL;
    }
    counted->refs = 1;
    counted->root = real_root;
    struct script_source *source = &counted->source;
    int rc = fill(counted, path, base, folder, err);
    counted->root = NULL;
    if (rc == 0)
        rc = check_entry(source, err);
    if (rc < 0) {
        script_source_unref(source);
        return NULL;
    }
    source->hash = hash_of(source);
    return source;
}

/* Scanning */

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
    if (!is_lua(base))
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
    if (is_lua(name))
        return stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? 0
                                                               : scan_file(set, path, folder, err);
    if (stat(init, &info) == 0)
        return add_entry(set, path, name, folder, err);
    return 0;
}

int source_scan(const char *const *folders, struct source_set *ret, struct error *err) {
    int result = 0;
    *ret = (struct source_set){0};
    for (; *folders; folders++) {
        struct dirent **entries = NULL;
        struct stat info;
        int rc = 0;
        if (stat(*folders, &info) == 0 && S_ISREG(info.st_mode)) {
            rc = scan_file(ret, *folders, NULL, err);
            result = rc < 0 ? rc : result;
            continue;
        }
        int count = scandir(*folders, &entries, wanted, compare_names);
        if (count < 0)
            result = system_error(err, *folders);
        for (int i = 0; i < count; i++) {
            if (rc == 0)
                rc = scan_one(ret, *folders, entries[i]->d_name, err);
            free(entries[i]);
        }
        free(entries);
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
