#include "serve/support/rotation/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

const char *const steps_names[] = {"hooks.system.svc", "127.0.0.1", NULL};

struct rotation_options steps_at(int64_t now) {
    return (struct rotation_options){.now = now, .names = steps_names};
}

bool steps_take(struct rotation_state *state, const struct rotation_options *options,
                int64_t *ret_next) {
    struct rotation_state next;
    struct error err;
    bool changed = false;
    int rc = rotation_step(state, options, &next, &changed, ret_next, &err);
    if (rc < 0)
        fail_msg("%s", err.message);
    assert_true(*ret_next > options->now);
    rotation_state_finish(state);
    *state = next;
    return changed;
}

char *steps_copy(const char *text) {
    char *mine = mem_strdup(text);
    assert_true(mine || text == NULL);
    return mine;
}

void steps_replace(char **slot, const char *text) {
    char *mine = steps_copy(text);
    mem_free(*slot);
    *slot = mine;
}

size_t steps_count(const char *bundle) {
    struct error err;
    size_t count = 0;
    assert_int_equal(certificate_count(bundle, &count, &err), 0);
    return count;
}

struct certificate_facts steps_facts(const char *pem) {
    struct certificate_facts facts;
    struct error err;
    assert_int_equal(certificate_read(pem, &facts, &err), 0);
    return facts;
}

void steps_check(const struct rotation_state *state, int64_t now) {
    struct error err;
    char *bundle = NULL;
    int rc = certificate_verify(state->cert, state->ca_cert, now, &err);
    if (rc < 0)
        fail_msg("%s", err.message);
    assert_int_equal(certificate_check_key(state->cert, state->key, &err), 0);
    assert_int_equal(rotation_bundle(state, &bundle, &err), 0);
    assert_string_equal(bundle, state->ca_cert);
    assert_int_equal(steps_count(bundle),
                     1 + (state->next_ca_cert != NULL) + (state->old_ca_cert != NULL));
    if (state->next_ca_cert)
        assert_int_equal(certificate_check_key(state->next_ca_cert, state->next_ca_key, &err), 0);
    mem_free(bundle);
}
