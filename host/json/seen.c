#include "json/seen.h"

#include <string.h>

#include "base/mem.h"

void json_seen_finish(struct json_seen *seen) {
    for (size_t i = 0; i < seen->count; i++)
        mem_free((char *)seen->texts[i].data);
    *seen = (struct json_seen){0};
}

/* Where texts that begin alike differ first: names, mostly. */
static uint64_t mark_of(const char *data) {
    uint64_t a, b;
    memcpy(&a, data + 8, 8);
    memcpy(&b, data + 16, 8);
    return a ^ (b << 1 | b >> 63);
}

size_t json_seen_find(struct json_seen *seen, const char *data, size_t left) {
    if (left < JSON_SEEN_MIN)
        return 0;
    uint64_t mark = mark_of(data);
    for (size_t i = 0; i < seen->count; i++) {
        struct str text = seen->texts[i];
        if (seen->marks[i] == mark && text.len <= left && memcmp(text.data, data, text.len) == 0)
            return text.len;
    }
    return 0;
}

void json_seen_add(struct json_seen *seen, struct str text) {
    if (text.len < JSON_SEEN_MIN || text.len > JSON_SEEN_MAX)
        return;
    char *copy = mem_strndup(text.data, text.len);
    if (copy == NULL)
        return;
    size_t at = seen->next++ % JSON_SEEN_TEXTS;
    if (at < seen->count)
        mem_free((char *)seen->texts[at].data);
    else
        seen->count++;
    seen->texts[at] = str_n(copy, text.len);
    seen->marks[at] = mark_of(copy);
}
