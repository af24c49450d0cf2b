/* Reviews are read without a crash, and what is read can be answered. */
#include <stdlib.h>

#include "serve/admission.h"
#include "json/scan.h"

static void check_json(struct strbuf *text) {
    struct json_scanner scanner;
    struct error err;
    json_scanner_init(&scanner, text->data, text->len);
    if (json_skip(&scanner, NULL, &err) < 0)
        abort();
    json_scanner_finish(&scanner);
    strbuf_finish(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str body = {(const char *)data, size};
    struct admission_review review = {0};
    struct conversion_review conversion;
    struct strbuf out = {0};
    struct error err;
    if (admission_review_parse(&review, body, &err) == 0) {
        struct strbuf info = review.info;
        review.info = (struct strbuf){0};
        check_json(&info);
        admission_answer_write(&review, &(struct admission_answer){.allowed = true}, &out);
        check_json(&out);
    }
    admission_review_finish(&review);
    if (conversion_review_parse(&conversion, body, &err) == 0) {
        conversion_answer_write(&conversion, str_of("[]"), NULL, &out);
        check_json(&out);
    }
    conversion_review_finish(&conversion);
    return 0;
}
