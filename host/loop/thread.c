#include "loop/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct thread {
    pthread_t id;
    char name[16]; /* the kernel's limit */
    void (*body)(void *context);
    void *context;
    atomic_uint refs; /* the starter's and the body's */
};

static void unref(struct thread *thread) {
    if (atomic_fetch_sub(&thread->refs, 1) == 1)
        mem_free(thread);
}

static void *run(void *argument) {
    struct thread *thread = argument;
    pthread_setname_np(pthread_self(), thread->name);
    thread->body(thread->context);
    unref(thread);
    return NULL;
}

struct thread *thread_start(const char *name, void (*body)(void *context), void *context,
                            struct error *err) {
    struct thread *thread = mem_zalloc(sizeof *thread);
    if (thread == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for thread '%s'", name);
        return NULL;
    }
    snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->body = body;
    thread->context = context;
    atomic_init(&thread->refs, 2);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits the blocked set */
    int rc = pthread_create(&thread->id, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        error_set(err, ERROR_UNAVAILABLE, "start thread '%s': %s", name, strerror(rc));
        mem_free(thread);
        return NULL;
    }
    return thread;
}

void thread_join(struct thread *thread) {
    if (thread == NULL)
        return;
    pthread_join(thread->id, NULL);
    unref(thread);
}

void thread_abandon(struct thread *thread) {
    pthread_detach(thread->id);
    unref(thread);
}
