#include <string.h>

#include "base/mem.h"
#include "runtime/controller.h"
#include "runtime/inbox.h"
#include "json/scan.h"

/* The inbox of a program: changes for the Lua in its event path (indexes, `when`, `map`), coalesced
 * by key (first old, latest new) and sent to the worker in batches (R9). */

struct change {
    struct feed *feed;
    const struct object *old, *now; /* pinned */
    bool filter, map, initial;
};

struct flight { /* a batch under way */
    struct program *program;
    struct change *changes;
    size_t count;
};

static void release(struct change *change) {
    object_unpin(change->old);
    object_unpin(change->now);
}

static char *inbox_key(const struct feed *feed, const struct object *object) {
    struct str ns = object_namespace(object), name = object_name(object);
    return mem_printf("%u %s " STR_FORMAT "/" STR_FORMAT, feed->index, feed->path, STR_ARG(ns),
                      STR_ARG(name));
}

/* A change that cannot be kept counts as a match, as an error would. */
static void lose(struct feed *feed, const struct store_delta *delta) {
    struct edition *edition = feed->context;
    log_error(feed->host->log, "%s: no memory for a change of %s; every key runs again",
              feed->definition->name, feed->match->kind);
    if (edition->controller && edition->controller->edition == edition && delta)
        controller_enqueue_all(edition->controller, "resync");
}

void program_observe(struct feed *feed, const struct store_delta *delta, bool filter, bool map) {
    struct edition *edition = feed->context;
    struct program *program = edition->program;
    CLEANUP(mem_freep) char *key = inbox_key(feed, delta->now ? delta->now : delta->old);
    struct change *change = key ? map_get(&program->inbox, str_of(key)) : NULL;
    if (change) {
        object_unpin(change->now);
        change->now = delta->now ? object_pin(delta->now) : NULL;
        change->filter |= filter;
        change->map |= map;
        change->initial &= delta->initial;
        return;
    }
    change = key ? mem_zalloc(sizeof *change) : NULL;
    if (change == NULL || map_set(&program->inbox, str_of(key), change, NULL) < 0) {
        mem_free(change);
        lose(feed, delta);
        return;
    }
    *change = (struct change){.feed = feed,
                              .old = delta->old ? object_pin(delta->old) : NULL,
                              .now = delta->now ? object_pin(delta->now) : NULL,
                              .filter = filter,
                              .map = map,
                              .initial = delta->initial};
    loop_timer_start(&program->flush, 0);
}

/* "ns/name" texts of a JSON array. */
static void enqueue_keys(struct controller *controller, const char *json) {
    struct json_scanner scanner;
    enum json_token token = JSON_TOKEN_NULL;
    json_scanner_init(&scanner, json, strlen(json));
    while (token != JSON_TOKEN_END && json_next(&scanner, &token, NULL) == 0)
        if (token == JSON_TOKEN_STRING)
            controller_enqueue(controller, scanner.text, /* low= */ false, "event");
    json_scanner_finish(&scanner);
}

static void report(const struct program *program, const struct change *change,
                   const struct error *err) {
    const struct edition *edition = change->feed->context;
    struct strbuf key = {0};
    controller_key(&key, change->now ? change->now : change->old);
    struct log_field fields[] = {{"controller", edition->definition->name, false},
                                 {"kind", change->feed->match->kind, false},
                                 {"key", key.data, false},
                                 {"then",
                                  change->map      ? "no key runs for this change"
                                  : change->filter ? "counted as a match"
                                                   : "in no index",
                                  false},
                                 {0}};
    log_emit(program->host->log, LOG_ERROR, fields, "%s", err->message);
    strbuf_finish(&key);
}

static void conclude(struct program *program, struct change *change,
                     const struct script_result *result, bool aborted) {
    struct edition *edition = change->feed->context;
    struct controller *controller = edition->controller;
    if (result->error.code != 0)
        report(program, change, &result->error);
    if (controller == NULL || controller->edition != edition)
        return;
    if (aborted && change->map) {
        controller_enqueue_all(controller, "resync");
        return;
    }
    if (change->map && result->keys)
        enqueue_keys(controller, result->keys);
    else if (!change->map && change->filter && (aborted || result->matches))
        controller_matched(controller, change->feed, change->old, change->now, change->initial);
}

static void on_observed(struct worker_batch *batch) {
    struct flight *flight = batch->context;
    struct program *program = flight->program;
    if (batch->died)
        program->died(program);
    for (size_t i = 0; i < flight->count; i++) {
        conclude(program, &flight->changes[i], &batch->items[i].result, batch->aborted);
        release(&flight->changes[i]);
    }
    if (!batch->lost)
        worker_batch_destroy(batch);
    mem_free(flight->changes);
    mem_free(flight);
    program_unref(program);
}

static void fill(struct worker_observation *item, const struct change *change) {
    item->change = (struct script_change){
        .definition = change->feed->index,
        .feed = change->feed->path,
        .kind = change->feed->match->kind,
        .old = change->old ? object_pin(change->old) : NULL,
        .now = change->now ? object_pin(change->now) : NULL,
        .filter = change->filter,
        .map = change->map,
    };
}

void program_flush(struct program *program) {
    size_t count = program->inbox.count, at = 0, i = 0;
    loop_timer_stop(&program->flush);
    if (count == 0 || program->script == NULL)
        return;
    struct flight *flight = mem_zalloc(sizeof *flight);
    struct worker_batch *batch = mem_zalloc(sizeof *batch);
    struct change *changes = mem_calloc(count, sizeof *changes);
    struct worker_observation *items = mem_calloc(count, sizeof *items);
    if (!flight || !batch || !changes || !items) {
        mem_free(flight);
        mem_free(batch);
        mem_free(changes);
        mem_free(items);
        loop_timer_start(&program->flush, NS_PER_S); /* they stay in the inbox */
        return;
    }
    for (struct map_entry *entry; (entry = map_next(&program->inbox, &at));) {
        struct change *change = entry->value;
        changes[i] = *change;
        fill(&items[i++], change);
        mem_free(change);
    }
    map_finish(&program->inbox);
    *flight = (struct flight){program, changes, count};
    *batch = (struct worker_batch){
        .items = items, .count = count, .on_done = on_observed, .context = flight};
    program_ref(program);
    worker_observe(program->script, batch);
}

void program_drop_inbox(struct program *program) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&program->inbox, &at));) {
        release(entry->value);
        mem_free(entry->value);
    }
    map_finish(&program->inbox);
    loop_timer_stop(&program->flush);
}
