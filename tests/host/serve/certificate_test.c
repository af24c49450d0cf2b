#include "serve/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/mem.h"
#include "base/str.h"
#include "support/oom_sweep.h"

enum { DAY = 86400 };
static const int64_t NOW = 1800000000;
static const char *const names[] = {"hooks.system.svc", "localhost", "127.0.0.1", "::1", NULL};

static void make_ca(struct certificate_pair *ret) {
    struct error err;
    assert_int_equal(certificate_make_ca("test CA", NOW, NOW + 100 * DAY, ret, &err), 0);
}

static void make_both(struct certificate_pair *ca, struct certificate_pair *serving) {
    struct error err;
    make_ca(ca);
    int rc = certificate_make_serving(ca->cert, ca->key, names, NOW, NOW + 10 * DAY, serving, &err);
    if (rc < 0)
        fail_msg("%s", err.message);
}

#define assert_says(err, text)                                                                     \
    do {                                                                                           \
        if (strstr((err).message, text) == NULL)                                                   \
            fail_msg("\"%s\" does not say \"%s\"", (err).message, text);                           \
    } while (0)

static void certificate_that_is_no_pem_is_invalid(void **state) {
    (void)state;
    static const char *const bad[] = {
        NULL,
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"};
    struct certificate_pair ca, serving;
    make_both(&ca, &serving);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct certificate_facts facts;
        struct certificate_pair pair = {0};
        struct error err;
        char **list = NULL, *text = NULL;
        size_t count = 0;
        const char *const some[] = {ca.cert, bad[i]};
        assert_int_equal(certificate_read(bad[i], &facts, &err), ERROR_INVALID);
        assert_true(err.message[0] != '\0');
        assert_int_equal(certificate_check_names(bad[i], names, &err), ERROR_INVALID);
        assert_int_equal(certificate_check_key(bad[i], ca.key, &err), ERROR_INVALID);
        assert_int_equal(certificate_check_key(ca.cert, bad[i], &err), ERROR_INVALID);
        assert_int_equal(certificate_verify(bad[i], ca.cert, NOW, &err), ERROR_INVALID);
        assert_int_equal(certificate_verify(serving.cert, bad[i], NOW, &err), ERROR_INVALID);
        assert_int_equal(certificate_count(bad[i], &count, &err), ERROR_INVALID);
        assert_int_equal(certificate_split(bad[i], &list, &count, &err), ERROR_INVALID);
        if (bad[i])
            assert_int_equal(certificate_join(some, 2, &text, &err), ERROR_INVALID);
        assert_int_equal(certificate_make_serving(bad[i], ca.key, names, NOW, NOW + 1, &pair, &err),
                         ERROR_INVALID);
        assert_int_equal(
            certificate_make_serving(ca.cert, bad[i], names, NOW, NOW + 1, &pair, &err),
            ERROR_INVALID);
        assert_null(pair.cert);
    }
    certificate_pair_finish(&ca);
    certificate_pair_finish(&serving);
}

static void certificate_cut_or_changed_anywhere_is_never_trusted(void **state) {
    (void)state;
    struct certificate_pair ca, serving;
    make_both(&ca, &serving);
    size_t len = strlen(serving.cert);
    for (size_t i = 30; i < len - 30; i += 7) {
        struct error err;
        char was = serving.cert[i];
        serving.cert[i] = was == 'A' ? 'B' : 'A';
        int rc = certificate_verify(serving.cert, ca.cert, NOW, &err);
        assert_true(rc == ERROR_INVALID || rc == ERROR_REJECTED || was == '\n');
        serving.cert[i] = '\0';
        assert_int_equal(certificate_verify(serving.cert, ca.cert, NOW, &err), ERROR_INVALID);
        serving.cert[i] = was;
    }
    certificate_pair_finish(&ca);
    certificate_pair_finish(&serving);
}

static void certificate_arguments_that_cannot_be_are_invalid(void **state) {
    (void)state;
    static const char *const bad[] = {"",   "a b",       "*.example.com", "a..b",       ".a",
                                      "a.", "ä.example", "x/y",           "1.2.3.4:80", "[::1]"};
    struct certificate_pair ca, pair = {0};
    struct error err;
    char cn[66];
    memset(cn, 'x', 65);
    cn[65] = '\0';
    make_ca(&ca);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const list[] = {"fine", bad[i], NULL};
        assert_int_equal(
            certificate_make_serving(ca.cert, ca.key, list, NOW, NOW + DAY, &pair, &err),
            ERROR_INVALID);
        assert_says(err, "neither a DNS name nor an IP address");
    }
    const char *const none[] = {NULL};
    assert_int_equal(certificate_make_serving(ca.cert, ca.key, none, NOW, NOW + DAY, &pair, &err),
                     ERROR_INVALID);
    assert_int_equal(certificate_make_ca("", NOW, NOW + DAY, &pair, &err), ERROR_INVALID);
    assert_int_equal(certificate_make_ca(cn, NOW, NOW + DAY, &pair, &err), ERROR_INVALID);
    assert_int_equal(certificate_make_ca("a", NOW, NOW, &pair, &err), ERROR_INVALID);
    assert_int_equal(certificate_make_ca("a", 0, NOW, &pair, &err), ERROR_INVALID);
    assert_int_equal(certificate_make_ca("a", NOW, INT64_MAX, &pair, &err), ERROR_INVALID);
    assert_null(pair.cert);
    certificate_pair_finish(&ca);
}

