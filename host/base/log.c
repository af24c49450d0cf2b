#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

static const char *const level_names[] = {"debug", "info", "warn", "error"};

int log_write_fd(void *context, const char *line, size_t len) {
    return fd_write_all((int)(intptr_t)context, line, len) < 0 ? ERROR_UNAVAILABLE : 0;
}

bool log_enabled(const struct log *log, enum log_level level) {
    return log != NULL && level >= log->level;
}

static void add_json_string(struct strbuf *buf, const char *text) {
    strbuf_addc(buf, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            strbuf_printf(buf, "\\%c", *p);
        else if (*p == '\n')
            strbuf_adds(buf, "\\n");
        else if (*p < 0x20)
            strbuf_printf(buf, "\\u%04x", *p);
        else
            strbuf_addc(buf, (char)*p);
    }
    strbuf_addc(buf, '"');
}

static bool needs_quotes(const char *text) {
    return *text == '\0' || strpbrk(text, " \"\t=") != NULL;
}

static void format_json(struct strbuf *line, const char *when, enum log_level level,
                        const char *message, const struct log_field *fields) {
    strbuf_printf(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":", when, level_names[level]);
    add_json_string(line, message);
    for (; fields && fields->key; fields++) {
        if (fields->value == NULL)
            continue;
        strbuf_addc(line, ',');
        add_json_string(line, fields->key);
        strbuf_addc(line, ':');
        if (fields->raw)
            strbuf_adds(line, fields->value);
        else
            add_json_string(line, fields->value);
    }
    strbuf_adds(line, "}\n");
}

static bool has_lines(const struct log_field *field) {
    return !field->raw && strchr(field->value, '\n') != NULL;
}

/* A value of several lines, below the message and further in. */
static void add_lines(struct strbuf *line, const struct log_field *field) {
    strbuf_printf(line, "\n    %s: ", field->key);
    for (const unsigned char *p = (const unsigned char *)field->value; *p; p++) {
        if (*p == '\n')
            strbuf_adds(line, "\n    ");
        else if (*p == '\t')
            strbuf_adds(line, "    ");
        else if (*p < 0x20)
            strbuf_printf(line, "\\u%04x", *p);
        else
            strbuf_addc(line, (char)*p);
    }
}

static void format_human(struct strbuf *line, const char *when, enum log_level level,
                         const char *message, const struct log_field *fields) {
    strbuf_printf(line, "%.12s %-5s ", when + 11, level_names[level]);
    strbuf_adds(line, message);
    for (const struct log_field *field = fields; field && field->key; field++) {
        if (field->value == NULL || has_lines(field))
            continue;
        strbuf_printf(line, "  %s=", field->key);
        if (!field->raw && needs_quotes(field->value))
            add_json_string(line, field->value);
        else
            strbuf_adds(line, field->value);
    }
    for (const struct log_field *field = fields; field && field->key; field++)
        if (field->value && has_lines(field))
            add_lines(line, field);
    strbuf_addc(line, '\n');
}

void log_emit(struct log *log, enum log_level level, const struct log_field *fields,
              const char *format, ...) {
    enum { LONGEST = 16384 };
    if (!log_enabled(log, level))
        return;
    struct strbuf message = {0}, line = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);
    if (message.len > LONGEST)
        message.data[LONGEST] = '\0';
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
