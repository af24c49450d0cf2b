#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

enum { LONGEST = 16384 }; /* bytes of a message, and of a field's text */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

int log_write_fd(void *context, const char *line, size_t len) {
    return fd_write_all((int)(intptr_t)context, line, len) < 0 ? ERROR_UNAVAILABLE : 0;
}

bool log_enabled(const struct log *log, enum log_level level) {
    return log != NULL && level >= log->level;
}

/* How many bytes the character has (RFC 3629); 0: it is none. */
static size_t character(const unsigned char *p) {
    static const struct {
        unsigned char from, to, least, most; /* of the first byte; of the second */
        size_t len;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*p < forms[i].from || *p > forms[i].to)
            continue;
        if (forms[i].len > 1 && (p[1] < forms[i].least || p[1] > forms[i].most))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

/* A character, whoever has written it: no terminal obeys it, and every reader of JSON takes it.
 * Returns how many bytes it was. */
static size_t add_character(struct strbuf *buf, const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    size_t len = character(p);
    if (len == 0)
        strbuf_adds(buf, "\xef\xbf\xbd"); /* U+FFFD */
    else if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
        strbuf_printf(buf, "\\u%04x", len == 1 ? *p : p[1]);
    else
        strbuf_add(buf, text, len);
    return len ? len : 1;
}

static void add_json_string(struct strbuf *buf, const char *prefix, const char *text) {
    strbuf_printf(buf, "\"%s", prefix);
    for (size_t i = 0; text[i] && i < LONGEST;) {
        if (text[i] == '"' || text[i] == '\\')
            strbuf_printf(buf, "\\%c", text[i++]);
        else if (text[i] == '\n')
            strbuf_adds(buf, "\\n"), i++;
        else
            i += add_character(buf, text + i);
    }
    strbuf_addc(buf, '"');
}

static bool needs_quotes(const char *text) {
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f || strchr(" \"=", *p))
            return true;
    return *text == '\0';
}

/* What has several lines goes on further in, so that none passes for a line of the log. */
static void add_lines(struct strbuf *line, const char *text, const char *tab) {
    for (size_t i = 0; text[i] && i < LONGEST;) {
        if (text[i] == '\n')
            strbuf_adds(line, "\n    "), i++;
        else if (text[i] == '\t')
            strbuf_adds(line, tab), i++;
        else
            i += add_character(line, text + i);
    }
}

/* Is the key in the line already? Of two that are the same readers of JSON keep one or none. */
static bool is_taken(const struct log_field *fields, const struct log_field *field) {
    static const char *const own[] = {"ts", "level", "msg"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(field->key, own[i]) == 0)
            return true;
    for (; fields < field; fields++)
        if (fields->value && strcmp(fields->key, field->key) == 0)
            return true;
    return false;
}

static void format_json(struct strbuf *line, const char *when, enum log_level level,
                        const char *message, const struct log_field *fields) {
    strbuf_printf(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":", when, level_names[level]);
    add_json_string(line, "", message);
    for (const struct log_field *field = fields; field && field->key; field++) {
        if (field->value == NULL)
            continue;
        strbuf_addc(line, ',');
        add_json_string(line, is_taken(fields, field) ? "fields." : "", field->key);
        strbuf_addc(line, ':');
        if (field->raw)
            strbuf_adds(line, field->value);
        else
            add_json_string(line, "", field->value);
    }
    strbuf_adds(line, "}\n");
}

static bool has_lines(const struct log_field *field) {
    return !field->raw && strchr(field->value, '\n') != NULL;
}

static void format_human(struct strbuf *line, const char *when, enum log_level level,
                         const char *message, const struct log_field *fields) {
    strbuf_printf(line, "%.12s %-5s ", when + 11, level_names[level]);
    add_lines(line, message, /* tab= */ "\t");
    for (const struct log_field *field = fields; field && field->key; field++) {
        if (field->value == NULL || has_lines(field))
            continue;
        strbuf_printf(line, "  %s=", field->key);
        if (!field->raw && needs_quotes(field->value))
            add_json_string(line, "", field->value);
        else
            strbuf_adds(line, field->value);
    }
    for (const struct log_field *field = fields; field && field->key; field++)
        if (field->value && has_lines(field)) {
            strbuf_printf(line, "\n    %s: ", field->key);
            add_lines(line, field->value, /* tab= */ "    ");
        }
    strbuf_addc(line, '\n');
}

void log_emit(struct log *log, enum log_level level, const struct log_field *fields,
              const char *format, ...) {
    if (!log_enabled(log, level))
        return;
    struct strbuf message = {0}, line = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);
    char when[CLOCK_TEXT];
    clock_format(clock_wall(log->clock), /* micros= */ 1, when);
    const char *text = message.data ? message.data : "(no memory for this message)";
    if (log->format == LOG_JSON)
        format_json(&line, when, level, text, fields);
    else
        format_human(&line, when, level, text, fields);
    if (line.failed || log->write(log->context, line.data, line.len) < 0)
        __atomic_fetch_add(&log->lost, 1, __ATOMIC_RELAXED);
    strbuf_finish(&message);
    strbuf_finish(&line);
}

int log_level_from_name(const char *name, enum log_level *ret) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    return ERROR_INVALID;
}
