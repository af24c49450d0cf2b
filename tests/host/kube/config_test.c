#include "kube/config.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static char folder[64];

static void write_file(const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/moonlet-config-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define GOOD                                                                                       \
    "apiVersion: v1\nkind: Config\ncurrent-context: one\n"                                         \
    "contexts:\n"                                                                                  \
    "- {name: one, context: {cluster: c, user: u, namespace: team}}\n"                             \
    "- {name: two, context: {cluster: c2}}\n"                                                      \
    "clusters:\n"                                                                                  \
    "- {name: c, cluster: {server: 'https://a.example:6443', certificate-authority: ca.pem}}\n"    \
    "- {name: c2, cluster: {server: 'https://b.example', insecure-skip-tls-verify: true}}\n"       \
    "users:\n"                                                                                     \
    "- name: u\n  user: {client-certificate-data: aGVsbG8=, client-key-data: d29ybGQh, "           \
    "as: jane, as-groups: [dev, ops]}\n"

static struct kube_config *load(const char *paths, const char *context, struct error *err) {
    char variable[400];
    snprintf(variable, sizeof variable, "KUBECONFIG=%s", paths);
    const char *const env[] = {"KUBECONFIGX=no", variable, NULL};
    struct kube_config_options options = {.context = context, .env = env};
    return kube_config_load(&options, err);
}

static void config_refusals_name_file_and_field(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        {"a: [", "config': line "},
        {"[]", "config': not a map"},
        {"a: 1\na: 2", "config': line 2, column 1: key \"a\" is there twice"},
        {"contexts: []", "config': there is no current-context"},
        {"current-context: x", "config': there is no 'x' in contexts"},
        {"current-context: x\ncontexts: [{name: x}]", "config': contexts 'x' has no context"},
        {"current-context: x\ncontexts: [{name: x, context: {}}]",
         "config': contexts 'x': cluster is missing"},
        {"current-context: x\ncontexts: [{name: x, context: {cluster: 5}}]",
         "config': contexts 'x': cluster must be text"},
        {"current-context: x\ncontexts: [{name: x, context: {cluster: c}}]",
         "config': there is no 'c' in clusters"},
    };
    static const struct {
        const char *cluster, *user, *message;
    } parts[] = {
        {"{}", "{}", "clusters 'c': server is missing"},
        {"{server: 'a:1'}", "{}", "clusters 'c': server must begin with https:// or http://"},
        {"{server: 'https://a', certificate-authority-data: '*'}", "{}",
         "clusters 'c': certificate-authority-data is not base64"},
        {"{server: 'https://a', certificate-authority-data: 'AAAA'}", "{}",
         "clusters 'c': certificate-authority-data is not PEM"},
        {"{server: 'https://a', certificate-authority: x, insecure-skip-tls-verify: true}", "{}",
         "clusters 'c': insecure-skip-tls-verify contradicts"},
        {"{server: 'https://a', insecure-skip-tls-verify: 1}", "{}",
         "clusters 'c': insecure-skip-tls-verify must be true or false"},
        {"{server: 'https://a'}", "{client-key: x}", "users 'u': client-certificate and"},
        {"{server: 'https://a'}", "{as-groups: [x]}", "users 'u': as-uid and as-groups need as"},
        {"{server: 'https://a'}", "{as: x, as-groups: y}", "users 'u': as-groups must be a list"},
        {"{server: 'https://a'}", "{auth-provider: {name: gcp}}",
         "users 'u': auth-provider is not supported"},
        {"{server: 'https://a'}", "{exec: {}}", "users 'u': exec.command is missing"},
        {"{server: 'https://a'}", "{exec: {command: x, apiVersion: v1}}",
         "users 'u': exec.apiVersion must be"},
        {"{server: 'https://a'}", "{exec: {command: x, interactiveMode: Always}}",
         "users 'u': exec.interactiveMode is Always"},
        {"{server: 'https://a'}", "{exec: {command: x, env: [{name: y}]}}",
         "users 'u': exec.env needs name and value"},
    };
    char path[200], yaml[1000];
    snprintf(path, sizeof path, "%s/config", folder);
    size_t whole = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < whole + sizeof parts / sizeof *parts; i++) {
        const char *expected = i < whole ? cases[i].message : parts[i - whole].message;
        if (i < whole)
            snprintf(yaml, sizeof yaml, "%s", cases[i].yaml);
        else
            snprintf(yaml, sizeof yaml,
                     "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                     "clusters: [{name: c, cluster: %s}]\nusers: [{name: u, user: %s}]\n",
                     parts[i - whole].cluster, parts[i - whole].user);
        write_file("config", yaml);
        struct error err = {0};
        struct mem_stats before = mem_stats();
        assert_null(load(path, NULL, &err));
        assert_int_equal(mem_stats().blocks, before.blocks);
        assert_int_equal(err.code, ERROR_INVALID);
        if (strstr(err.message, expected) == NULL || strstr(err.message, path) == NULL)
            fail_msg("%s: %s", yaml, err.message);
    }
}

