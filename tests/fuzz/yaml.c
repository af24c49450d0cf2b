/* What loads can be dumped, and reads back as the same value. */
#include <stdlib.h>

#include "yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error err;
    json_t *value = yaml_load((const char *)data, size, &err);
    if (value == NULL)
        return 0;
    struct strbuf text = {0};
    yaml_dump(value, &text);
    json_t *back = yaml_load(text.data, text.len, &err);
    if (back == NULL || !json_equal(value, back))
        abort();
    json_decref(value);
    json_decref(back);
    strbuf_finish(&text);
    return 0;
}
