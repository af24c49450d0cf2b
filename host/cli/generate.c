#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "addon/registration.h"
#include "addon/rules.h"
#include "base/mem.h"
#include "cli/load.h"
#include "yaml/yaml.h"

/* moonlet crds and moonlet rbac: YAML for kubectl apply. */

static const struct option_spec crds_specs[] = {
    {"webhook-service", OPTION_TEXT, "NS/NAME[:PORT]", "moonlet-system/moonlet", NULL,
     "Service in front of the hosts, for webhooks and converters"},
    {"lease-name", OPTION_TEXT, "NAME", "moonlet", NULL, "as for run: which installation it is"},
    OPTION_SET,
    OPTION_CONFIG,
    OPTIONS_END};
static const struct option_spec rbac_specs[] = {
    {"name", OPTION_TEXT, "NAME", "moonlet", NULL, "of the ServiceAccount and the roles"},
    {"host-namespace", OPTION_NAMESPACE, "NAME", "moonlet-system", NULL, "where the host runs"},
    {"namespace", OPTION_NAMESPACES, "NAME", NULL, NULL,
     "the host watches this namespace only; may be repeated"},
    {"lease-name", OPTION_TEXT, "NAME", "moonlet", NULL, "name of the lease"},
    {"lease-namespace", OPTION_NAMESPACE, "NAME", NULL, NULL, "its namespace; else the host's"},
    {"config-map", OPTION_REF, "NS/NAME", NULL, NULL, "ConfigMap with config values"},
    {"crds", OPTION_TEXT, "MODE", "check", "apply|check|skip",
     "may the host write the files' CRDs?"},
    {"webhooks", OPTION_TEXT, "MODE", NULL, "apply|check|skip",
     "may it write webhook configurations? else as --crds"},
    {"webhook-secret", OPTION_REF, "NS/NAME", NULL, NULL,
     "Secret with the certificate replicas share; else moonlet-webhook where the host runs"},
    OPTION_SET,
    OPTION_CONFIG,
    OPTIONS_END};

static void print_document(json_t *document) {
    struct strbuf text = {0};
    yaml_dump(document, &text);
    printf("---\n%s", text.data ? text.data : "");
    strbuf_finish(&text);
    json_decref(document);
}

static struct loader *load_all(const struct command_context *context, struct options *options,
                               int *ret_exit) {
    const char *const *folders = cli_folders(options);
    struct error err;
    *ret_exit = EXIT_USAGE;
    if (folders == NULL)
        return NULL;
    struct loader *loader = loader_open(context, options, folders, &err);
    *ret_exit = loader ? EXIT_OK : cli_fail(&err);
    if (loader && loader_print_errors(loader) > 0) { /* half a list would be worse than none */
        *ret_exit = EXIT_FAILED;
        loader_close(loader);
        return NULL;
    }
    return loader;
}

static int print_text(struct strbuf *text, struct error *err) {
    json_t *document = text->failed ? NULL : json_loadb(text->data, text->len, 0, NULL);
    strbuf_finish(text);
    if (document == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a manifest");
    print_document(document);
    return 0;
}

static int print_crds(const struct declaration *declaration,
                      const struct registration_endpoint *endpoint, struct map *printed,
                      struct error *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < declaration->crd_count; i++) {
        struct strbuf text = {0};
        struct str name = str_of(declaration->crds[i].name);
        if (map_get(printed, name))
            continue;
        rc = map_set(printed, name, (void *)1, NULL) < 0
                 ? error_set(err, ERROR_NOMEM, "no memory for a manifest")
                 : registration_crd(&declaration->crds[i], endpoint, &text, err);
        if (rc == 0)
            rc = print_text(&text, err);
    }
    return rc;
}

static int print_webhooks(const struct declaration *declaration,
                          const struct registration_endpoint *endpoint, struct error *err) {
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < declaration->count; i++)
        for (int validating = 0; rc >= 0 && validating < 2; validating++) {
            struct strbuf text = {0};
            rc = registration_write(declaration, &declaration->definitions[i], validating, endpoint,
                                    &text, err);
            if (rc > 0)
                rc = print_text(&text, err);
        }
    return rc < 0 ? rc : 0;
}

