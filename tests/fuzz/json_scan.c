/* The scanner never reads past its bytes, always ends, and json_skip agrees with json_next. */
#include <stdlib.h>

#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct json_scanner next, skip;
    enum json_token token = JSON_TOKEN_NULL;
    struct error err;
    struct str raw;
    int rc = 0;
    json_scanner_init(&next, (const char *)data, size);
    json_scanner_init(&skip, (const char *)data, size);
    while (token != JSON_TOKEN_END && (rc = json_next(&next, &token, &err)) == 0)
        ;
    int skipped = json_skip(&skip, &raw, &err);
    if (skipped == 0)
        skipped = json_next(&skip, &token, &err);
    if (skipped != rc || (rc == 0 && token != JSON_TOKEN_END))
        abort();
    json_scanner_finish(&next);
    json_scanner_finish(&skip);
    return 0;
}
