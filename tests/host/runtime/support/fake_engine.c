#include "runtime/support/fake_engine.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

struct script_engine {
    const struct script_host *host;
    struct fake_engine *fake;
};

struct script {
    struct script_engine *engine;
    unsigned number;
    char *declaration;
    struct list runs;
    bool dead;
};

struct script_run {
    struct list link;
    struct script *script;
    void *context;
};

static void tell(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct script *script, const char *format, ...) {
    struct fake_engine *fake = script->engine->fake;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&fake->lock);
    strbuf_printf(&fake->lines, "s%u ", script->number);
    strbuf_vprintf(&fake->lines, format, args);
    strbuf_addc(&fake->lines, '\n');
    pthread_mutex_unlock(&fake->lock);
    va_end(args);
}

static void hang(struct script *script) {
    struct fake_engine *fake = script->engine->fake;
    pthread_mutex_lock(&fake->lock);
    fake->hung++;
    pthread_mutex_unlock(&fake->lock);
    tell(script, "hangs");
    pthread_mutex_lock(&fake->lock);
    while (!fake->release)
        pthread_cond_wait(&fake->released, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

static struct script_engine *engine_open(const struct script_host *host, struct error *err) {
    struct script_engine *engine = mem_zalloc(sizeof *engine);
    if (engine == NULL) {
        error_set(err, ERROR_NOMEM, "no memory");
        return NULL;
    }
    engine->host = host;
    engine->fake = CONTAINER_OF(host->log, struct fake_engine, log);
    return engine;
}

static void engine_close(struct script_engine *engine) {
    mem_free(engine);
}

static void destroy(struct script *script) {
    struct list *link, *next;
    LIST_EACH(link, next, &script->runs) {
        mem_free(CONTAINER_OF(link, struct script_run, link));
    }
    mem_free(script->declaration);
    mem_free(script);
}

static struct script *engine_load(struct script_engine *engine, const struct script_source *source,
                                  const struct script_limits *limits, const char *config,
                                  struct error *err) {
    struct fake_engine *fake = engine->fake;
    const char *text = source->files[0].text;
    struct script *script = mem_zalloc(sizeof *script);
    (void)limits, (void)config;
    script->engine = engine;
    script->declaration = mem_strdup(text);
    list_init(&script->runs);
    pthread_mutex_lock(&fake->lock);
    script->number = ++fake->loaded;
    pthread_mutex_unlock(&fake->lock);
    tell(script, "load %s", source->name);
    if (strcmp(text, "hang") == 0)
        hang(script);
    if (text[0] != '!')
        return script;
    error_set(err, ERROR_INVALID, "%s", text + 1);
    destroy(script);
    return NULL;
}

static const char *engine_declaration(const struct script *script) {
    return script->declaration;
}

static int engine_bind(struct script *script, const struct script_view *views, size_t count,
                       struct error *err) {
    (void)views, (void)err;
    tell(script, "bind %zu", count);
    return 0;
}

static void engine_unload(struct script *script) {
    tell(script, "unload");
    destroy(script);
}

static bool engine_dead(const struct script *script) {
    return script->dead;
}

static size_t engine_memory(const struct script *script) {
    (void)script;
    return 0;
}

static uint64_t engine_cpu(const struct script *script) {
    (void)script;
    return 0;
}

static struct fake_step take_step(struct fake_engine *fake) {
    struct fake_step step = {.type = FAKE_DONE};
    pthread_mutex_lock(&fake->lock);
    if (fake->taken < fake->planned)
        step = fake->steps[fake->taken++ % 16];
    pthread_mutex_unlock(&fake->lock);
    return step;
}

static void ask(struct script_run *run, const struct fake_step *step) {
    const struct script_host *host = run->script->engine->host;
    struct script_request *request = script_request_create(step->op);
    request->context = run->context;
    request->run = run;
    if (step->fill)
        step->fill(request);
    host->submit(host->context, request);
}

/* One turn of a run; it is freed unless it waits. */
static void turn(struct script_run *run, struct fake_step step, struct script_result *ret) {
    struct script *script = run->script;
    ret->state = step.type == FAKE_ASK                                 ? SCRIPT_WAITING
                 : step.type == FAKE_DONE || step.type == FAKE_REQUEUE ? SCRIPT_DONE
                                                                       : SCRIPT_FAILED;
    if (step.type == FAKE_ASK) {
        ask(run, &step);
        return;
    }
    if (step.type == FAKE_HANG)
        hang(script);
    ret->requeue = step.type == FAKE_REQUEUE;
    ret->requeue_ns = step.ns;
    ret->permanent = step.type == FAKE_PERMANENT;
    script->dead = step.type == FAKE_DIE;
    if (ret->state == SCRIPT_FAILED)
        error_set(&ret->error, step.code ? step.code : ERROR_INTERNAL, "planned");
    ret->retry_after = ret->state == SCRIPT_FAILED && step.ns > 0;
    ret->error.retry_after_ns = ret->retry_after ? step.ns : 0;
    list_remove(&run->link);
    mem_free(run);
}

static void engine_call(struct script *script, const struct script_call *call,
                        struct script_run **ret_run, struct script_result *ret) {
    struct script_run *run = mem_zalloc(sizeof *run);
    run->script = script;
    run->context = call->context;
    list_append(&script->runs, &run->link);
    /* before it is told: what a test plans when it hears of this call is for the next */
    struct fake_step step = take_step(script->engine->fake);
    bool gone = strcmp(call->function, "gone") == 0; /* the rest has an object that says it */
    tell(script, "%s " STR_FORMAT "%s" STR_FORMAT " %s %u%s" STR_FORMAT, call->function,
         STR_ARG(call->ns), call->ns.len ? "/" : "", STR_ARG(call->name),
         call->event ? call->event : call->reason, call->attempt, gone ? " " : "",
         STR_ARG(gone ? call->uid : str_of("")));
    turn(run, step, ret);
    *ret_run = ret->state == SCRIPT_WAITING ? run : NULL;
}

static void engine_answer(struct script_request *request, struct script_result *ret) {
    struct script_run *run = request->run;
    struct fake_engine *fake = run->script->engine->fake;
    int code = request->error.code;
    if (code != 0) {
        pthread_mutex_lock(&fake->lock);
        fake->error = request->error;
        pthread_mutex_unlock(&fake->lock);
    }
    struct fake_step step = take_step(fake);
    tell(run->script, "answer %s",
         code != 0 ? error_code_name(code) : (request->skipped ? "skipped" : "ok"));
    script_request_destroy(request);
    turn(run, step, ret);
}

static void engine_cancel(struct script_run *run, int code) {
    tell(run->script, "cancel %s", error_code_name(code));
}

static void version_of(const struct object *object, char text[24]) {
    if (object)
        snprintf(text, 24, "%llu", (unsigned long long)object->version);
    else
        snprintf(text, 24, "-");
}

static void engine_observe(struct script *script, const struct script_change *change,
                           struct script_result *ret) {
    char old[24], now[24];
    const struct object *object = change->now ? change->now : change->old;
    struct fake_engine *fake = script->engine->fake;
    version_of(change->old, old);
    version_of(change->now, now);
    tell(script, "observe %s " STR_FORMAT "/" STR_FORMAT " %s>%s", change->feed,
         STR_ARG(object_namespace(object)), STR_ARG(object_name(object)), old, now);
    pthread_mutex_lock(&fake->lock);
    bool hangs = fake->observe_hangs;
    fake->observe_hangs = false;
    pthread_mutex_unlock(&fake->lock);
    if (hangs)
        hang(script);
    ret->state = SCRIPT_DONE;
    ret->matches = true;
    if (change->map)
        ret->keys = mem_strdup(fake->keys);
}

static int keep_line(void *context, const char *line, size_t len) {
    struct fake_engine *fake = context;
    pthread_mutex_lock(&fake->lock);
    strbuf_add(&fake->logged, line, len);
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

void fake_engine_init(struct fake_engine *fake, const struct clock *clock) {
    *fake = (struct fake_engine){.type = {"fake", engine_open, engine_close, engine_load,
                                          engine_declaration, engine_bind, engine_unload,
                                          engine_dead, engine_memory, engine_cpu, engine_call,
                                          engine_answer, engine_cancel, engine_observe},
                                 .log = {.clock = clock, .write = keep_line, .context = fake}};
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->released, NULL);
}

void fake_engine_release(struct fake_engine *fake) {
    pthread_mutex_lock(&fake->lock);
    fake->release = true;
    pthread_cond_broadcast(&fake->released);
    pthread_mutex_unlock(&fake->lock);
}

int fake_engine_hung(struct fake_engine *fake) {
    pthread_mutex_lock(&fake->lock);
    int hung = fake->hung;
    pthread_mutex_unlock(&fake->lock);
    return hung;
}

void fake_engine_finish(struct fake_engine *fake) {
    strbuf_finish(&fake->lines);
    strbuf_finish(&fake->logged);
    pthread_mutex_destroy(&fake->lock);
}

void fake_engine_plan(struct fake_engine *fake, struct fake_step step) {
    pthread_mutex_lock(&fake->lock);
    fake->steps[fake->planned++ % 16] = step;
    pthread_mutex_unlock(&fake->lock);
}

bool fake_engine_next(struct fake_engine *fake, char *line, size_t size) {
    pthread_mutex_lock(&fake->lock);
    const char *at = fake->lines.data ? fake->lines.data + fake->read : "";
    size_t len = strcspn(at, "\n");
    bool found = at[0] != '\0';
    snprintf(line, size, "%.*s", (int)len, at);
    if (found)
        fake->read += len + 1;
    pthread_mutex_unlock(&fake->lock);
    return found;
}

bool fake_engine_saw(struct fake_engine *fake, const char *line) {
    size_t len = strlen(line);
    bool found = false;
    pthread_mutex_lock(&fake->lock);
    for (const char *at = fake->lines.data; at && *at && !found; at = strchr(at, '\n') + 1)
        found = strncmp(at, line, len) == 0 && at[len] == '\n';
    pthread_mutex_unlock(&fake->lock);
    return found;
}

bool fake_engine_logged(struct fake_engine *fake, const char *text) {
    pthread_mutex_lock(&fake->lock);
    bool found = fake->logged.data && strstr(fake->logged.data, text);
    pthread_mutex_unlock(&fake->lock);
    return found;
}

struct error fake_engine_error(struct fake_engine *fake) {
    pthread_mutex_lock(&fake->lock);
    struct error err = fake->error;
    pthread_mutex_unlock(&fake->lock);
    return err;
}
