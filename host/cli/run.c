#include <stdio.h>

#include "cli/process.h"
#include "kube/config.h"

static const struct option_spec specs[] = {
    {"kubeconfig", OPTION_TEXT, "FILE", NULL, NULL,
     "kubeconfig; else KUBECONFIG, the service account, ~/.kube/config"},
    {"context", OPTION_TEXT, "NAME", NULL, NULL, "context of the kubeconfig"},
    {"leader-elect", OPTION_FLAG, NULL, "false", NULL, "reconcile only while holding the lease"},
    {"lease-name", OPTION_TEXT, "NAME", "moonlet", NULL, "name of the lease"},
    {"lease-namespace", OPTION_NAMESPACE, "NAME", NULL, NULL,
     "its namespace; else the kubeconfig's"},
    {"lease-duration", OPTION_DURATION, "TIME", "15s", NULL,
     "others may take the lease after this"},
    {"renew-deadline", OPTION_DURATION, "TIME", "10s", NULL, "the leader gives up after this"},
    {"retry-period", OPTION_DURATION, "TIME", "2s", NULL, "between tries to get or renew it"},
    PROCESS_OPTIONS_SERVING,
    {"once", OPTION_FLAG, NULL, "false", NULL,
     "end when the queues are empty and nothing is in work"},
    {"crds", OPTION_TEXT, "MODE", "apply", "apply|check|skip", "what to do about the files' CRDs"},
    {"webhooks", OPTION_TEXT, "MODE", NULL, "apply|check|skip",
     "what to do about webhook configurations; else as --crds"},
    {"webhook-bind-address", OPTION_TEXT, "ADDR", NULL, NULL,
     "HTTPS for webhooks; else :9443 with a Service, 127.0.0.1:9443 without"},
    {"webhook-host", OPTION_TEXT, "HOST", NULL, NULL,
     "what the API server calls without a Service; else the address's"},
    {"webhook-port", OPTION_NUMBER, "PORT", "0", NULL, "likewise; 0: the port listened on"},
    {"webhook-service", OPTION_TEXT, "NS/NAME[:PORT]", NULL, NULL,
     "Service in front of this host; in a cluster else moonlet"},
    {"webhook-secret", OPTION_REF, "NS/NAME", NULL, NULL,
     "Secret with the certificate replicas share; with a Service else moonlet-webhook"},
    {"webhook-cert-dir", OPTION_TEXT, "DIR", NULL, NULL,
     "tls.crt, tls.key, ca.crt that somebody else rotates, instead of our own"},
    {"webhook-cert-lifetime", OPTION_DURATION, "TIME", "2160h", NULL,
     "of a serving certificate of our own; renewed at two thirds"},
    {"webhook-resync", OPTION_DURATION, "TIME", "60s", NULL,
     "how often configurations are applied again, should somebody have edited them"},
    {"webhook-client-ca", OPTION_TEXT, "FILE", NULL, NULL,
     "callers of webhooks need a certificate of this CA"},
    PROCESS_OPTIONS_SCRIPTS,
};

static int serve(struct process *process, const struct command_context *context,
                 const struct options *options, const char *const *folders) {
    struct kube_config_options where = {.kubeconfig = option_text(options, "kubeconfig"),
                                        .context = option_text(options, "context"),
                                        .env = (const char *const *)context->env};
    struct error err;
    if (process_connect(process, &where, &err) < 0) {
        int exit_code = cli_fail(&err);
        if (err.code == ERROR_NOT_FOUND)
            fprintf(stderr, "Without a cluster: moonlet dev %s\n", folders[0]);
        return exit_code;
    }
    return process_run(process, context, options, folders, NULL);
}

static int run(const struct command_context *context, struct options *options) {
    return process_start(context, options, serve);
}

const struct command command_run = {"run",
                                    "DIR...",
                                    "Runs the controllers of the folders against a cluster.",
                                    "Every <name>.lua and <name>/init.lua is a controller file. A "
                                    "file that changes is loaded anew\n"
                                    "without losing anything; a broken one keeps its previous "
                                    "version. Each option may also be set\n"
                                    "as MOONLET_<NAME> or as a key of moonlet.yaml.",
                                    specs,
                                    run};
