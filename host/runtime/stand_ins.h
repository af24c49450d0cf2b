#ifndef MOONLET_RUNTIME_STAND_INS_H
#define MOONLET_RUNTIME_STAND_INS_H

#include "runtime/source.h"

/*
 * Stand-ins: simple versions of the controllers that every real cluster runs (Deployments, Jobs,
 * Pods...), for where there is none. docs/reference/stand-ins.md says what they do.
 *
 * Is:      a controller folder as a user would write it, scripts/controllers/stand-ins, in the
 *          program.
 * Threads: core. Yields: never.
 */
#define STAND_INS "stand-ins"
#define STAND_INS_PREFIX "stand-in-" /* of the names of its controllers */
/* A new reference; its name is STAND_INS. NULL: NOMEM. */
struct script_source *stand_ins_source(struct error *err);

#endif
