#ifndef MOONLET_RUNTIME_REMOVAL_H
#define MOONLET_RUNTIME_REMOVAL_H

#include "runtime/program.h"

/* Logs which objects still carry the finalizer of a controller that is gone, and the command that
 * takes it off. Core thread; the edition's informers must still be there. */
void removal_report(struct host *host, const struct edition *edition);

#endif
