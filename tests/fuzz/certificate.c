/* Any bytes as PEM: an error or an answer, never a crash or a leak. */
#include "serve/certificate.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"localhost", "127.0.0.1", NULL};
    const int64_t now = 1800000000;
    struct certificate_pair pair = {0};
    struct certificate_facts facts;
    struct error err;
    char *text = mem_strndup((const char *)data, size), **list = NULL, *joined = NULL;
    const char *parts[] = {text, text};
    size_t count = 0;
    if (certificate_read(text, &facts, &err) == 0) {
        certificate_check_names(text, names, &err);
        certificate_verify(text, text, now, &err);
        certificate_make_serving(text, text, names, now, now + 60, &pair, &err);
    }
    certificate_check_key(text, text, &err); /* one text may hold both */
    if (certificate_split(text, &list, &count, &err) == 0)
        certificate_list_free(list, count);
    if (certificate_join(parts, 2, &joined, &err) == 0 &&
        certificate_count(joined, &count, &err) < 0)
        __builtin_trap(); /* what was written can be read */
    certificate_pair_finish(&pair);
    mem_free(joined);
    mem_free(text);
    return 0;
}
