#ifndef MOONLET_APISERVER_ADMIT_H
#define MOONLET_APISERVER_ADMIT_H

#include "apiserver/convert.h"
#include "apiserver/webhook.h"

/*
 * The inside of admission: for admit*.c alone.
 *
 * Threads: core. Yields: never.
 */

/* What a request does, as webhooks are told. All borrowed. */
struct subject {
    const char *operation, *name, *ns; /* a namespace's ns is its name */
    json_t *object, *old;              /* NULL: none */
    const char *kind, *kind_version;   /* "Scale", "autoscaling/v1": what `object` is */
    bool whole;                        /* `object` is change.now: it may be patched */
};

struct admission;
struct question { /* to one webhook, about one request */
    struct admission *admission;
    json_t *hook; /* owned; an entry of webhooks */
    struct webhook_call call;
    struct conversion *conversion;
    json_t *shown;     /* owned; [object, oldObject], null where there is none */
    char *api_version; /* owned; that of `shown`, when the webhook wants another */
    char uid[40];
    json_t *refusal; /* owned; a Status */
    bool nomem, changed;
    bool asked, invoked, again; /* the last time; may be asked again; is to be */
};
struct admission { /* x->pending */
    struct api_exchange *x;
    enum admission_phase phase;
    void (*then)(struct api_exchange *x);
    struct question *questions;
    size_t count, at, waiting;
    bool again; /* the second round of mutating webhooks */
};

/* admit_match.c: is the webhook to be asked, and in which version? NULL: it is not. */
const struct api_kind *admit_match(struct api_exchange *x, const struct subject *subject,
                                   const json_t *hook);
/* Do its matchConditions hold? *ret_refusal, when it may not be asked nor passed over. */
bool admit_holds(struct api_exchange *x, const struct subject *subject, const json_t *hook,
                 json_t **ret_refusal);

/* admit_review.c. subject_finish() after it, in any case. 0 or NOMEM. */
int subject_of(struct api_exchange *x, struct subject *ret);
void subject_finish(struct subject *subject);
/* The AdmissionReview; `kind` is the version that admit_match() gave. NULL: NOMEM. */
json_t *admit_review(struct api_exchange *x, const struct subject *subject,
                     const struct question *question, const struct api_kind *kind);
/* What the webhook has answered: warnings go to the client; *ret_refusal is a Status, or NULL;
 * *ret_patch a JSON patch, or NULL. False: the answer is none, and `why` says it. */
bool admit_judge(struct api_exchange *x, const struct question *question, const json_t *review,
                 json_t **ret_refusal, json_t **ret_patch, struct strbuf *why);

/* admit_ask.c. True: the answer comes later, through admission_heard(). */
bool question_ask(struct question *question, const struct subject *subject,
                  const struct api_kind *kind);
void question_finish(struct question *question);

/* admit.c */
void admission_heard(struct question *question);

#endif
