#include "cli/suite.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

static const char suffix[] = "_test.lua";

struct finding {
    struct suite *suite;
    struct source_set controllers;
    const char *root; /* the folder that was given, or NULL: a file was */
};

static bool is_test(const char *name) {
    return name[0] != '.' && str_ends_with(str_of(name), suffix) && strlen(name) >= sizeof suffix;
}

static struct script_source *find(const struct finding *finding, struct str name) {
    const struct source_entry *entry = map_get(&finding->controllers.by_name, name);
    return entry ? entry->source : NULL;
}

/* The test file as the entry, the controller's files as modules. */
static struct script_source *join(const struct script_source *test,
                                  const struct script_source *controller, struct error *err) {
    CLEANUP(mem_freep)
    struct script_file *files = mem_calloc(controller->count + 1, sizeof *files);
    if (files == NULL) {
        error_set(err, ERROR_NOMEM, "no memory");
        return NULL;
    }
    files[0] = test->files[0];
    memcpy(files + 1, controller->files, controller->count * sizeof *files);
    return source_create(test->name, files, controller->count + 1, err);
}

static void read_file(struct finding *finding, struct suite_file *file,
                      const struct script_source *controller) {
    struct script_source *test = source_read(file->path, finding->root, &file->error);
    if (test == NULL)
        return;
    file->source = join(test, controller, &file->error);
    script_source_unref(test);
}

static int add(struct finding *finding, const char *folder, const char *home, const char *name,
               struct str owner, struct error *err) {
    struct suite *suite = finding->suite;
    const struct script_source *controller = find(finding, owner);
    if (mem_grow(&suite->files, &suite->cap, suite->count + 1, sizeof *suite->files) < 0)
        return error_set(err, ERROR_NOMEM, "no memory");
    struct suite_file *file = &suite->files[suite->count++];
    *file = (struct suite_file){.path = mem_printf("%s/%s", folder, name),
                                .folder = mem_strdup(folder),
                                .home = mem_strdup(home),
                                .owner = mem_strndup(owner.data, owner.len)};
    if (!file->path || !file->folder || !file->home || !file->owner)
        return error_set(err, ERROR_NOMEM, "no memory");
    if (controller)
        read_file(finding, file, controller);
    else
        error_set(&file->error, ERROR_NOT_FOUND, "%s: there is no %s.lua beside it", name,
                  file->owner);
    return 0;
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int find_in(struct finding *finding, const char *folder, const char *home, const char *owner,
                   struct error *err);

static struct str stem_of(const char *name) {
    return str_n(name, strlen(name) - (sizeof suffix - 1));
}

/* `owner`: the controller whose folder it is, or NULL in a folder of controllers. */
static int find_entry(struct finding *finding, const char *folder, const char *home,
                      const char *name, const char *owner, struct error *err) {
    struct stat info;
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", folder, name);
    if (path == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    if (stat(path, &info) < 0)
        return 0; /* gone meanwhile */
    if (S_ISDIR(info.st_mode)) {
        bool controller = owner == NULL && find(finding, str_of(name));
        return controller ? find_in(finding, path, folder, name, err) : 0;
    }
    if (!is_test(name))
        return 0;
    return add(finding, folder, home, name, owner ? str_of(owner) : stem_of(name), err);
}

static int find_in(struct finding *finding, const char *folder, const char *home, const char *owner,
                   struct error *err) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, wanted, compare_names), rc = 0;
    if (count < 0)
        return error_set(err, errno == EACCES ? ERROR_FORBIDDEN : ERROR_NOT_FOUND, "%s: %s", folder,
                         strerror(errno));
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = find_entry(finding, folder, home, entries[i]->d_name, owner, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int scan(struct finding *finding, const char *path, struct error *err) {
    const char *const one[] = {path, NULL};
    int rc = source_scan(one, &finding->controllers, err);
    return rc == ERROR_NOMEM ? rc : 0;
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? mem_strdup(".")
           : slash == path ? mem_strdup("/")
                           : mem_strndup(path, (size_t)(slash - path));
}

/* The test of one file that was named: "dir/app.lua" has "dir/app_test.lua", which may be named
 * itself; one in a controller's folder is that controller's. */
static int find_beside(struct finding *finding, const char *path, struct error *err) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    struct stat info;
    if (!str_ends_with(str_of(base), ".lua"))
        return 0;
    int stem = is_test(base) ? (int)stem_of(base).len : (int)strlen(base) - 4;
    CLEANUP(mem_freep) char *folder = folder_of(path);
    CLEANUP(mem_freep) char *above = folder ? folder_of(folder) : NULL;
    CLEANUP(mem_freep) char *name = mem_printf("%.*s%s", stem, base, suffix);
    CLEANUP(mem_freep) char *test = mem_printf("%s/%s", folder ? folder : ".", name ? name : "");
    CLEANUP(mem_freep) char *init = mem_printf("%s/init.lua", folder ? folder : ".");
    CLEANUP(mem_freep)
    char *controller = mem_printf("%s/%.*s.lua", folder ? folder : ".", stem, base);
    if (!folder || !above || !name || !test || !init || !controller)
        return error_set(err, ERROR_NOMEM, "no memory");
    if (stat(test, &info) < 0)
        return 0;
    const char *last = strrchr(folder, '/');
    bool inside = stat(init, &info) == 0;
    int rc = scan(finding, inside ? above : controller, err);
    return rc < 0 ? rc
                  : find_entry(finding, folder, inside ? above : folder, name,
                               inside ? (last ? last + 1 : folder) : NULL, err);
}

static int find_all(struct finding *finding, const char *const *folders, struct error *err) {
    for (int rc = 0; *folders; folders++) {
        struct stat info;
        bool file = stat(*folders, &info) == 0 && S_ISREG(info.st_mode);
        finding->root = file ? NULL : *folders;
        if (file)
            rc = find_beside(finding, *folders, err);
        else if ((rc = scan(finding, *folders, err)) == 0)
            rc = find_in(finding, *folders, *folders, NULL, err);
        source_set_finish(&finding->controllers);
        finding->controllers = (struct source_set){0};
        if (rc < 0)
            return rc;
    }
    return 0;
}

int suite_find(const char *const *folders, struct suite *ret, struct error *err) {
    struct finding finding = {.suite = ret};
    *ret = (struct suite){0};
    int rc = find_all(&finding, folders, err);
    if (rc < 0)
        suite_finish(ret);
    return rc;
}

void suite_finish(struct suite *suite) {
    for (size_t i = 0; i < suite->count; i++) {
        struct suite_file *file = &suite->files[i];
        mem_free(file->path);
        mem_free(file->folder);
        mem_free(file->home);
        mem_free(file->owner);
        script_source_unref(file->source);
    }
    mem_free(suite->files);
    *suite = (struct suite){0};
}
