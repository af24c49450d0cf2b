#ifndef MOONLET_APISERVER_FRONT_H
#define MOONLET_APISERVER_FRONT_H

#include "apiserver/apiserver.h"

/*
 * Front: the embedded API server over HTTPS, for kubectl and every other client.
 *
 * Is:      a listener with a CA and a certificate of its own, made at each start; who a client is
 *          (bearer token, impersonation); the way from a request to apiserver_serve() and of its
 *          answer to the client; the kubeconfig that leads here.
 * Is not:  HTTP (serve/server.h) or what is answered (apiserver.h).
 * Users:   whoever shows the token is kubernetes-admin in system:masters; whoever shows one that
 * the server made for a service account is that. Both may impersonate with Impersonate-User and
 *          Impersonate-Group; any other token is 401, and so is none unless `anonymous`.
 * Limits:  4,000 connections (a watch takes one: HTTP/1.1), bodies of 3 MiB; else the server's. The
 *          certificate is good for a year.
 * Threads: core. Yields: never.
 */
struct front;
struct front_options {
    struct loop *loop;
    struct log *log;
    struct apiserver *api; /* borrowed; outlives the front */
    const char *address;   /* "127.0.0.1:6443"; see listen_open() */
    bool may_move;         /* a busy port is replaced by a free one */
    const char *token;     /* copied; NULL: a random one */
    bool anonymous;        /* who shows no token is system:anonymous, not refused */
};
/* NULL: INVALID (not an address), UNAVAILABLE (busy), INTERNAL (no random numbers), NOMEM. */
struct front *front_start(const struct front_options *options, struct error *err);
const char *front_url(const struct front *front); /* "https://127.0.0.1:6443" */
const char *front_ca_pem(const struct front *front);
const char *front_token(const struct front *front);
/* Writes a kubeconfig whose cluster, user and context are "moonlet", with CA and token in it:
 * aside, then renamed, for its owner alone. 0; UNAVAILABLE (says which file and why), NOMEM. */
int front_write_kubeconfig(const struct front *front, const char *path, struct error *err);
/* Abandons every exchange and closes every connection. NULL is fine. */
void front_stop(struct front *front);

#endif
