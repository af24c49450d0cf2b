#ifndef MOONLET_RUNTIME_NOTE_H
#define MOONLET_RUNTIME_NOTE_H

#include "runtime/invocation.h"

/* Notes of a run: Events and a script's own metrics. Takes the note. Core thread. */
void note_take(struct invocation *invocation, struct script_note *note);

/* A Warning or Normal Event about an object; best effort. */
void host_event(struct host *host, const char *component, const struct object *object,
                const char *api_version, const char *kind, const char *type, const char *reason,
                const char *format, ...) __attribute__((format(printf, 8, 9)));

/* Counts a write that was not sent because it would have changed nothing. */
void host_count_skipped(struct host *host, const char *controller);

#endif