static int crds(const struct command_context *context, struct options *options) {
    int exit_code, rc;
    const char *service = option_text(options, "webhook-service"), *slash = strchr(service, '/');
    struct map printed = {0};
    struct error err;
    if (registration_check_service(service, &err) < 0)
        return cli_usage(options->command, &err);
    CLEANUP(mem_freep) char *ns = mem_strndup(service, (size_t)(slash - service));
    CLEANUP(mem_freep)
    char *instance = mem_printf("%s.%s", ns ? ns : "", option_text(options, "lease-name"));
    struct registration_endpoint endpoint = {
        .service = service, .exclude = ns, .instance = instance};
    struct loader *loader = load_all(context, options, &exit_code);
    rc = ns && instance ? 0 : error_set(&err, ERROR_NOMEM, "no memory for a manifest");
    for (size_t i = 0; loader && rc == 0 && i < loader_count(loader); i++)
        rc = print_crds(loader_at(loader, i)->declaration, &endpoint, &printed, &err);
    for (size_t i = 0; loader && rc == 0 && i < loader_count(loader); i++)
        rc = print_webhooks(loader_at(loader, i)->declaration, &endpoint, &err);
    map_finish(&printed);
    loader_close(loader);
    return rc < 0 ? cli_fail(&err) : exit_code;
}

static json_t *verbs_of(unsigned verbs) {
    json_t *list = json_array();
    for (unsigned i = 0; i < 7; i++)
        if (verbs & 1u << i)
            json_array_append_new(list, json_string(rule_verb_names[i]));
    return list;
}

/* The rules that hold in `ns` (NULL: everywhere), as a role's `rules`. */
static json_t *rules_in(const struct rules *rules, const char *ns) {
    json_t *list = json_array();
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->items[i];
        if (ns ? rule->ns == NULL || strcmp(rule->ns, ns) != 0 : rule->ns != NULL)
            continue;
        json_t *one = json_pack("{s:[s],s:[s],s:o}", "apiGroups", rule->group, "resources",
                                rule->resource, "verbs", verbs_of(rule->verbs));
        if (rule->name)
            json_object_set_new(one, "resourceNames", json_pack("[s]", rule->name));
        json_array_append_new(list, one);
    }
    return list;
}

struct role {
    const char *kind; /* "ClusterRole" or "Role" */
    const char *name, *ns, *account, *account_ns;
};

static void print_role(const struct role *role, json_t *rules) {
    char binding[32];
    if (json_array_size(rules) == 0) {
        json_decref(rules);
        return;
    }
    json_t *meta = json_pack("{s:s,s:s*}", "name", role->name, "namespace", role->ns);
    print_document(json_pack("{s:s,s:s,s:O,s:o}", "apiVersion", "rbac.authorization.k8s.io/v1",
                             "kind", role->kind, "metadata", meta, "rules", rules));
    snprintf(binding, sizeof binding, "%sBinding", role->kind);
    print_document(json_pack("{s:s,s:s,s:o,s:{s:s,s:s,s:s},s:[{s:s,s:s,s:s}]}", "apiVersion",
                             "rbac.authorization.k8s.io/v1", "kind", binding, "metadata", meta,
                             "roleRef", "apiGroup", "rbac.authorization.k8s.io", "kind", role->kind,
                             "name", role->name, "subjects", "kind", "ServiceAccount", "name",
                             role->account, "namespace", role->account_ns));
}

/* One ClusterRole, and a Role for each namespace in which rules are enough. */
static void print_roles(const struct rules *rules, const char *name, const char *account,
                        const char *account_ns) {
    struct map done = {0};
    struct role role = {"ClusterRole", name, NULL, account, account_ns};
    print_role(&role, rules_in(rules, NULL));
    role.kind = "Role";
    for (size_t i = 0; i < rules->count; i++) {
        role.ns = rules->items[i].ns;
        if (role.ns == NULL || map_get(&done, str_of(role.ns)) ||
            map_set(&done, str_of(role.ns), (void *)1, NULL) < 0)
            continue;
        print_role(&role, rules_in(rules, role.ns));
    }
    map_finish(&done);
}

