#ifndef MOONLET_BINDINGS_ENGINE_H
#define MOONLET_BINDINGS_ENGINE_H

#include "runtime/script_engine.h"

/* Lua behind the script_engine seam; its contract stands in runtime/script_engine.h. */
extern const struct script_engine_type lua_engine;

#endif
