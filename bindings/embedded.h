#ifndef MOONLET_BINDINGS_EMBEDDED_H
#define MOONLET_BINDINGS_EMBEDDED_H

#include <stddef.h>

/* The Lua library, made from scripts/moonlet by cmake/embed.c. Ends with module NULL. */
struct embedded_script {
    const char *module; /* "moonlet.http" */
    const char *path;   /* "moonlet/http.lua" */
    const unsigned char *text;
    size_t len;
    const unsigned char *code; /* the same as bytecode of that LuaJIT: */
    size_t code_len;
};
extern const struct embedded_script embedded_scripts[];
extern const char embedded_version[];

#endif
