#ifndef MOONLET_RUNTIME_PROGRAM_INTERNAL_H
#define MOONLET_RUNTIME_PROGRAM_INTERNAL_H

#include "runtime/program.h"

/* What program.c and program_load.c share. Nothing else includes this. */

/* Starts loading; program_install() or program_fail() follows. 0, NOMEM, UNAVAILABLE. */
int program_load(struct program *program, struct error *err);
/* Loaded, and HTTPS is up if it serves: on to its CRDs. */
void program_install(struct program *program);
void program_fail(struct program *program, const struct error *err, bool environment);

#endif
