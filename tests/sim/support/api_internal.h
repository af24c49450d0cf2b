#ifndef MOONLET_TESTS_SIM_API_INTERNAL_H
#define MOONLET_TESTS_SIM_API_INTERNAL_H

#include "support/api.h"

/* What api.c (history, servers) and api_serve.c (requests) share. */
struct api_request { /* a watch, or a list that waits until its server knows enough */
    struct list link;
    struct api *api;
    struct sim_exchange *exchange;
    struct api_server *server;
    char ns[8]; /* "": all */
    bool watch, initial, bookmarks, waiting, begun;
    uint64_t at_least; /* view that it waits for */
    uint64_t seen;     /* told up to that version */
    char *url;
    struct loop_timer end; /* of the patience, then of the watch */
    struct loop_timer bookmark;
};

void api_append(struct api *api, enum api_change change, int slot, int label, int own,
                unsigned uid);
void api_tell_watch(struct api_request *request); /* what its server knows by now */
void api_serve(void *context, struct sim_exchange *exchange, const struct http_request *request);
void api_closed(void *context, struct sim_exchange *exchange);
void api_view_changed(struct api_server *server);
void api_write_object(const struct api_entry *entry, uint64_t version, struct strbuf *json);
/* Ends a watch: 0 normally, else by an ERROR event. */
void api_end_watch(struct api_request *request, int status);
void api_send_bookmark(struct api_request *request, bool ends_initial);

#endif
