#ifndef MOONLET_TESTS_APISERVER_API_H
#define MOONLET_TESTS_APISERVER_API_H

#include <jansson.h>

#include "apiserver/apiserver.h"
#include "base/clock.h"

/* An API server on a fake clock, and a client without a network. */
struct api_client {
    struct clock_fake clock;
    struct log log;
    struct loop *loop;
    struct apiserver *server;
    const char *accept, *user_agent; /* of the next calls; NULL: JSON, "test" */
    struct strbuf warnings;          /* of the last call, one per line */
    int status;                      /* of the last call */
};
void api_init(struct api_client *client); /* fails the test when it cannot */
void api_init_webhooks(struct api_client *client, struct http_transport *webhooks);
void api_init_at(struct api_client *client, const char *folder); /* NULL: in memory */
void api_finish(struct api_client *client);
int api_setup(void **state); /* for cmocka: *state is one, in memory */
int api_teardown(void **state);
/* Sends a request that is answered at once. `path` may have a query; `body` NULL: none. A new
 * reference; text that is no JSON comes as a string, nothing as NULL. */
json_t *api_call(struct api_client *client, const char *method, const char *path,
                 const char *content_type, const char *body);
json_t *api_call_bytes(struct api_client *client, const char *method, const char *path,
                       const char *content_type, struct str body);
/* The same, with formatted JSON, and forgets the answer. */
int api_put(struct api_client *client, const char *method, const char *path, const char *format,
            ...) __attribute__((format(printf, 4, 5)));
/* Lets `seconds` pass. */
void api_wait(struct api_client *client, unsigned seconds);
/* Fails the test unless the last call had this status. */
void api_expect(const struct api_client *client, int status);
const char *text_at(const json_t *document, const char *path); /* "metadata.name"; "" = absent */
json_t *value_at(const json_t *document, const char *path);    /* borrowed; "items.0.kind" */

struct api_stream { /* a watch, or an answer that comes later */
    struct api_exchange *exchange;
    struct strbuf text; /* what has not been read */
    struct strbuf warnings;
    int status;
    bool ended;
};
void stream_open(struct api_client *client, struct api_stream *stream, const char *path);
/* Any request whose answer may come later. */
void stream_ask(struct api_client *client, struct api_stream *stream, const char *method,
                const char *path, const char *content_type, const char *body);
/* Fails the test unless all of it has come, with that status; a new reference. Closes it. */
json_t *stream_answer(struct api_stream *stream, int status);
json_t *stream_next(struct api_stream *stream); /* the next event, or NULL */
/* Fails the test unless the next event is of this type and name. */
void stream_expect(struct api_stream *stream, const char *type, const char *name);
void stream_close(struct api_stream *stream);

#endif
