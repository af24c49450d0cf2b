/* Wires the real clock, transport, randomness and script engine. */

#include "base/rng.h"
#include "bindings/engine.h"
#include "cli/command.h"
#include "http/curl.h"
#include "json/blocks.h"

extern char **environ;

int main(int argc, char **argv) {
    struct command_context context = {.clock = clock_real(),
                                      .seed = rng_seed_from_system(),
                                      .engine = &lua_engine,
                                      .open_transport = http_curl_create,
                                      .env = environ};
    json_blocks_keep();
    return cli_main(&context, argc, argv);
}
