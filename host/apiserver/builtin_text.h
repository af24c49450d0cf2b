#ifndef MOONLET_APISERVER_BUILTIN_TEXT_H
#define MOONLET_APISERVER_BUILTIN_TEXT_H

#include <stddef.h>

/* builtin_kinds.json, embedded by cmake/embed_file.cmake; a 0 follows. Immutable. */
extern const unsigned char builtin_text[];
extern const size_t builtin_text_len;

#endif
