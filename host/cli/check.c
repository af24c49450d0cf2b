#include <stdio.h>

#include "cli/tests.h"
#include "runtime/schedule.h"

static const struct option_spec specs[] = {
    OPTION_SET,
    OPTION_CONFIG,
    OPTIONS_END,
};

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

/* What loads but is probably not meant. Returns how many errors; warnings do not count. */
static size_t lint(const struct loaded *file, size_t *definitions, size_t *crds) {
    size_t errors = 0;
    *definitions += file->declaration->count;
    *crds += file->declaration->crd_count;
    for (size_t i = 0; i < file->declaration->count; i++) {
        const struct definition *d = &file->declaration->definitions[i];
        struct error err;
        if (d->type == DEFINITION_SCHEDULE) {
            struct schedule *schedule = schedule_parse(d->cron, d->zone, &err);
            if (schedule == NULL) {
                fprintf(stderr, "%s: schedule \"%s\": %s\n", d->source, d->name, err.message);
                errors++;
            }
            schedule_destroy(schedule);
        }
        if (d->handlers == HANDLER_FINALIZE)
            fprintf(stderr,
                    "%s: warning: \"%s\" has finalize but no reconcile: it holds objects "
                    "that it never serves\n",
                    d->source, d->name);
        if (d->owns_count > 0 && !(d->handlers & (HANDLER_RECONCILE | HANDLER_EVENT)))
            fprintf(stderr, "%s: warning: \"%s\" owns kinds but has no reconcile\n", d->source,
                    d->name);
        if (d->indexes && d->index_count > 0 && !(d->handlers & HANDLER_RECONCILE))
            fprintf(stderr, "%s: warning: \"%s\" declares an index but has no reconcile\n",
                    d->source, d->name);
    }
    return errors;
}

static int check(const struct command_context *context, struct options *options) {
    const char *const *folders = cli_folders(options);
    struct error err;
    if (folders == NULL)
        return EXIT_USAGE;
    struct loader *loader = loader_open(context, options, folders, &err);
    if (loader == NULL)
        return cli_fail(&err);
    size_t failed = loader_print_errors(loader), definitions = 0, crds = 0;
    size_t files = loader_count(loader);
    for (size_t i = 0; i < files; i++)
        if (loader_at(loader, i)->error.code == 0)
            failed += lint(loader_at(loader, i), &definitions, &crds);
    struct tests_count tests;
    int rc = tests_run(context, loader, folders, &tests, &err);
    loader_close(loader);
    if (rc < 0)
        return cli_fail(&err);
    failed += tests.failed;
    if (files == 0) {
        fprintf(stderr, "moonlet: there is no controller file; try: moonlet new hello\n");
        return EXIT_FAILED;
    }
    printf("%zu file%s, %zu definition%s, %zu CRD%s", files, plural(files), definitions,
           plural(definitions), crds, plural(crds));
    if (tests.passed + tests.failed > 0)
        printf(", %zu case%s passed", tests.passed, plural(tests.passed));
    if (tests.passed_over > 0)
        printf(", %zu left to `moonlet test`", tests.passed_over);
    if (failed == 0)
        printf(": ok\n");
    else
        printf(": %zu error%s\n", failed, plural(failed));
    return failed ? EXIT_FAILED : EXIT_OK;
}

const struct command command_check = {
    "check",
    "DIR...",
    "Loads and checks controller files and runs their tests; needs no cluster.",
    "Compiles and loads every file as `run` would, checks what it declares, runs the\n"
    "*_test.lua files beside the controllers, but for the cases that need a\n"
    "simulated cluster, and says file:line: what is wrong. Exits 1 when something is.",
    specs,
    check};
