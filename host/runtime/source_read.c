#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime/source_internal.h"

enum { MOST_BYTES = 1 << 20, MOST_FILES = 256, MOST_DEPTH = 4 };

struct reader {
    struct script_source *source; /* so far */
    size_t cap;                   /* of its files */
    const char *root;             /* nothing out of it, links resolved; NULL: from anywhere */
};

static int system_error(struct error *err, const char *path) {
    int code = errno == ENOENT || errno == ENOTDIR ? ERROR_NOT_FOUND
               : errno == EACCES                   ? ERROR_FORBIDDEN
                                                   : ERROR_UNAVAILABLE;
    return error_set(err, code, "%s: %s", path, strerror(errno));
}

static int read_text(const char *path, struct strbuf *ret, struct error *err) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return system_error(err, path);
    int rc = 0;
    if (fstat(fd, &info) < 0)
        rc = system_error(err, path);
    else if (!S_ISREG(info.st_mode))
        rc = error_set(err, ERROR_INVALID, "%s: not a file", path);
    else if (fd_read_all(fd, MOST_BYTES, ret) < 0)
        rc = errno == EFBIG
                 ? error_set(err, ERROR_INVALID, "%s: larger than %d KiB", path, MOST_BYTES >> 10)
             : errno == ENOMEM ? error_set(err, ERROR_NOMEM, "%s: no memory", path)
                               : system_error(err, path);
    close(fd);
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
static int add_file(struct reader *reader, const char *path, const char *shown, const char *module,
                    struct error *err) {
    struct script_source *source = reader->source;
    struct script_file file = {0};
    struct strbuf text = {0};
    if (source->count == MOST_FILES)
        return error_set(err, ERROR_INVALID, "%s: more than %d files", shown, MOST_FILES);
    int rc = check_inside(reader->root, path, err);
    if (rc == 0)
        rc = read_text(path, &text, err);
    if (rc == 0)
        file = (struct script_file){.path = mem_strdup(shown),
                                    .module = mem_strdup(module),
                                    .text = mem_strndup(text.data, text.len),
                                    .len = text.len};
    strbuf_finish(&text);
    if (rc < 0)
        return rc;
    if (file.path == NULL || file.module == NULL || file.text == NULL ||
        mem_grow(&source->files, &reader->cap, source->count + 1, sizeof file) < 0) {
        mem_free(file.path);
        mem_free(file.module);
        mem_free(file.text);
        return error_set(err, ERROR_NOMEM, "%s: no memory", shown);
    }
    source->files[source->count++] = file;
    return 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

int source_list(const char *folder, struct dirent ***ret, struct error *err) {
    int count = scandir(folder, ret, is_visible, compare_names);
    return count < 0 ? system_error(err, folder) : count;
}

bool source_is_lua(const char *name) {
    struct str text = str_of(name);
    return name[0] != '.' && name[0] != '#' && str_ends_with(text, ".lua") &&
           !str_ends_with(text, "_test.lua");
}

static int add_modules(struct reader *reader, const char *folder, const char *shown,
                       const char *prefix, int depth, struct error *err);

static int add_module(struct reader *reader, const char *folder, const char *shown,
                      const char *prefix, const char *name, int depth, struct error *err) {
    struct stat info;
    size_t stem = strlen(name) - (source_is_lua(name) ? 4 : 0);
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", folder, name);
    CLEANUP(mem_freep) char *label = mem_printf("%s/%s", shown, name);
    CLEANUP(mem_freep) char *module = mem_printf("%s.%.*s", prefix, (int)stem, name);
    if (path == NULL || label == NULL || module == NULL)
        return error_set(err, ERROR_NOMEM, "%s: no memory", folder);
    if (stat(path, &info) < 0)
        return 0;
    if (S_ISDIR(info.st_mode) && depth < MOST_DEPTH)
        return add_modules(reader, path, label, module, depth + 1, err);
    bool init = depth == 0 && strcmp(name, "init.lua") == 0;
    return S_ISREG(info.st_mode) && source_is_lua(name) && !init
               ? add_file(reader, path, label, module, err)
               : 0;
}

/* The modules of a folder, init.lua excepted: "network/util.lua" is "network.util". */
static int add_modules(struct reader *reader, const char *folder, const char *shown,
                       const char *prefix, int depth, struct error *err) {
    struct dirent **entries = NULL;
    int rc = check_inside(reader->root, folder, err);
    int count = rc == 0 ? source_list(folder, &entries, err) : 0;
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = add_module(reader, folder, shown, prefix, entries[i]->d_name, depth, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int fill(struct reader *reader, const char *path, const char *base, bool folder,
                struct error *err) {
    const char *name = reader->source->name;
    if (!folder)
        return add_file(reader, path, base, name, err);
    CLEANUP(mem_freep) char *entry = mem_printf("%s/init.lua", path);
    CLEANUP(mem_freep) char *shown = mem_printf("%s/init.lua", base);
    if (entry == NULL || shown == NULL)
        return error_set(err, ERROR_NOMEM, "%s: no memory", path);
    int rc = add_file(reader, entry, shown, name, err);
    return rc < 0 ? rc : add_modules(reader, path, base, name, 0, err);
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
    struct reader reader = {.source = source_new(str_n(base, strlen(base) - (folder ? 0 : 4)), err),
                            .root = real_root};
    if (reader.source == NULL)
        return NULL;
    if (fill(&reader, path, base, folder, err) == 0)
        return source_seal(reader.source, err);
    script_source_unref(reader.source);
    return NULL;
}
