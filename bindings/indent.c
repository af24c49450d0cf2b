#include "bindings/value.h"

/* Compact JSON with line breaks and two spaces a level. */
static void line(struct strbuf *out, unsigned level) {
    strbuf_addc(out, '\n');
    while (level--)
        strbuf_adds(out, "  ");
}

int value_indent(struct str json, struct strbuf *out) {
    unsigned level = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.data[i], next = i + 1 < json.len ? json.data[i + 1] : '\0';
        if (in_string) {
            strbuf_addc(out, c);
            if (c == '\\') {
                strbuf_addc(out, next);
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
            strbuf_addc(out, c);
            strbuf_addc(out, next);
            i++;
        } else if (c == '{' || c == '[') {
            strbuf_addc(out, c);
            line(out, ++level);
        } else if (c == '}' || c == ']') {
            line(out, --level);
            strbuf_addc(out, c);
        } else if (c == ',') {
            strbuf_addc(out, c);
            line(out, level);
        } else {
            strbuf_addc(out, c);
            if (c == ':')
                strbuf_addc(out, ' ');
            in_string = c == '"';
        }
    }
    return out->failed ? ERROR_NOMEM : 0;
}
