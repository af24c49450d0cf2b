#ifndef MOONLET_TESTS_BINDINGS_HARNESS_H
#define MOONLET_TESTS_BINDINGS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "bindings/engine.h"

/*
 * One engine with a host that keeps what scripts ask for, a fake clock and a log in memory; and a
 * cache of one dag to make objects and stores in.
 */
struct harness {
    struct clock_fake clock;
    struct log log;
    struct strbuf lines; /* what was logged */
    struct dag *dag;
    struct epochs *epochs;
    struct epoch_reader *reader;
    struct script_host host;
    struct script_engine *engine;
    struct script_request *requests[32]; /* submitted, not answered */
    size_t request_count;
    struct script_note *notes[8];
    size_t note_count;
    struct mem_stats before;
};

/* The beginning of a file, and of one with a controller; an object that is its primary. */
#define HEAD "local moonlet = require 'moonlet'\n"
#define APP                                                                                        \
    HEAD "return moonlet.controller { name = 'app', resource = 'app.example.com/v1/App',\n"        \
         "owns = { 'v1/ConfigMap' },\n"
extern const char *const harness_app;

void harness_open(struct harness *harness);
/* Closes all and asserts that nothing is left. */
void harness_close(struct harness *harness);
int harness_setup(void **state); /* for cmocka: *state is one */
int harness_teardown(void **state);

/* A source of one file. NULL asserts. */
struct script *harness_load(struct harness *harness, const char *path, const char *text);
/* The same with limits; on failure NULL and *err. */
struct script *harness_try(struct harness *harness, const char *path, const char *text,
                           size_t memory, uint64_t cpu_ns, struct error *err);
const struct object *harness_object(struct harness *harness, const char *json); /* pinned */
struct store *harness_store(struct harness *harness, const char *api_version, const char *kind);
void harness_put(struct store *store, const char *json);

/* Calls a handler of definition 0 with an object (NULL: none). The result is finished by the
 * caller. */
struct script_run *harness_call(struct harness *harness, struct script *script,
                                const char *function, const struct object *object,
                                struct script_result *ret);
/* Takes the oldest request. */
struct script_request *harness_take(struct harness *harness);

#endif
