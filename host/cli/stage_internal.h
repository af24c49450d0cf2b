#ifndef MOONLET_CLI_STAGE_INTERNAL_H
#define MOONLET_CLI_STAGE_INTERNAL_H

#include <jansson.h>

#include "cli/stage.h"

/* What stage.c, stage_load.c, stage_ask.c and stage_serve.c share; others never include it. */

struct stage {
    struct stage_options options;
    const struct suite_file *file;
    struct dag *dag;
    struct epochs *epochs;
    struct epoch_reader *reader;
    struct clock_fake clock; /* what the test file sees */
    struct log log;          /* of what the test file prints */
    struct script_host host;
    struct script_engine *engine;
    struct script *script;
    struct testbed_shared *shared; /* of its simulations */
    struct stage_case *cases;
    size_t count;

    /* of the run in progress */
    const struct stage_case *now;
    const struct stage_plan *plan;
    struct stage_outcome *outcome;
    struct testbed *testbed; /* NULL: nothing was asked yet */
    char *config;            /* of the testbed, which borrows it */
    bool serving;            /* it is asked from inside the testbed, which must not be asked back */
    bool checking;           /* the invariants are being checked: nothing is written */
    bool calm;               /* the case said so */
    bool stormy;             /* faults happen */
    uint64_t turn_ns;        /* of the testbed's time: when that changes by itself */
    struct rng weather;      /* says how long until then */
    uint64_t cpu_until;      /* of this thread */
    uint64_t drawn;          /* faults so far, those that do not happen included */
    unsigned versions;       /* of files that were reloaded */
    struct rng rng;
    struct script_request *waiting[16]; /* submitted, not answered */
    size_t waiting_count;
    struct log host_log;
    struct strbuf lines;    /* of host_log */
    struct strbuf warnings; /* that the last request was answered with */
    struct observer observer;
    struct map writes; /* "controller verb kind" -> how often */
    struct stage_service *services;
};

/* stage.c */
/* Calls a function of the test file and answers what it asks, until it ends. */
void stage_call(struct stage *stage, const struct script_call *call, struct script_result *ret);
void stage_sync(struct stage *stage); /* the file's clock is the simulation's */
bool stage_is_over(struct stage *stage, struct error *err); /* it has used up its time */

char *stage_json(json_t *json); /* as text, to be mem_free'd; drops the reference; NULL: NOMEM */

/* stage_load.c: sim:load, sim:reload, sim:unload */
int stage_load(struct stage *stage, const struct script_request *request, struct error *err);

/* stage_ask.c */
void stage_ask(struct stage *stage, struct script_request *request);
int stage_check(struct stage *stage, struct error *err); /* the invariants */

/* stage_weather.c: the faults of a t.chaos */
void stage_weather_init(struct stage *stage);
bool stage_has_weather(const struct stage *stage);
void stage_storm(struct stage *stage, bool stormy); /* they begin, or end, for a drawn time */
int stage_advance(struct stage *stage, uint64_t ns, struct error *err);

/* stage_serve.c: sim:http */
int stage_serve(struct stage *stage, const char *prefix, unsigned handler, struct error *err);
void stage_serve_end(struct stage *stage);

#endif
