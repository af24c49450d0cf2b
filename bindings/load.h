#ifndef MOONLET_BINDINGS_LOAD_H
#define MOONLET_BINDINGS_LOAD_H

#include "bindings/script.h"

/* Fills a script's fresh isolate: library, sandbox, the entry file, and what it declares. `config`
 * as in script_engine.load. 0, INVALID, NOMEM, TIMEOUT; the script is then to be unloaded. */
int load_source(struct script *script, const char *config, struct error *err);

#endif