static void certificate_ca_says_what_it_is(void **state) {
    (void)state;
    struct certificate_pair ca, other;
    struct certificate_facts facts, its;
    struct error err;
    make_ca(&ca);
    make_ca(&other);
    assert_int_equal(certificate_read(ca.cert, &facts, &err), 0);
    assert_true(facts.is_ca);
    assert_true(facts.not_before == NOW - CERTIFICATE_BACKDATE_S);
    assert_true(facts.not_after == NOW + 100 * DAY);
    assert_int_equal(strlen(facts.serial), 32);
    assert_int_equal(certificate_read(other.cert, &its, &err), 0);
    assert_string_not_equal(facts.serial, its.serial);
    assert_true(strncmp(ca.key, "-----BEGIN PRIVATE KEY-----", 27) == 0);
    assert_int_equal(certificate_check_key(ca.cert, ca.key, &err), 0);
    assert_int_equal(certificate_check_key(ca.cert, other.key, &err), ERROR_REJECTED);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&other);
}

static void certificate_serving_is_good_for_its_names_only(void **state) {
    (void)state;
    static const char *const others[] = {"hooks.other.svc", "system.svc", "127.0.0.2", "::2",
                                         "localhos",        "moonlet"};
    struct certificate_pair ca, serving;
    struct certificate_facts facts;
    struct error err;
    make_both(&ca, &serving);
    assert_int_equal(certificate_read(serving.cert, &facts, &err), 0);
    assert_false(facts.is_ca);
    assert_int_equal(certificate_check_key(serving.cert, serving.key, &err), 0);
    assert_int_equal(certificate_check_key(serving.cert, ca.key, &err), ERROR_REJECTED);
    assert_int_equal(certificate_check_names(serving.cert, names, &err), 0);
    const char *const same[] = {"LOCALHOST", "0:0:0:0:0:0:0:1", NULL};
    assert_int_equal(certificate_check_names(serving.cert, same, &err), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *const list[] = {"localhost", others[i], NULL};
        assert_int_equal(certificate_check_names(serving.cert, list, &err), ERROR_REJECTED);
        assert_says(err, others[i]);
    }
    certificate_pair_finish(&ca);
    certificate_pair_finish(&serving);
}

static void certificate_verify_says_why_not(void **state) {
    (void)state;
    struct certificate_pair ca, serving, other, pair = {0};
    struct error err;
    char *both = NULL;
    make_both(&ca, &serving);
    make_ca(&other); /* of the same name */
    const char *const two[] = {other.cert, ca.cert};
    assert_int_equal(certificate_join(two, 2, &both, &err), 0);
    assert_int_equal(certificate_verify(serving.cert, ca.cert, NOW, &err), 0);
    assert_int_equal(certificate_verify(serving.cert, both, NOW, &err), 0);
    assert_int_equal(certificate_verify(serving.cert, both, NOW - CERTIFICATE_BACKDATE_S, &err), 0);
    assert_int_equal(certificate_verify(serving.cert, both, NOW + 10 * DAY, &err), 0);
    assert_int_equal(certificate_verify(serving.cert, other.cert, NOW, &err), ERROR_REJECTED);
    assert_says(err, "not trusted");
    assert_int_equal(certificate_verify(serving.cert, both, NOW + 10 * DAY + 1, &err),
                     ERROR_REJECTED);
    assert_says(err, "ended");
    assert_int_equal(certificate_verify(serving.cert, both, NOW - CERTIFICATE_BACKDATE_S - 1, &err),
                     ERROR_REJECTED);
    /* Signed by what is no CA, or by a key that is not the CA's. */
    assert_int_equal(
        certificate_make_serving(serving.cert, serving.key, names, NOW, NOW + DAY, &pair, &err),
        ERROR_REJECTED);
    assert_says(err, "may not sign");
    assert_int_equal(
        certificate_make_serving(ca.cert, other.key, names, NOW, NOW + DAY, &pair, &err),
        ERROR_REJECTED);
    assert_int_equal(certificate_make_serving(ca.cert, ca.key, names, NOW + 100 * DAY,
                                              NOW + 101 * DAY, &pair, &err),
                     ERROR_REJECTED);
    assert_says(err, "the CA: it has ended");
    mem_free(both);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&serving);
    certificate_pair_finish(&other);
}

