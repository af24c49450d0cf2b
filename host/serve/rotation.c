#include "serve/rotation.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/certificate.h"

/* A CA of the state: its one certificate and what could be read of it. */
struct authority {
    char *cert, *key;
    int64_t not_before, not_after;
};

struct step {
    const char *const *names;
    int64_t now, published, serving_s, ca_s, overlap_s;
    struct authority ca, next, old; /* cert NULL: there is none, or none that can be used */
    struct certificate_pair pair;
    struct certificate_facts facts; /* of pair.cert, when that is not NULL */
    int64_t since;
};

static void authority_finish(struct authority *authority) {
    mem_free(authority->cert);
    mem_free(authority->key);
    *authority = (struct authority){0};
}

static void step_finish(struct step *step) {
    authority_finish(&step->ca);
    authority_finish(&step->next);
    authority_finish(&step->old);
    certificate_pair_finish(&step->pair);
}

void rotation_state_finish(struct rotation_state *state) {
    mem_free(state->ca_cert);
    mem_free(state->ca_key);
    mem_free(state->next_ca_cert);
    mem_free(state->next_ca_key);
    mem_free(state->cert);
    mem_free(state->key);
    mem_free(state->old_ca_cert);
    *state = (struct rotation_state){0};
}

/* What is wrong with a text is repaired; what is wrong with us is not the text's fault. */
static bool is_ours(int rc) {
    return rc < 0 && rc != ERROR_INVALID && rc != ERROR_REJECTED;
}

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for the serving certificate");
}

/* --- reading the state ------------------------------------------------------------------------ */

/* A third of the life is left. It counts from when it was made, not from what it was backdated to.
 */
static int64_t due(int64_t not_before, int64_t not_after) {
    int64_t life = not_after - not_before - CERTIFICATE_BACKDATE_S;
    return not_after - (life > 0 ? life / 3 : 0);
}

static bool current(const struct step *step, int64_t not_before, int64_t not_after) {
    return not_before <= step->now + ROTATION_SKEW_S && step->now < not_after;
}

/* Takes the first certificate of `cert`, and `key` if it is that one's. Leaves *ret empty when the
 * text is no CA of these days. */
static int read_authority(const struct step *step, const char *cert, const char *key,
                          struct authority *ret, struct error *err) {
    struct certificate_facts facts;
    char **list = NULL;
    size_t count = 0;
    int rc = certificate_read(cert, &facts, err);
    if (rc == 0 && facts.is_ca && current(step, facts.not_before, facts.not_after))
        rc = certificate_split(cert, &list, &count, err);
    if (rc < 0 || list == NULL)
        return is_ours(rc) ? rc : 0;
    *ret = (struct authority){
        .cert = list[0], .not_before = facts.not_before, .not_after = facts.not_after};
    list[0] = NULL;
    certificate_list_free(list, count);
    rc = certificate_check_key(ret->cert, key, err);
    if (rc == 0 && (ret->key = mem_strdup(key)) == NULL)
        rc = no_memory(err);
    return is_ours(rc) ? rc : 0;
}

/* Takes what is served if the CA vouches for it. */
static int read_serving(struct step *step, const struct rotation_state *state, struct error *err) {
    struct certificate_facts facts;
    int rc = certificate_read(state->cert, &facts, err);
    if (rc == 0 && current(step, facts.not_before, facts.not_after)) {
        int64_t at = step->now; /* or when both have begun, should our clock be behind */
        at = facts.not_before > at ? facts.not_before : at;
        at = step->ca.not_before > at ? step->ca.not_before : at;
        rc = certificate_verify(state->cert, step->ca.cert, at, err);
        if (rc == 0)
            rc = certificate_check_key(state->cert, state->key, err);
        if (rc == 0 && !facts.is_ca) {
            step->facts = facts;
            step->pair.cert = mem_strdup(state->cert);
            step->pair.key = mem_strdup(state->key);
            if (step->pair.cert == NULL || step->pair.key == NULL)
                return no_memory(err);
        }
    }
    return is_ours(rc) ? rc : 0;
}

