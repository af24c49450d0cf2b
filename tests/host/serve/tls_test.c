#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "serve/certificate.h"
#include "support/client.h"
#include "support/site.h"

/* R24: certificates change under open connections; what TLS has buffered is not forgotten. */

static struct certificate_pair ca, first, second, other_ca;

static int make_certificates(void **state) {
    static const char *const names[] = {"localhost", NULL};
    int64_t now = time(NULL);
    struct error err;
    (void)state;
    if (certificate_make_ca("test", now, now + 3600, &ca, &err) < 0 ||
        certificate_make_ca("other", now, now + 3600, &other_ca, &err) < 0 ||
        certificate_make_serving(ca.cert, ca.key, names, now, now + 600, &first, &err) < 0 ||
        certificate_make_serving(ca.cert, ca.key, names, now, now + 600, &second, &err) < 0)
        return -1;
    return 0;
}

static int drop_certificates(void **state) {
    (void)state;
    certificate_pair_finish(&ca);
    certificate_pair_finish(&first);
    certificate_pair_finish(&second);
    certificate_pair_finish(&other_ca);
    return 0;
}

static void open_site(struct site *site, const char *client_ca) {
    struct server_tls tls = {first.cert, first.key, client_ca};
    struct server_options options = {.tls = &tls};
    site_open(site, clock_real(), &options);
}

static const char post_now[] = POST("/post/now", "2", "{}");

static void tls_post_is_answered_over_one_connection(void **state) {
    (void)state;
    struct site site;
    struct client client;
    struct client_tls trust = {.ca_pem = ca.cert};
    open_site(&site, NULL);
    client_open(&client, site.server, &trust, post_now);
    client_expect(site.loop, &client, "at once");
    client_send(&client, POST("/post/later", "3", "{1}"));
    site_expect(&site, 2);
    site_answer(&site, 1, "later");
    client_expect(site.loop, &client, "later");
    client_close(&client);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_post_is_answered_over_one_connection),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
