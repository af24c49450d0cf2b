#include <string.h>

#include "apiserver/rules.h"
#include "base/clock.h"

/* Events: of v1 as controllers have always written them, and of events.k8s.io/v1, which asks for
 * more. The real server calls all fields but one as v1 does. */

enum { LONGEST_WORD = 128, LONGEST_NOTE = 1024, SERIES_BEGINS = 2 };

static bool is_core(const json_t *event) {
    return strcmp(document_string(event, "apiVersion"), "v1") == 0;
}

static const json_t *member(const json_t *event, const char *core, const char *group) {
    return json_object_get(event, is_core(event) ? core : group);
}

static const char *text_member(const json_t *event, const char *core, const char *group) {
    const char *text = json_string_value(member(event, core, group));
    return text ? text : "";
}

/* An event without a time of its own is about something in its namespace; what is in none has its
 * events in "default". */
static void check_place(const json_t *event, bool timed, struct causes *causes) {
    const char *ns = document_meta(event, "namespace");
    const char *about =
        document_string(event, is_core(event) ? "involvedObject.namespace" : "regarding.namespace");
    bool fits = about[0] ? timed || strcmp(about, ns) == 0
                         : strcmp(ns, "default") == 0 || (timed && strcmp(ns, "kube-system") == 0);
    if (!fits)
        cause_invalid_text(causes, "involvedObject.namespace", about,
                           "does not match event.namespace");
}

static void check_word(const json_t *event, const char *key, struct causes *causes) {
    const char *word = document_string(event, key);
    if (!word[0])
        cause_required(causes, key, "");
    if (strlen(word) > LONGEST_WORD)
        cause_invalid_text(causes, key, "", "can have at most %d characters", LONGEST_WORD);
}

static void check_timed(const json_t *event, struct causes *causes) {
    const char *key = is_core(event) ? "reportingComponent" : "reportingController";
    const char *reporter = document_string(event, key);
    if (!reporter[0])
        cause_required(causes, key, "");
    name_check_qualified(key, reporter, false, causes);
    check_word(event, "reportingInstance", causes);
    check_word(event, "action", causes);
    check_word(event, "reason", causes);
    if (strlen(text_member(event, "message", "note")) > LONGEST_NOTE)
        cause_invalid_text(causes, "message", "", "can have at most %d characters", LONGEST_NOTE);
}

static void check_series(const json_t *event, struct causes *causes) {
    const json_t *series = json_object_get(event, "series");
    if (!json_is_object(series))
        return;
    if (json_integer_value(json_object_get(series, "count")) < SERIES_BEGINS)
        cause_invalid_text(causes, "series.count", "", "should be at least %d", SERIES_BEGINS);
    if (!document_string(series, "lastObservedTime")[0])
        cause_required(causes, "series.lastObservedTime", "");
}

static void check_unset(const json_t *event, const char *key, const char *called,
                        struct causes *causes) {
    if (!document_empty(json_object_get(event, key)))
        cause_invalid_text(causes, called, "", "needs to be unset");
}

static void check_new(const json_t *event, struct causes *causes) {
    const char *type = document_string(event, "type");
    check_series(event, causes);
    if (document_empty(json_object_get(event, "eventTime")))
        cause_required(causes, "eventTime", "");
    if (strcmp(type, "Normal") != 0 && strcmp(type, "Warning") != 0)
        cause_invalid_text(causes, "type", "", "has invalid value: %s", type);
    check_unset(event, "deprecatedFirstTimestamp", "firstTimestamp", causes);
    check_unset(event, "deprecatedLastTimestamp", "lastTimestamp", causes);
    check_unset(event, "deprecatedCount", "count", causes);
    check_unset(event, "deprecatedSource", "source", causes);
}

/* Clients write the times of events that they read with more or fewer digits. */
static bool same_time(const json_t *a, const json_t *b) {
    int64_t from, to;
    return json_is_string(a) && json_is_string(b) &&
           clock_parse(json_string_value(a), &from) == 0 &&
           clock_parse(json_string_value(b), &to) == 0 && from / 1000 == to / 1000;
}

/* Only the series goes on. */
static void check_changed(const json_t *now, const json_t *old, struct causes *causes) {
    static const struct {
        const char *key, *called;
    } fixed[] = {{"regarding", "involvedObject"},
                 {"reason", "reason"},
                 {"note", "message"},
                 {"deprecatedSource", "source"},
                 {"deprecatedFirstTimestamp", "firstTimestamp"},
                 {"deprecatedLastTimestamp", "lastTimestamp"},
                 {"deprecatedCount", "count"},
                 {"type", "type"},
                 {"eventTime", "eventTime"},
                 {"action", "action"},
                 {"related", "related"},
                 {"reportingController", "reportingController"},
                 {"reportingInstance", "reportingInstance"}};
    if (!document_same(json_object_get(now, "series"), json_object_get(old, "series")))
        check_series(now, causes);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const json_t *value = json_object_get(now, fixed[i].key);
        const json_t *before = json_object_get(old, fixed[i].key);
        if (!document_same(value, before) && !same_time(value, before))
            cause_invalid(causes, fixed[i].called, value, "field is immutable");
    }
}

void event_check(struct apiserver *server, const json_t *now, const json_t *old,
                 struct causes *causes) {
    bool timed = !document_empty(json_object_get(now, "eventTime"));
    (void)server;
    check_place(now, timed, causes);
    if (timed)
        check_timed(now, causes);
    if (is_core(now))
        return;
    if (old)
        check_changed(now, old, causes);
    else
        check_new(now, causes);
}
