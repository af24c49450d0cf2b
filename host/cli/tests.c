#include "cli/tests.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

static const char suffix[] = "_test.lua";

struct running {
    struct loader *loader;
    struct tests_count *count;
    const char *root; /* the folder that was given, or NULL: a file was */
};

static bool is_test(const char *name) {
    return name[0] != '.' && str_ends_with(str_of(name), suffix) && strlen(name) >= sizeof suffix;
}

static const struct loaded *find(const struct loader *loader, struct str name) {
    for (size_t i = 0; i < loader_count(loader); i++) {
        const struct loaded *file = loader_at(loader, i);
        if (file->source && str_equal(str_of(file->source->name), name))
            return file;
    }
    return NULL;
}

static void fail(struct running *running, const char *message) {
    fprintf(stderr, "%s\n", message);
    running->count->failed++;
}

/* "file:line: sentence: what was wrong" */
static void print_failure(const char *sentence, const char *problem) {
    const char *at = strstr(problem, ": ");
    if (at)
        fprintf(stderr, "%.*s: %s: %s\n", (int)(at - problem), problem, sentence, at + 2);
    else
        fprintf(stderr, "%s: %s\n", sentence, problem);
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void count_cases(struct running *running, const char *path, const char *json) {
    json_t *declaration = json_loads(json, 0, NULL), *one;
    json_t *cases = json_object_get(declaration, "tests");
    size_t i, passed = 0;
    json_array_foreach(cases, i, one) {
        if (json_is_true(json_object_get(one, "ok"))) {
            passed++;
        } else {
            print_failure(text_of(one, "sentence"), text_of(one, "problem"));
            running->count->failed++;
        }
    }
    running->count->passed += passed;
    if (json_array_size(cases) == 0) {
        CLEANUP(mem_freep) char *message = mem_printf("%s: there is no t.case in it", path);
        fail(running, message ? message : path);
    }
    json_decref(declaration);
}

/* The test file as the entry, the controller's files as modules. */
static int run_source(struct running *running, const struct script_source *test,
                      const struct script_source *controller, struct error *err) {
    CLEANUP(mem_freep)
    struct script_file *files = mem_calloc(controller->count + 1, sizeof *files);
    if (files == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    files[0] = test->files[0];
    memcpy(files + 1, controller->files, controller->count * sizeof *files);
    struct script_source both = {
        .name = test->name, .files = files, .count = controller->count + 1, .hash = test->hash};
    struct error failure;
    CLEANUP(mem_freep) char *json = loader_test(running->loader, &both, &failure);
    if (json)
        count_cases(running, files[0].path, json);
    else if (failure.code == ERROR_NOMEM && failure.message[0] == '\0')
        return error_set(err, ERROR_NOMEM, "no memory");
    else
        fail(running, failure.message);
    return 0;
}

static int run_file(struct running *running, const char *folder, const char *name,
                    const struct loaded *owner, struct error *err) {
    if (owner->error.code != 0)
        return 0; /* said already */
    struct error failure;
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", folder, name);
    if (path == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    struct script_source *test = source_read(path, running->root, &failure);
    if (test == NULL) {
        fail(running, failure.message);
        return 0;
    }
    int rc = run_source(running, test, owner->source, err);
    script_source_unref(test);
    return rc;
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_folder(struct running *running, const char *folder, const struct loaded *owner,
                      struct error *err);

/* `owner`: the controller whose folder it is, or NULL in a folder of controllers. */
static int run_entry(struct running *running, const char *folder, const char *name,
                     const struct loaded *owner, struct error *err) {
    struct stat info;
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", folder, name);
    if (path == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    if (stat(path, &info) < 0)
        return 0; /* gone meanwhile */
    if (S_ISDIR(info.st_mode)) {
        const struct loaded *file = owner ? NULL : find(running->loader, str_of(name));
        return file ? run_folder(running, path, file, err) : 0;
    }
    if (!is_test(name))
        return 0;
    if (owner == NULL)
        owner = find(running->loader, str_n(name, strlen(name) - (sizeof suffix - 1)));
    if (owner)
        return run_file(running, folder, name, owner, err);
    CLEANUP(mem_freep)
    char *message = mem_printf("%s: there is no %.*s.lua beside it", name,
                               (int)(strlen(name) - (sizeof suffix - 1)), name);
    fail(running, message ? message : name);
    return 0;
}

static int run_folder(struct running *running, const char *folder, const struct loaded *owner,
                      struct error *err) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, wanted, compare_names), rc = 0;
    if (count < 0)
        return error_set(err, errno == EACCES ? ERROR_FORBIDDEN : ERROR_NOT_FOUND, "%s: %s", folder,
                         strerror(errno));
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = run_entry(running, folder, entries[i]->d_name, owner, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* The test of one file that was named: "dir/app.lua" has "dir/app_test.lua". */
static int run_beside(struct running *running, const char *path, struct error *err) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    struct stat info;
    if (!str_ends_with(str_of(base), ".lua"))
        return 0;
    int stem = (int)strlen(base) - 4;
    CLEANUP(mem_freep)
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    CLEANUP(mem_freep) char *name = mem_printf("%.*s%s", stem, base, suffix);
    CLEANUP(mem_freep) char *test = mem_printf("%s/%s", folder ? folder : ".", name ? name : "");
    if (folder == NULL || name == NULL || test == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    if (stat(test, &info) < 0)
        return 0;
    return run_entry(running, folder, name, NULL, err);
}

int tests_run(struct loader *loader, const char *const *folders, struct tests_count *ret,
              struct error *err) {
    struct running running = {loader, ret, NULL};
    *ret = (struct tests_count){0};
    for (; *folders; folders++) {
        struct stat info;
        bool file = stat(*folders, &info) == 0 && S_ISREG(info.st_mode);
        running.root = file ? NULL : *folders;
        int rc =
            file ? run_beside(&running, *folders, err) : run_folder(&running, *folders, NULL, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
