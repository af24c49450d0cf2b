#ifndef MOONLET_RUNTIME_INBOX_H
#define MOONLET_RUNTIME_INBOX_H

#include "runtime/program.h"

/* Forgets what waits in the program's inbox (see program_observe). Core thread. */
void program_drop_inbox(struct program *program);

#endif