static int print_definition(const struct declaration *declaration,
                            const struct definition *definition, const char *account,
                            const struct rules_host *host, struct error *err) {
    struct rules rules = {0};
    CLEANUP(mem_freep) char *name = mem_printf("%s-%s", account, definition->name);
    int rc = name ? rules_for_definition(&rules, declaration, definition, host->namespaces, err)
                  : error_set(err, ERROR_NOMEM, "no memory for the permissions");
    if (rc == 0)
        print_roles(&rules, name, account, host->ns);
    rules_finish(&rules);
    return rc;
}

static int print_host(struct loader *loader, const char *account, const struct rules_host *host,
                      struct error *err) {
    struct rules rules = {0};
    size_t count = loader_count(loader);
    const struct declaration **all = mem_calloc(count, sizeof *all);
    int rc = all ? 0 : error_set(err, ERROR_NOMEM, "no memory for the permissions");
    for (size_t i = 0; rc == 0 && i < count; i++)
        all[i] = loader_at(loader, i)->declaration;
    if (rc == 0)
        rc = rules_for_host(&rules, all, count, host, err);
    if (rc == 0)
        print_roles(&rules, account, account, host->ns);
    mem_free(all);
    rules_finish(&rules);
    return rc;
}

static int rbac(const struct command_context *context, struct options *options) {
    const char *account = option_text(options, "name"),
               *ns = option_text(options, "host-namespace");
    const char *lease_ns = option_text(options, "lease-namespace");
    const char *crds = option_text(options, "crds"), *webhooks = option_text(options, "webhooks");
    const char *secret = option_text(options, "webhook-secret");
    CLEANUP(mem_freep) char *default_secret = mem_printf("%s/moonlet-webhook", ns);
    struct rules_host host = {.ns = ns,
                              .lease_name = option_text(options, "lease-name"),
                              .lease_ns = lease_ns ? lease_ns : ns,
                              .config_map = option_text(options, "config-map"),
                              .namespaces = cli_namespaces(options),
                              .apply_crds = strcmp(crds, "apply") == 0,
                              .apply_webhooks = strcmp(webhooks ? webhooks : crds, "apply") == 0,
                              .webhook_secret = secret ? secret : default_secret};
    int exit_code;
    struct loader *loader = load_all(context, options, &exit_code);
    struct error err;
    int rc = 0;
    if (loader == NULL)
        return exit_code;
    print_document(json_pack("{s:s,s:s,s:{s:s,s:s}}", "apiVersion", "v1", "kind", "ServiceAccount",
                             "metadata", "name", account, "namespace", ns));
    rc = print_host(loader, account, &host, &err);
    for (size_t i = 0; rc == 0 && i < loader_count(loader); i++) {
        const struct declaration *declaration = loader_at(loader, i)->declaration;
        for (size_t k = 0; rc == 0 && k < declaration->count; k++)
            rc = print_definition(declaration, &declaration->definitions[k], account, &host, &err);
    }
    loader_close(loader);
    return rc < 0 ? cli_fail(&err) : EXIT_OK;
}

const struct command command_crds = {
    "crds",
    "DIR...",
    "Prints the CustomResourceDefinitions and webhook configurations of controller files.",
    "For clusters in which the host may not write them: moonlet crds DIR | kubectl apply -f -\n"
    "What calls the host goes through a Service; the caBundle is filled in by the running host\n"
    "(--webhooks=check), or by whoever makes the certificates.",
    crds_specs,
    crds};
const struct command command_rbac = {
    "rbac",
    "DIR...",
    "Prints the least-privilege RBAC that controller files need.",
    "A ServiceAccount, the host's own rules, and the roles of each definition with their "
    "bindings,\n"
    "computed from what the files declare and from the options that `run` will be given. With\n"
    "--namespace, and for kinds with namespaces of their own, these are Roles; what must hold\n"
    "everywhere or is cluster-scoped stands in a ClusterRole.",
    rbac_specs,
    rbac};
