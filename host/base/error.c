#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *name;
} names[] = {
    {ERROR_INVALID, "invalid"},
    {ERROR_NOT_FOUND, "not_found"},
    {ERROR_EXISTS, "exists"},
    {ERROR_CONFLICT, "conflict"},
    {ERROR_GONE, "gone"},
    {ERROR_THROTTLED, "throttled"},
    {ERROR_UNAVAILABLE, "unavailable"},
    {ERROR_TIMEOUT, "timeout"},
    {ERROR_REJECTED, "rejected"},
    {ERROR_UNAUTHORIZED, "unauthorized"},
    {ERROR_FORBIDDEN, "forbidden"},
    {ERROR_PROTOCOL, "protocol"},
    {ERROR_CANCELLED, "cancelled"},
    {ERROR_NOMEM, "nomem"},
    {ERROR_INTERNAL, "error"},
};

int error_set(struct error *err, int code, const char *format, ...) {
    if (err == NULL)
        return code;
    char message[sizeof err->message]; /* the arguments may point into *err */
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err->code = code;
    err->status = 0;
    err->retry_after_ns = 0;
    err->reason[0] = '\0';
    memcpy(err->message, message, sizeof message);
    return code;
}

int error_prefix(struct error *err, const char *format, ...) {
    if (err == NULL)
        return ERROR_INTERNAL;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t at = used < 0 ? 0 : (size_t)used;
    if (at < sizeof message)
        snprintf(message + at, sizeof message - at, ": %s", err->message);
    memcpy(err->message, message, sizeof message);
    return err->code;
}

const char *error_code_name(int code) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return "error";
}

int error_code_from_name(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].code;
    return ERROR_INTERNAL;
}

int error_code_from_http(int status, const char *reason) {
    if (status >= 200 && status < 300)
        return 0;
    switch (status) {
    case 401:
        return ERROR_UNAUTHORIZED;
    case 403:
        return ERROR_FORBIDDEN;
    case 404:
        return ERROR_NOT_FOUND;
    case 408:
    case 504:
        return ERROR_TIMEOUT;
    case 409:
        return strcmp(reason, "AlreadyExists") == 0 ? ERROR_EXISTS : ERROR_CONFLICT;
    case 410:
        return ERROR_GONE;
    case 429:
        return ERROR_THROTTLED;
    default:
        break;
    }
    if (status >= 500)
        return ERROR_UNAVAILABLE;
    return status >= 400 ? ERROR_REJECTED : ERROR_PROTOCOL;
}
