#ifndef MOONLET_SERVE_ADMISSION_H
#define MOONLET_SERVE_ADMISSION_H

#include "base/error.h"
#include "base/str.h"

/*
 * The two reviews that an API server POSTs: AdmissionReview (admission.k8s.io v1, v1beta1) and
 * ConversionReview (apiextensions.k8s.io v1, v1beta1).
 *
 * Is:      bytes to slices of the caller's buffer, and answers to bytes.
 * Is not:  a decision, a tree or a connection (serve/server.h).
 * Threads: pure. Yields: never.
 */
struct admission_review {
    /* Asked, when it is not NULL, for the length of the object that stands at `ahead`, which it may
     * keep in a form of its own: then it is read once. A negative code ends the parsing. */
    int (*take)(void *context, bool old, struct str ahead, size_t *ret_len, struct error *err);
    void *context;
    char api_version[64]; /* "admission.k8s.io/v1", as the server said it; "" when absent */
    char uid[128], operation[16], ns[64], name[256]; /* "" when absent */
    struct str object, old;                          /* raw JSON; "" when absent or null */
    struct strbuf info; /* the request as it came, with null for object and oldObject */
};
/* `take` and its context are set, the rest is filled. `body` must outlive it. 0, REJECTED (one
 * sentence; api_version and uid are set as far as they were read, so that the refusal can name
 * them), NOMEM. Pair with admission_review_finish(), also after a failure. */
int admission_review_parse(struct admission_review *review, struct str body, struct error *err);
void admission_review_finish(struct admission_review *review);

struct admission_answer {
    bool allowed;
    int code;                   /* HTTP code of a refusal; 0 = none */
    struct str reason, message; /* "" = none */
    struct str patch_base64;    /* "" = none */
    struct str warnings;        /* JSON array of strings, "" = none */
    struct str audit;           /* JSON object of strings, "" = none */
};
/* Appends the AdmissionReview with the response. */
void admission_answer_write(const struct admission_review *review,
                            const struct admission_answer *answer, struct strbuf *out);

struct conversion_review {
    char api_version[64], uid[128];
    char desired[320];   /* "example.com/v1" */
    struct str *objects; /* raw JSON each */
    size_t count, cap;
};
int conversion_review_parse(struct conversion_review *review, struct str body, struct error *err);
void conversion_review_finish(struct conversion_review *review);
/* Appends the ConversionReview: `objects` is the JSON array of the converted, or `failure` (NULL:
 * none) one sentence. */
void conversion_answer_write(const struct conversion_review *review, struct str objects,
                             const char *failure, struct strbuf *out);

#endif