static void certificate_serving_ends_with_its_ca(void **state) {
    (void)state;
    struct certificate_pair ca, pair;
    struct certificate_facts facts;
    struct error err;
    make_ca(&ca);
    assert_int_equal(
        certificate_make_serving(ca.cert, ca.key, names, NOW, NOW + 1000 * DAY, &pair, &err), 0);
    assert_int_equal(certificate_read(pair.cert, &facts, &err), 0);
    assert_true(facts.not_after == NOW + 100 * DAY);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&pair);
}

static void certificate_bundles_split_and_join_again(void **state) {
    (void)state;
    struct certificate_pair a, b;
    struct error err;
    char *bundle = NULL, *again = NULL, **list = NULL;
    size_t count = 0;
    make_ca(&a);
    make_ca(&b);
    char *noisy = mem_printf("# first\n%s\nand then\n%s%s", a.cert, b.cert, a.cert);
    const char *const parts[] = {NULL, noisy, a.cert};
    assert_int_equal(certificate_count(noisy, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_int_equal(certificate_join(parts, 3, &bundle, &err), 0);
    assert_int_equal(certificate_split(bundle, &list, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(list[0], a.cert);
    assert_string_equal(list[1], b.cert);
    assert_int_equal(certificate_join((const char *const *)list, 2, &again, &err), 0);
    assert_string_equal(again, bundle);
    certificate_list_free(list, count);
    mem_free(again);
    assert_int_equal(certificate_join(parts, 1, &again, &err), ERROR_INVALID);
    mem_free(bundle);
    mem_free(noisy);
    certificate_pair_finish(&a);
    certificate_pair_finish(&b);
}

static void certificate_bundle_has_a_bound(void **state) {
    (void)state;
    struct certificate_pair ca;
    struct strbuf many = {0};
    struct error err;
    size_t count = 0;
    make_ca(&ca);
    for (int i = 0; i < CERTIFICATE_MAX_COUNT; i++)
        strbuf_adds(&many, ca.cert);
    assert_int_equal(certificate_count(many.data, &count, &err), 0);
    assert_int_equal(count, CERTIFICATE_MAX_COUNT);
    strbuf_adds(&many, ca.cert);
    assert_int_equal(certificate_count(many.data, &count, &err), ERROR_INVALID);
    while (many.len <= CERTIFICATE_MAX_BYTES)
        strbuf_adds(&many, ca.cert);
    assert_int_equal(certificate_count(many.data, &count, &err), ERROR_INVALID);
    assert_says(err, "larger than");
    strbuf_finish(&many);
    certificate_pair_finish(&ca);
}

static void certificate_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct certificate_pair ca = {0}, serving = {0};
        struct error err;
        char *bundle = NULL;
        int rc = certificate_make_ca("test CA", NOW, NOW + 100 * DAY, &ca, &err);
        if (rc == 0)
            rc = certificate_make_serving(ca.cert, ca.key, names, NOW, NOW + DAY, &serving, &err);
        const char *const parts[] = {ca.cert, serving.cert};
        if (rc == 0)
            rc = certificate_join(parts, 2, &bundle, &err);
        assert_true(rc == 0 || (rc == ERROR_NOMEM && bundle == NULL));
        mem_free(bundle);
        certificate_pair_finish(&ca);
        certificate_pair_finish(&serving);
    }
}

/* --- other judges ------------------------------------------------------------------------------
 */

static time_t test_time(time_t *ret) {
    if (ret)
        *ret = (time_t)NOW;
    return (time_t)NOW;
}

static int set_pem(gnutls_certificate_credentials_t credentials, const struct certificate_pair *p) {
    gnutls_datum_t cert = {(unsigned char *)p->cert, (unsigned)strlen(p->cert)};
    gnutls_datum_t key = {(unsigned char *)p->key, (unsigned)strlen(p->key)};
    return gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
}

/* What the client says at the end of a handshake through a socket pair, in one thread. */
static int shake_hands(const struct certificate_pair *serving, const char *bundle,
                       const char *name) {
    gnutls_datum_t trust = {(unsigned char *)bundle, (unsigned)strlen(bundle)};
    gnutls_certificate_credentials_t ours, theirs;
    gnutls_session_t server, client;
    int fds[2], rc[2] = {GNUTLS_E_AGAIN, GNUTLS_E_AGAIN};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    gnutls_certificate_allocate_credentials(&ours);
    gnutls_certificate_allocate_credentials(&theirs);
    assert_true(set_pem(ours, serving) >= 0);
    assert_true(gnutls_certificate_set_x509_trust_mem(theirs, &trust, GNUTLS_X509_FMT_PEM) > 0);
    gnutls_init(&server, GNUTLS_SERVER | GNUTLS_NONBLOCK);
    gnutls_init(&client, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    gnutls_set_default_priority(server);
    gnutls_set_default_priority(client);
    gnutls_credentials_set(server, GNUTLS_CRD_CERTIFICATE, ours);
    gnutls_credentials_set(client, GNUTLS_CRD_CERTIFICATE, theirs);
    gnutls_session_set_verify_cert(client, name, 0);
    gnutls_transport_set_int(server, fds[0]);
    gnutls_transport_set_int(client, fds[1]);
    for (int i = 0; i < 100 && rc[1] == GNUTLS_E_AGAIN; i++) {
        rc[1] = gnutls_handshake(client);
        if (rc[0] == GNUTLS_E_AGAIN)
            rc[0] = gnutls_handshake(server);
    }
    gnutls_deinit(server);
    gnutls_deinit(client);
    gnutls_certificate_free_credentials(ours);
    gnutls_certificate_free_credentials(theirs);
    close(fds[0]);
    close(fds[1]);
    return rc[1];
}

static void certificate_pair_serves_tls(void **state) {
    (void)state;
    struct certificate_pair ca, serving, other;
    make_both(&ca, &serving);
    make_ca(&other);
    gnutls_global_set_time_function(test_time);
    assert_int_equal(shake_hands(&serving, ca.cert, "hooks.system.svc"), 0);
    assert_int_equal(shake_hands(&serving, ca.cert, "127.0.0.1"), 0);
    assert_int_equal(shake_hands(&serving, ca.cert, "elsewhere"),
                     GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    assert_int_equal(shake_hands(&serving, other.cert, "hooks.system.svc"),
                     GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    gnutls_global_set_time_function(time);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&serving);
    certificate_pair_finish(&other);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int verify_with_openssl(const char *folder, const char *bundle, const char *name) {
    char command[512];
    snprintf(command, sizeof command,
             "cd %s && openssl verify -x509_strict -purpose sslserver -attime %lld -CAfile %s "
             "-no-CApath %s cert.pem >log 2>&1",
             folder, (long long)NOW, bundle, name);
    return system(command);
}

static void certificate_is_what_openssl_expects(void **state) {
    (void)state;
    char folder[] = "/tmp/moonlet-certificate-XXXXXX", command[256];
    struct certificate_pair ca, serving, other;
    if (system("command -v openssl >/dev/null") != 0) {
        print_message("SKIPPED: there is no openssl to ask\n");
        skip();
    }
    make_both(&ca, &serving);
    make_ca(&other);
    assert_non_null(mkdtemp(folder));
    write_file(folder, "cert.pem", serving.cert);
    write_file(folder, "key.pem", serving.key);
    write_file(folder, "ca.pem", ca.cert);
    write_file(folder, "other.pem", other.cert);
    assert_int_equal(verify_with_openssl(folder, "ca.pem", "-verify_hostname localhost"), 0);
    assert_int_equal(verify_with_openssl(folder, "ca.pem", "-verify_ip 127.0.0.1"), 0);
    assert_int_equal(verify_with_openssl(folder, "ca.pem", "-verify_ip ::1"), 0);
    assert_int_not_equal(verify_with_openssl(folder, "ca.pem", "-verify_hostname elsewhere"), 0);
    assert_int_not_equal(verify_with_openssl(folder, "other.pem", "-verify_ip ::1"), 0);
    snprintf(command, sizeof command, "cd %s && openssl pkey -in key.pem -noout -check >log 2>&1",
             folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&serving);
    certificate_pair_finish(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_that_is_no_pem_is_invalid),
        cmocka_unit_test(certificate_cut_or_changed_anywhere_is_never_trusted),
        cmocka_unit_test(certificate_arguments_that_cannot_be_are_invalid),
        cmocka_unit_test(certificate_ca_says_what_it_is),
        cmocka_unit_test(certificate_serving_is_good_for_its_names_only),
        cmocka_unit_test(certificate_verify_says_why_not),
        cmocka_unit_test(certificate_serving_ends_with_its_ca),
        cmocka_unit_test(certificate_bundles_split_and_join_again),
        cmocka_unit_test(certificate_bundle_has_a_bound),
        cmocka_unit_test(certificate_survives_each_failed_allocation),
        cmocka_unit_test(certificate_pair_serves_tls),
        cmocka_unit_test(certificate_is_what_openssl_expects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