static int read_state(struct step *step, const struct rotation_state *state, struct error *err) {
    int rc = read_authority(step, state->ca_cert, state->ca_key, &step->ca, err);
    if (rc == 0)
        rc = read_authority(step, state->next_ca_cert, state->next_ca_key, &step->next, err);
    if (rc == 0)
        rc = read_authority(step, state->old_ca_cert, NULL, &step->old, err);
    if (rc == 0 && step->ca.cert)
        rc = read_serving(step, state, err);
    if (rc < 0)
        return rc;
    if (step->next.key == NULL) /* it could never sign */
        authority_finish(&step->next);
    bool open = step->next.cert || step->old.cert;
    bool sane = state->next_since > 0 && state->next_since <= step->now + ROTATION_SKEW_S;
    if (step->next.cert && (!state->ca_cert || !strstr(state->ca_cert, step->next.cert)))
        sane = false; /* nobody has been told to trust it */
    step->since = !open ? 0 : sane ? state->next_since : step->now;
    return 0;
}

/* --- deciding --------------------------------------------------------------------------------- */

static int make_authority(const struct step *step, struct authority *ret, struct error *err) {
    struct certificate_pair pair;
    char at[CLOCK_TEXT], name[64];
    clock_format(step->now * (int64_t)NS_PER_S, /* micros= */ 0, at);
    snprintf(name, sizeof name, "moonlet CA of %s", at);
    int rc = certificate_make_ca(name, step->now, step->now + step->ca_s, &pair, err);
    if (rc < 0)
        return rc;
    *ret = (struct authority){.cert = pair.cert,
                              .key = pair.key,
                              .not_before = step->now - CERTIFICATE_BACKDATE_S,
                              .not_after = step->now + step->ca_s};
    return 0;
}

static int make_serving(struct step *step, struct error *err) {
    struct certificate_pair pair;
    int rc = certificate_make_serving(step->ca.cert, step->ca.key, step->names, step->now,
                                      step->now + step->serving_s, &pair, err);
    if (rc < 0)
        return rc;
    certificate_pair_finish(&step->pair);
    step->pair = pair;
    return certificate_read(pair.cert, &step->facts, err);
}

/* `next` becomes the CA; the one before stays trusted, for who has not heard yet. */
static int promote(struct step *step, struct error *err) {
    if (step->ca.cert) {
        authority_finish(&step->old);
        step->old = step->ca;
        mem_free(step->old.key);
        step->old.key = NULL;
    }
    step->ca = step->next;
    step->next = (struct authority){0};
    step->since = step->now;
    return make_serving(step, err);
}

static int64_t overlap_end(const struct step *step) {
    int64_t since = step->published > step->since ? step->published : step->since;
    return since + step->overlap_s;
}

/* One change at a time: no CA is added while another is on its way in or out. */
static int turn_cas(struct step *step, struct error *err) {
    bool over = step->now >= overlap_end(step);
    if (step->next.cert)
        return over ? promote(step, err) : 0;
    if (step->old.cert && over)
        authority_finish(&step->old);
    if (step->old.cert ||
        (step->ca.key && step->now < due(step->ca.not_before, step->ca.not_after)))
        return 0;
    int rc = make_authority(step, &step->next, err);
    step->since = step->now;
    return rc;
}

