#ifndef MOONLET_RUNTIME_NAMES_H
#define MOONLET_RUNTIME_NAMES_H

#include "runtime/program.h"

/* R16, R6: a definition's name is unique over all files, and a CRD that two files declare is the
 * same in both. 0, or EXISTS naming the other file. Core thread. */
int names_check(const struct program *program, struct error *err);

#endif
