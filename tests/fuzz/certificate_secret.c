/* Any bytes as the Secret of certificates: whatever it holds, a step makes it whole. */
#include <string.h>

#include "addon/certificate_secret.h"
#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/rotation.h"

static void must(bool holds) {
    if (!holds)
        __builtin_trap();
}

static void step_and_check(const struct rotation_state *state) {
    static const char *const names[] = {"localhost", "127.0.0.1", NULL};
    struct rotation_options options = {.now = 1800000000, .names = names};
    struct rotation_state next = {0}, again = {0};
    struct error err;
    bool changed = false;
    int64_t when = 0;
    must(rotation_step(state, &options, &next, &changed, &when, &err) == 0);
    must(when > options.now);
    must(certificate_check_key(next.cert, next.key, &err) == 0);
    /* A clock that is behind takes it as begun; a client would not yet. */
    must(certificate_verify(next.cert, next.ca_cert, options.now, &err) == 0 ||
         certificate_verify(next.cert, next.ca_cert, options.now + ROTATION_SKEW_S, &err) == 0);
    must(rotation_step(&next, &options, &again, &changed, &when, &err) == 0);
    must(!changed);
    rotation_state_finish(&next);
    rotation_state_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct certificate_secret secret = {0}, again = {0};
    struct strbuf text = {0};
    struct error err;
    if (certificate_secret_parse(str_n((const char *)data, size), &secret, &err) < 0)
        return 0;
    must(certificate_secret_print(&secret, "system", "certs", &text, &err) == 0);
    must(certificate_secret_parse(strbuf_view(&text), &again, &err) == 0);
    must(secret.next_since == again.next_since);
    step_and_check(&(struct rotation_state){.ca_cert = secret.ca_cert,
                                            .ca_key = secret.ca_key,
                                            .next_ca_cert = secret.next_ca_cert,
                                            .next_ca_key = secret.next_ca_key,
                                            .cert = secret.cert,
                                            .key = secret.key,
                                            .old_ca_cert = secret.old_ca_cert,
                                            .next_since = secret.next_since});
    certificate_secret_finish(&secret);
    certificate_secret_finish(&again);
    strbuf_finish(&text);
    return 0;
}
