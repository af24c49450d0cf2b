#ifndef MOONLET_RUNTIME_STAND_INS_TEXT_H
#define MOONLET_RUNTIME_STAND_INS_TEXT_H

#include <stddef.h>

/* The files of scripts/controllers/stand-ins, the entry first; ends with {0}. */
struct embedded_file {
    const char *path; /* "init.lua" */
    const char *text;
    size_t len;
};
extern const struct embedded_file stand_ins_text[];

#endif
