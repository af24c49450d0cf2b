/* A body in protobuf is read as an object that JSON can write, or refused with a reason. */
#include <stdlib.h>

#include "apiserver/document.h"
#include "apiserver/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct protobuf_body body;
    struct error err = {0};
    struct strbuf text = {0};
    if (protobuf_open(str_n((const char *)data, size), &body, &err) < 0) {
        if (err.code != ERROR_REJECTED || err.status != 400)
            abort();
        return 0;
    }
    const struct protobuf_kind *kind = protobuf_find(&body);
    json_t *object = kind ? protobuf_read(kind, &body, &err) : NULL;
    if (kind && object == NULL && (err.code != ERROR_REJECTED || err.status != 400))
        abort();
    if (object) {
        document_text(object, &text);
        json_t *back = document_parse(strbuf_view(&text), &err);
        if (back == NULL || !json_equal(object, back))
            abort();
        json_decref(back);
    }
    json_decref(object);
    strbuf_finish(&text);
    return 0;
}
