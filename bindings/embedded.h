#ifndef MOONLET_BINDINGS_EMBEDDED_H
#define MOONLET_BINDINGS_EMBEDDED_H

#include <stddef.h>

/* The Lua library, made from scripts/moonlet by cmake/embed.cmake. Ends with module NULL. */
struct embedded_script {
    const char *module; /* "moonlet.http" */
    const char *path;   /* "moonlet/http.lua" */
    const unsigned char *text;
    size_t len;
};
extern const struct embedded_script embedded_scripts[];

#endif
