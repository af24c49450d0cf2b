#ifndef MOONLET_KUBE_WATCH_H
#define MOONLET_KUBE_WATCH_H

#include "kube/discovery.h"

/*
 * List and watch, one request each: the protocol without the policy (cache/reflector.h has it).
 *
 * Threads: the loop's thread. Yields: never.
 */
struct kube_select {
    const struct kube_resource *resource;
    const char *ns;             /* NULL: all namespaces */
    const char *label_selector; /* unescaped; NULL: none */
    const char *field_selector; /* unescaped; NULL: none */
    bool metadata_only;         /* ask for PartialObjectMetadata */
};

enum kube_event { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED, KUBE_BOOKMARK };

struct kube_watch_options {
    struct kube_select select;
    const char *resource_version;       /* NULL or "": from the server's state now */
    const char *resource_version_match; /* "NotOlderThan" with send_initial_events; or NULL */
    bool send_initial_events;           /* streaming list (KEP-3157) */
    bool bookmarks;
    unsigned timeout_s; /* timeoutSeconds */
    /* One frame; `object` is its raw JSON, borrowed. May close the watch. */
    void (*on_event)(void *context, enum kube_event type, struct str object);
    /* The end, once: err NULL for a normal one; UNAVAILABLE with status 200 when the stream was
     * cut; an ERROR event gives its Status (410: GONE); a bad frame PROTOCOL; a frame above 64 MiB
     * REJECTED. */
    void (*on_end)(void *context, const struct error *err);
    void *context;
};
struct kube_watch;
struct kube_watch *kube_watch_open(struct kube_client *client,
                                   const struct kube_watch_options *options, struct error *err);
void kube_watch_close(struct kube_watch *watch); /* no callback comes; NULL is fine */

struct kube_list_options {
    struct kube_select select;
    const char *resource_version;       /* NULL, "0" or a version */
    const char *resource_version_match; /* or NULL */
    unsigned limit;                     /* 0 = none */
    const char *continue_token;         /* or NULL */
    /* One item as soon as it has come, borrowed, told by its brackets alone: whoever parses it
     * finds what is wrong between them. apiVersion and kind may be missing, as the server sends
     * them. 0, or the code of err, with which the list ends (REJECTED becomes PROTOCOL). May
     * cancel. */
    int (*on_item)(void *context, struct str object, struct error *err);
    /* continue_token "" on the last page. With err the list has not come to its end, whatever items
     * it has brought: PROTOCOL for what is no list, REJECTED for an item above 64 MiB. */
    void (*on_done)(void *context, const char *resource_version, const char *continue_token,
                    const struct error *err);
    void *context;
};
struct kube_list;
struct kube_list *kube_list_start(struct kube_client *client,
                                  const struct kube_list_options *options, struct error *err);
void kube_list_cancel(struct kube_list *list);

/* Appends "namespace/name" of an object's raw JSON for a message, as far as it can be read. */
void kube_name_add(struct strbuf *buf, struct str object);

#endif
