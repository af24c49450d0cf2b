#include "apiserver/admit.h"

#include <string.h>

#include "base/mem.h"

/*
 * Admission: every create, update, delete and connect passes here twice, before its rules are
 * applied (mutating) and before it is stored (validating). Mutating webhooks are asked one after
 * the other, by the names of their configurations, then those that want it once more; validating
 * ones all at once.
 */
static void admission_free(struct api_exchange *x) {
    struct admission *admission = x->pending;
    x->pending = NULL;
    x->cancel = NULL;
    for (size_t i = 0; i < admission->count; i++)
        question_finish(&admission->questions[i]);
    mem_free(admission->questions);
    mem_free(admission);
}

static void fail(struct api_exchange *x, json_t *status) {
    exchange_refuse(x, status);
    admission_free(x);
    exchange_fail(x);
}

static void pass(struct api_exchange *x) {
    const struct admission *admission = x->pending;
    void (*then)(struct api_exchange *) = admission->then;
    admission_free(x);
    if (exchange_kind(x)) {
        then(x);
        return;
    }
    exchange_unserved(x);
    exchange_fail(x);
}

/* True: it was refused, and answered. */
static bool end_refused(struct question *question) {
    struct api_exchange *x = question->admission->x;
    if (!question->refusal && !question->nomem)
        return false;
    fail(x, question->nomem ? NULL : json_incref(question->refusal));
    return true;
}

/* A dry run asks only those who promise to change nothing. */
static bool is_harmless(const struct question *question) {
    const char *effects = document_string(question->hook, "sideEffects");
    return strcmp(effects, "None") == 0 || strcmp(effects, "NoneOnDryRun") == 0;
}

/* True: the answer comes later. */
static bool ask(struct question *question) {
    struct api_exchange *x = question->admission->x;
    struct subject subject;
    bool waits = false;
    if (subject_of(x, &subject) < 0) {
        question->nomem = true;
        subject_finish(&subject);
        return false;
    }
    const struct api_kind *kind = admit_match(x, &subject, question->hook);
    if (kind && !admit_holds(x, &subject, question->hook, &question->refusal))
        kind = NULL;
    if (kind && x->request.dry_run && !is_harmless(question))
        question->refusal = status_bad_request("admission webhook \"%s\" does not support dry run",
                                               document_string(question->hook, "name"));
    else if (kind)
        waits = question_ask(question, &subject, kind);
    question->asked = kind != NULL;
    subject_finish(&subject);
    return waits;
}

/* --- one after the other -------------------------------------------------------------------- */

/* Whoever was asked before something changed may have to look again. */
static void note(struct admission *admission, struct question *question) {
    for (size_t i = 0; question->changed && i < admission->count; i++) {
        admission->questions[i].again |= admission->questions[i].invoked;
        admission->questions[i].invoked = false;
    }
    question->invoked |=
        question->asked &&
        strcmp(document_string(question->hook, "reinvocationPolicy"), "IfNeeded") == 0;
    question->changed = false;
}

static bool wants_again(const struct admission *admission) {
    for (size_t i = 0; i < admission->count; i++) {
        if (admission->questions[i].again)
            return true;
    }
    return false;
}

static void mutate(struct admission *admission) {
    for (;;) {
        if (admission->at == admission->count && !admission->again && wants_again(admission)) {
            admission->again = true;
            admission->at = 0;
        }
        if (admission->at == admission->count) {
            pass(admission->x);
            return;
        }
        struct question *question = &admission->questions[admission->at];
        if (!admission->again || question->again) {
            if (ask(question))
                return;
            if (end_refused(question))
                return;
            note(admission, question);
        }
        admission->at++;
    }
}

/* --- all at once ---------------------------------------------------------------------------- */

static void judge(struct admission *admission) {
    for (size_t i = 0; i < admission->count; i++) {
        if (end_refused(&admission->questions[i]))
            return;
    }
    pass(admission->x);
}

static void validate(struct admission *admission) {
    for (size_t i = 0; i < admission->count; i++)
        admission->waiting += ask(&admission->questions[i]);
    if (admission->waiting == 0)
        judge(admission);
}

void admission_heard(struct question *question) {
    struct admission *admission = question->admission;
    struct api_exchange *x = admission->x;
    exchange_enter(x);
    if (exchange_kind(x) == NULL) {
        exchange_unserved(x);
        fail(x, json_incref(x->failure));
    } else if (admission->phase == ADMIT_VALIDATE) {
        if (--admission->waiting == 0)
            judge(admission);
    } else if (!end_refused(question)) {
        note(admission, question);
        admission->at++;
        mutate(admission);
    }
    exchange_leave(x);
}

/* --- which ---------------------------------------------------------------------------------- */

struct gathering {
    struct admission *admission;
    size_t cap;
    bool failed;
};

static bool add_configuration(void *context, const struct storage_item *item) {
    struct gathering *gathering = context;
    struct admission *admission = gathering->admission;
    json_t *configuration = document_of(admission->x->server->dag, item->node), *hook;
    size_t i;
    gathering->failed |= configuration == NULL;
    json_array_foreach(json_object_get(configuration, "webhooks"), i, hook) {
        if (mem_grow(&admission->questions, &gathering->cap, admission->count + 1,
                     sizeof *admission->questions) < 0) {
            gathering->failed = true;
            break;
        }
        admission->questions[admission->count++] =
            (struct question){.admission = admission, .hook = json_incref(hook)};
    }
    json_decref(configuration);
    return !gathering->failed;
}

static const struct api_resource *configurations(const struct apiserver *server,
                                                 enum admission_phase phase) {
    return kinds_resource(server->kinds, str_of("admissionregistration.k8s.io"),
                          str_of(phase == ADMIT_MUTATE ? "mutatingwebhookconfigurations"
                                                       : "validatingwebhookconfigurations"));
}

/* What says who is asked is not asked about, or nobody could repair it. */
static bool is_exempt(const struct api_resource *resource) {
    return resource->builtin && strcmp(resource->group, "admissionregistration.k8s.io") == 0;
}

static void refuse_memory(struct api_exchange *x) {
    exchange_nomem(x);
    exchange_fail(x);
}

void admission_pass(struct api_exchange *x, enum admission_phase phase,
                    void (*then)(struct api_exchange *x)) {
    const struct api_resource *resource = configurations(x->server, phase);
    struct error err;
    if (resource == NULL || is_exempt(x->kind->resource) ||
        storage_count(x->server->storage, resource->id) == 0) {
        then(x);
        return;
    }
    struct admission *admission = mem_zalloc(sizeof *admission);
    if (admission == NULL) {
        refuse_memory(x);
        return;
    }
    *admission = (struct admission){.x = x, .phase = phase, .then = then};
    x->pending = admission;
    x->cancel = admission_free;
    struct gathering gathering = {.admission = admission};
    if (storage_list(x->server->storage, resource->id, (struct str){0}, NULL, 0, add_configuration,
                     &gathering, &err) < 0 ||
        gathering.failed) {
        fail(x, NULL);
        return;
    }
    exchange_enter(x);
    if (phase == ADMIT_MUTATE)
        mutate(admission);
    else
        validate(admission);
    exchange_leave(x);
}
