#ifndef MOONLET_BASE_ERROR_H
#define MOONLET_BASE_ERROR_H

#include <stdint.h>

/*
 * Errors: a negative code as the return value, one sentence in the caller's struct error.
 *
 * Is:      plain values on the caller's stack; nothing to free.
 * Is not:  a log. Whoever ends an error logs it, once.
 * Threads: any. Yields: never.
 */
enum error_code {
    ERROR_INVALID = -1,       /* misuse by our caller; never retried */
    ERROR_NOT_FOUND = -2,     /* HTTP 404 */
    ERROR_EXISTS = -3,        /* HTTP 409, reason AlreadyExists */
    ERROR_CONFLICT = -4,      /* HTTP 409: our cache is behind */
    ERROR_GONE = -5,          /* HTTP 410 */
    ERROR_THROTTLED = -6,     /* HTTP 429, or an empty bucket */
    ERROR_UNAVAILABLE = -7,   /* 5xx, refused, cut connection */
    ERROR_TIMEOUT = -8,       /* a deadline passed */
    ERROR_REJECTED = -9,      /* HTTP 400, 422 */
    ERROR_UNAUTHORIZED = -10, /* HTTP 401 */
    ERROR_FORBIDDEN = -11,    /* HTTP 403, or not declared */
    ERROR_PROTOCOL = -12,     /* the peer sent nonsense */
    ERROR_CANCELLED = -13,    /* we are stopping */
    ERROR_NOMEM = -14,        /* no memory, or a memory cap */
    ERROR_INTERNAL = -15      /* a script's own error() and anything with no code of its own */
};

struct error {
    int code;                /* enum error_code, 0 = none */
    int status;              /* HTTP status when a server answered, else 0 */
    uint64_t retry_after_ns; /* the server's or bucket's wish, 0 = none */
    char reason[64];         /* Kubernetes Status.reason, "" = none */
    char message[1024];      /* one sentence, cut to fit */
};

/* Fills *err (NULL is fine; status, reason and retry_after are cleared) and returns `code`. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message and returns err->code (ERROR_INTERNAL when err is NULL). */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "not_found", "conflict", ...: the word Lua sees in `code`. Never NULL. */
const char *error_code_name(int code);

/* The code of that word, or ERROR_INTERNAL. */
int error_code_from_name(const char *name);

/* The code for an HTTP status and the Status.reason that came with it ("" when none). 0 for 2xx. */
int error_code_from_http(int status, const char *reason);

#endif
