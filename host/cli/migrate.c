#include <stdio.h>

#include "addon/migration.h"
#include "base/list.h"
#include "cli/command.h"
#include "http/http.h"
#include "kube/config.h"

static const struct option_spec specs[] = {
    {"kubeconfig", OPTION_TEXT, "FILE", NULL, NULL,
     "kubeconfig; else KUBECONFIG, the service account, ~/.kube/config"},
    {"context", OPTION_TEXT, "NAME", NULL, NULL, "context of the kubeconfig"},
    OPTIONS_END,
};

struct migrate { /* the CRDs one after the other */
    const struct options *options;
    struct loop *loop;
    struct kube_config *config;
    struct http_transport *watches, *calls;
    struct kube_client *client;
    struct migration *migration;
    struct loop_timer next;
    size_t at, failed;
};

static void on_progress(void *context, const char *crd, size_t migrated) {
    (void)context;
    fprintf(stderr, "%s: %zu objects\n", crd, migrated);
}

static void on_done(void *context, const struct migration_result *result, const struct error *err) {
    struct migrate *migrate = context;
    const char *crd = migrate->options->arguments[migrate->at];
    if (err) {
        cli_fail(err);
        migrate->failed++;
    } else if (result->needed) {
        printf("%s: %zu objects are stored as %s\n", crd, result->migrated, result->version);
    } else {
        printf("%s: all objects are stored as %s already\n", crd, result->version);
    }
    migrate->at++;
    loop_timer_start(&migrate->next, 0);
}

static void start_next(struct migrate *migrate) {
    struct error err;
    migration_destroy(migrate->migration);
    migrate->migration = NULL;
    if (migrate->at == migrate->options->argument_count) {
        loop_stop(migrate->loop);
        return;
    }
    struct migration_options options = {.client = migrate->client,
                                        .loop = migrate->loop,
                                        .crd = migrate->options->arguments[migrate->at],
                                        .progress = on_progress,
                                        .done = on_done,
                                        .context = migrate};
    migrate->migration = migration_start(&options, &err);
    if (migrate->migration == NULL) {
        cli_fail(&err);
        migrate->failed++;
        loop_stop(migrate->loop);
    }
}

static void on_next(struct loop_timer *timer) {
    start_next(CONTAINER_OF(timer, struct migrate, next));
}

static int open_migrate(struct migrate *migrate, const struct command_context *context,
                        struct error *err) {
    struct kube_config_options where = {.kubeconfig = option_text(migrate->options, "kubeconfig"),
                                        .context = option_text(migrate->options, "context"),
                                        .env = (const char *const *)context->env};
    if ((migrate->config = kube_config_load(&where, err)) == NULL ||
        (migrate->loop = loop_create(context->clock, err)) == NULL ||
        (migrate->watches = context->open_transport(migrate->loop, err)) == NULL ||
        (migrate->calls = context->open_transport(migrate->loop, err)) == NULL)
        return err->code;
    struct kube_client_options options = {.loop = migrate->loop,
                                          .config = migrate->config,
                                          .watches = migrate->watches,
                                          .calls = migrate->calls,
                                          .user_agent = "moonlet/" MOONLET_VERSION " (linux)"};
    migrate->client = kube_client_create(&options, err);
    return migrate->client ? 0 : err->code;
}

static void close_migrate(struct migrate *migrate) {
    migration_destroy(migrate->migration);
    kube_client_destroy(migrate->client);
    if (migrate->calls)
        migrate->calls->destroy(migrate->calls);
    if (migrate->watches)
        migrate->watches->destroy(migrate->watches);
    kube_config_destroy(migrate->config);
    loop_destroy(migrate->loop);
}

static int run(const struct command_context *context, struct options *options) {
    struct migrate migrate = {.options = options};
    struct error err;
    if (options->argument_count == 0) {
        error_set(&err, ERROR_INVALID, "which CRD? as in moonlet migrate crontabs.example.com");
        return cli_usage(options->command, &err);
    }
    int rc = open_migrate(&migrate, context, &err);
    if (rc == 0) {
        loop_timer_init(migrate.loop, &migrate.next, on_next);
        loop_timer_start(&migrate.next, 0);
        loop_run(migrate.loop);
    }
    close_migrate(&migrate);
    return rc < 0 ? cli_fail(&err) : migrate.failed ? EXIT_FAILED : EXIT_OK;
}

const struct command command_migrate = {
    "migrate",
    "CRD...",
    "Writes all objects of CRDs anew in their storage version.",
    "Needed before an older version may be taken out of a CRD: it lists the objects, sends each "
    "an\n"
    "empty patch, which stores it anew, and then cuts status.storedVersions down to the storage\n"
    "version. It may be cut off and run again. Objects are converted on the way, so a host that\n"
    "answers for the CRD's converter must run.",
    specs,
    run};