static void config_without_any_source_says_what_was_looked_at(void **state) {
    (void)state;
    char home[100];
    snprintf(home, sizeof home, "HOME=%s", folder);
    const char *const env[] = {home, "KUBECONFIG=", NULL};
    struct kube_config_options options = {.env = env};
    struct error err;
    assert_null(kube_config_load(&options, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.message, "KUBECONFIG is not set"));
    assert_non_null(strstr(err.message, "not in a pod"));
    assert_non_null(strstr(err.message, "/.kube/config"));
    const char *const listed[] = {home, "KUBECONFIG=/nowhere/a:/nowhere/b", NULL};
    options.env = listed;
    assert_null(kube_config_load(&options, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.message, "no kubeconfig at '/nowhere/a:/nowhere/b'"));
    assert_non_null(strstr(err.message, "not in a pod"));
    options.kubeconfig = "/nowhere/config";
    assert_null(kube_config_load(&options, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_string_equal(err.message, "no kubeconfig at '/nowhere/config'");
}

static void config_context_gives_cluster_and_user(void **state) {
    (void)state;
    char path[200], ca[200];
    struct error err;
    write_file("config", GOOD);
    snprintf(path, sizeof path, "%s/config", folder);
    snprintf(ca, sizeof ca, "%s/ca.pem", folder);
    struct kube_config *config = load(path, NULL, &err);
    assert_non_null(config);
    assert_string_equal(config->context, "one");
    assert_string_equal(config->server, "https://a.example:6443");
    assert_string_equal(config->namespace_, "team");
    assert_string_equal(config->ca_file, ca); /* relative to the kubeconfig */
    assert_string_equal(config->cert_pem, "hello");
    assert_string_equal(config->key_pem, "world!");
    assert_string_equal(config->as_user, "jane");
    assert_string_equal(config->as_groups[1], "ops");
    assert_null(config->as_groups[2]);
    kube_config_destroy(config);

    config = load(path, "two", &err);
    assert_non_null(config);
    assert_string_equal(config->namespace_, "default");
    assert_true(config->insecure_skip_tls_verify);
    assert_null(config->cert_pem);
    kube_config_destroy(config);
    assert_null(load(path, "three", &err));
    assert_non_null(strstr(err.message, "there is no 'three' in contexts"));
}

static void config_of_several_files_takes_the_first_of_each_name(void **state) {
    (void)state;
    char paths[400];
    struct error err;
    write_file("config", GOOD);
    write_file("first", "current-context: two\nusers: [{name: u, user: {token: abc}}]\n");
    snprintf(paths, sizeof paths, "/nowhere:%s/first::%s/config", folder, folder);
    struct kube_config *config = load(paths, NULL, &err);
    assert_non_null(config);
    assert_string_equal(config->context, "two");
    kube_config_destroy(config);
    config = load(paths, "one", &err);
    assert_non_null(config);
    assert_string_equal(config->token, "abc");
    assert_null(config->cert_pem);
    kube_config_destroy(config);
}

static void config_in_a_pod_comes_from_the_service_account(void **state) {
    (void)state;
    char home[100];
    struct error err;
    snprintf(home, sizeof home, "HOME=%s", folder);
    /* as client-go: a KUBECONFIG of missing files only is passed over */
    const char *env[] = {home, "KUBERNETES_SERVICE_HOST=fd00::1", "KUBERNETES_SERVICE_PORT=443",
                         "KUBECONFIG=/nowhere/a:/nowhere/b", NULL};
    struct kube_config_options options = {.env = env, .service_account = folder};
    assert_null(kube_config_load(&options, &err));
    assert_non_null(strstr(err.message, "no service account at"));
    write_file("token", "abc\n");
    write_file("namespace", "team\n");
    struct kube_config *config = kube_config_load(&options, &err);
    assert_non_null(config);
    assert_string_equal(config->server, "https://[fd00::1]:443");
    assert_string_equal(config->namespace_, "team");
    assert_string_equal(config->token_file + strlen(folder), "/token");
    assert_string_equal(config->ca_file + strlen(folder), "/ca.crt");
    assert_string_equal(config->context, "");
    kube_config_destroy(config);
}

static void config_exec_plugin_keeps_what_it_needs(void **state) {
    (void)state;
    char path[200];
    struct error err;
    write_file("config",
               "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
               "clusters:\n- name: c\n  cluster:\n    server: https://a\n    extensions:\n"
               "    - {name: client.authentication.k8s.io/exec, extension: {audience: me}}\n"
               "users:\n- name: u\n  user:\n    exec:\n"
               "      apiVersion: client.authentication.k8s.io/v1\n      command: bin/login\n"
               "      args: [get, token]\n      env: [{name: A, value: b}]\n"
               "      provideClusterInfo: true\n      interactiveMode: IfAvailable\n");
    snprintf(path, sizeof path, "%s/config", folder);
    struct kube_config *config = load(path, NULL, &err);
    assert_non_null(config);
    assert_string_equal(config->exec->command + strlen(folder), "/bin/login");
    assert_string_equal(config->exec->args[1], "token");
    assert_string_equal(config->exec->env[0], "A=b");
    assert_string_equal(config->cluster_json,
                        "{\"server\":\"https://a\",\"config\":{\"audience\":\"me\"}}");
    kube_config_destroy(config);
}

static void config_load_survives_each_failed_allocation(void **state) {
    (void)state;
    char path[200];
    write_file("config", GOOD);
    snprintf(path, sizeof path, "%s/config", folder);
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct error err = {0};
        struct mem_stats before = mem_stats();
        mem_fail_at(n, /* forever= */ false);
        struct kube_config *config = load(path, NULL, &err);
        failed = mem_fail_stop();
        if (config == NULL && err.code != ERROR_NOMEM)
            fail_msg("allocation %d: %s", (int)n, err.message);
        kube_config_destroy(config);
        assert_int_equal(mem_stats().blocks, before.blocks);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(config_refusals_name_file_and_field),
        CASE(config_without_any_source_says_what_was_looked_at),
        CASE(config_context_gives_cluster_and_user),
        CASE(config_of_several_files_takes_the_first_of_each_name),
        CASE(config_in_a_pod_comes_from_the_service_account),
        CASE(config_exec_plugin_keeps_what_it_needs),
        CASE(config_load_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