static int decide(struct step *step, struct error *err) {
    /* Without a CA that signs and without a certificate that it vouches for, nobody can be served:
     * waiting would protect nothing, and nothing says that this CA is ours. */
    if (step->ca.key == NULL && step->pair.cert == NULL) {
        authority_finish(&step->ca);
        int rc = step->next.cert ? 0 : make_authority(step, &step->next, err);
        return rc < 0 ? rc : promote(step, err);
    }
    int rc = turn_cas(step, err);
    if (rc < 0 || step->ca.key == NULL)
        return rc; /* a CA whose key is lost: its certificate serves until `next` takes over */
    if (step->pair.cert && step->now < due(step->facts.not_before, step->facts.not_after)) {
        rc = certificate_check_names(step->pair.cert, step->names, err);
        if (rc != ERROR_REJECTED)
            return rc;
    }
    return make_serving(step, err);
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_check(const struct step *step) {
    int64_t at = step->ca.not_after;
    if (step->next.cert || step->old.cert)
        at = earlier(at, overlap_end(step));
    else
        at = earlier(at, due(step->ca.not_before, step->ca.not_after));
    if (step->old.cert)
        at = earlier(at, step->old.not_after);
    if (step->ca.key)
        at = earlier(at, due(step->facts.not_before, step->facts.not_after));
    return at > step->now ? at : step->now + 1;
}

/* --- the step --------------------------------------------------------------------------------- */

static int resolve(const struct rotation_options *options, struct step *step, struct error *err) {
    *step = (struct step){
        .names = options->names,
        .now = options->now,
        .published = options->published,
        .serving_s = options->serving_s ? options->serving_s : ROTATION_SERVING_S,
        .ca_s = options->ca_s ? options->ca_s : ROTATION_CA_S,
        .overlap_s = options->overlap_s ? options->overlap_s : ROTATION_OVERLAP_S,
    };
    if (step->now <= 0 || step->now > INT64_MAX / (int64_t)NS_PER_S)
        return error_set(err, ERROR_INVALID, "the clock is wrong: %lld", (long long)step->now);
    const int64_t century = (int64_t)100 * 365 * 86400;
    if (*step->names == NULL)
        return error_set(err, ERROR_INVALID, "a serving certificate needs a name");
    if (step->serving_s <= 0 || step->serving_s > century || step->ca_s <= 0 ||
        step->ca_s > 4 * century)
        return error_set(err, ERROR_INVALID, "a certificate's lifetime is 1 s to 100 years");
    if (step->overlap_s <= 0 || step->overlap_s > step->serving_s / 6)
        return error_set(err, ERROR_INVALID,
                         "the overlap of a rotation is 1 s to a sixth of the certificate's life");
    if (step->ca_s < 4 * step->serving_s)
        step->ca_s = 4 * step->serving_s;
    if (step->published > step->now) /* our clock went back */
        step->published = step->now;
    return 0;
}

static int join(const char *ca, const char *next, const char *old, char **ret, struct error *err) {
    const char *const all[] = {ca, next, old};
    return certificate_join(all, sizeof all / sizeof *all, ret, err);
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_state(const struct rotation_state *a, const struct rotation_state *b) {
    return same(a->ca_cert, b->ca_cert) && same(a->ca_key, b->ca_key) &&
           same(a->next_ca_cert, b->next_ca_cert) && same(a->next_ca_key, b->next_ca_key) &&
           same(a->cert, b->cert) && same(a->key, b->key) && same(a->old_ca_cert, b->old_ca_cert) &&
           a->next_since == b->next_since;
}

/* Moves the texts from the step. */
static void give(struct step *step, char *bundle, struct rotation_state *ret) {
    bool open = step->next.cert || step->old.cert;
    *ret = (struct rotation_state){.ca_cert = bundle,
                                   .ca_key = step->ca.key,
                                   .next_ca_cert = step->next.cert,
                                   .next_ca_key = step->next.key,
                                   .cert = step->pair.cert,
                                   .key = step->pair.key,
                                   .old_ca_cert = step->old.cert,
                                   .next_since = open ? step->since : 0};
    step->ca.key = step->next.cert = step->next.key = step->old.cert = NULL;
    step->pair = (struct certificate_pair){0};
}

int rotation_step(const struct rotation_state *state, const struct rotation_options *options,
                  struct rotation_state *ret, bool *ret_changed, int64_t *ret_next_check,
                  struct error *err) {
    CLEANUP(step_finish) struct step step = {0};
    char *bundle = NULL;
    int rc = resolve(options, &step, err);
    if (rc == 0)
        rc = read_state(&step, state, err);
    if (rc == 0)
        rc = decide(&step, err);
    if (rc == 0)
        rc = join(step.ca.cert, step.next.cert, step.old.cert, &bundle, err);
    if (rc < 0)
        return rc;
    *ret_next_check = next_check(&step);
    give(&step, bundle, ret);
    *ret_changed = !same_state(state, ret);
    return 0;
}

int rotation_bundle(const struct rotation_state *state, char **ret, struct error *err) {
    char **list = NULL;
    size_t count = 0;
    int rc = certificate_split(state->ca_cert, &list, &count, err);
    if (rc == 0)
        rc = join(list[0], state->next_ca_cert, state->old_ca_cert, ret, err);
    certificate_list_free(list, count);
    return rc;
}
