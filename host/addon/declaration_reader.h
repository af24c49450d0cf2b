#ifndef MOONLET_ADDON_DECLARATION_READER_H
#define MOONLET_ADDON_DECLARATION_READER_H

#include <jansson.h>

#include "addon/declaration.h"

/*
 * What the files that read a declaration share. Nothing else includes this.
 *
 * The first fault is kept and the rest is skipped: callers read on and look at `failed` at the end.
 */
struct reader {
    const char *where; /* definition's name, for messages */
    struct error *err;
    bool failed;
};
void reader_fault(struct reader *reader, int code, const char *field, const char *what);
char *reader_copy(struct reader *reader, const char *text); /* NULL stays NULL */
void *reader_zeroed(struct reader *reader, size_t count, size_t size);
/* A member, or NULL, `unset`, false when it is not there. */
char *reader_text(struct reader *reader, const json_t *from, const char *field);
double reader_number(struct reader *reader, const json_t *from, const char *field, double unset);
uint64_t reader_seconds(struct reader *reader, const json_t *from, const char *field, double unset);
bool reader_bool(const json_t *from, const char *field);
/* A NULL-terminated list of strings; never NULL but on failure. */
char **reader_texts(struct reader *reader, const json_t *list, const char *field);
void reader_free_texts(char **texts);
/* "apps/v1/Deployment" -> "apps/v1", "Deployment" */
void reader_split_kind(struct reader *reader, const char *kind, char **ret_api_version,
                       char **ret_name);
void reader_match(struct reader *reader, const json_t *from, struct kind_match *match);
void reader_finish_match(struct kind_match *match);

/* declaration_webhook.c */
void reader_webhooks(struct reader *reader, const json_t *from, struct definition *definition);
void reader_finish_webhooks(struct definition *definition);

#endif
