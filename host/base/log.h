#ifndef MOONLET_BASE_LOG_H
#define MOONLET_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * Log: one line per call, with fields, as JSON or for people.
 *
 * Is:      a formatter in front of a write function; one write(2) per line, so lines of several
 *          threads do not mix. A line that cannot be written (full disk) is counted, never retried.
 * Is not:  for libraries: whoever ends an error logs it.
 * Threads: any. Yields: never.
 */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_HUMAN, LOG_JSON };

struct log_field {
    const char *key;   /* NULL ends the list */
    const char *value; /* text; NULL is left out */
    bool raw;          /* value is JSON already (numbers, true, objects) */
};

struct log {
    const struct clock *clock;
    enum log_format format;
    enum log_level level; /* lines below it are dropped */
    /* Writes a whole line, newline included; < 0 when it could not. */
    int (*write)(void *context, const char *line, size_t len);
    void *context;
    uint64_t lost; /* lines that could not be written; atomic */
};

/* A log to a file descriptor: context is (void *)(intptr_t)fd. */
int log_write_fd(void *context, const char *line, size_t len);

bool log_enabled(const struct log *log, enum log_level level);
/* fields may be NULL or ends with a {0}. The message and each text are cut at
 * 16 KiB; what is no character, or would move a terminal's cursor, is replaced. */
void log_emit(struct log *log, enum log_level level, const struct log_field *fields,
              const char *format, ...) __attribute__((format(printf, 4, 5)));
#define log_debug(log, ...) log_emit(log, LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(log, ...) log_emit(log, LOG_INFO, NULL, __VA_ARGS__)
#define log_warn(log, ...) log_emit(log, LOG_WARN, NULL, __VA_ARGS__)
#define log_error(log, ...) log_emit(log, LOG_ERROR, NULL, __VA_ARGS__)

/* 0 or ERROR_INVALID. */
int log_level_from_name(const char *name, enum log_level *ret);

#endif
