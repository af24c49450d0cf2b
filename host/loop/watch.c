/* Descriptors and signals. */

#include "base/mem.h"
#include "loop/internal.h"

struct loop_fd {
    uv_poll_t poll; /* first: freed through it */
    int fd;
    void (*ready)(void *context, int fd, int events);
    void *context;
};

struct loop_signal {
    uv_signal_t signal; /* first: freed through it */
    void (*caught)(void *context, int signum);
    void *context;
};

static void free_handle(uv_handle_t *handle) {
    mem_free(handle);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct loop_fd *watch = (struct loop_fd *)poll;
    int ready = (events & UV_READABLE ? LOOP_READABLE : 0) |
                (events & UV_WRITABLE ? LOOP_WRITABLE : 0) |
                (events & UV_DISCONNECT ? LOOP_HANGUP : 0);
    if (status < 0) /* the owner finds out what is wrong by reading or writing */
        ready = LOOP_READABLE | LOOP_WRITABLE | LOOP_HANGUP;
    watch->ready(watch->context, watch->fd, ready);
}

struct loop_fd *loop_fd_open(struct loop *loop, int fd,
                             void (*ready)(void *context, int fd, int events), void *context,
                             struct error *err) {
    struct loop_fd *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to watch descriptor %d", fd);
        return NULL;
    }
    int rc = uv_poll_init(&loop->uv, &watch->poll, fd);
    if (rc < 0) {
        loop_uv_error(err, rc, "watch a descriptor");
        mem_free(watch);
        return NULL;
    }
    watch->fd = fd;
    watch->ready = ready;
    watch->context = context;
    return watch;
}

int loop_fd_set(struct loop_fd *watch, int events, struct error *err) {
    int mask = (events & LOOP_READABLE ? UV_READABLE : 0) |
               (events & LOOP_WRITABLE ? UV_WRITABLE : 0) |
               (events & LOOP_HANGUP ? UV_DISCONNECT : 0);
    int rc = mask ? uv_poll_start(&watch->poll, mask, on_poll) : uv_poll_stop(&watch->poll);
    return rc < 0 ? loop_uv_error(err, rc, "watch a descriptor") : 0;
}

void loop_fd_close(struct loop_fd *watch) {
    if (watch == NULL)
        return;
    uv_poll_stop(&watch->poll); /* now: the owner may close the descriptor at once */
    uv_close((uv_handle_t *)&watch->poll, free_handle);
}

static void on_signal(uv_signal_t *signal, int signum) {
    struct loop_signal *watch = (struct loop_signal *)signal;
    watch->caught(watch->context, signum);
}

struct loop_signal *loop_signal_open(struct loop *loop, int signum,
                                     void (*caught)(void *context, int signum), void *context,
                                     struct error *err) {
    struct loop_signal *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to watch signal %d", signum);
        return NULL;
    }
    watch->caught = caught;
    watch->context = context;
    uv_signal_init(&loop->uv, &watch->signal);
    uv_unref((uv_handle_t *)&watch->signal);
    int rc = uv_signal_start(&watch->signal, on_signal, signum);
    if (rc < 0) {
        loop_uv_error(err, rc, "watch a signal");
        loop_signal_close(watch);
        return NULL;
    }
    return watch;
}

void loop_signal_close(struct loop_signal *watch) {
    if (watch)
        uv_close((uv_handle_t *)&watch->signal, free_handle);
}
