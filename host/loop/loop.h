#ifndef MOONLET_LOOP_LOOP_H
#define MOONLET_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

/*
 * Loop: one thread's event loop (timers, descriptors, signals), over libuv.
 *
 * Is:      the only place that includes uv.h; other rooms see the structs below.
 * Is not:  a thread (loop/thread.h) or a channel between threads (loop/mailbox.h).
 * Threads: everything here belongs to the thread that runs the loop, but loop_stop().
 * Time:    monotonic ns of the clock given at creation. With a fake clock, loop_advance() fires
 *          timers in order of their time without sleeping. In simulation nothing else happens in
 *          it: no descriptors, no signals, no other thread.
 */
struct loop;

struct loop *loop_create(const struct clock *clock, struct error *err); /* NULL: ERROR_NOMEM */
/* Runs until loop_stop(), or until nothing is left to wait for. */
void loop_run(struct loop *loop);
/* Handles what is ready now; true when something active is left. */
bool loop_poll(struct loop *loop);
/* Any thread. loop_run() returns after the callback in progress. */
void loop_stop(struct loop *loop);
/* All timers and watchers must have been closed; a leftover is an assertion. NULL is fine. */
void loop_destroy(struct loop *loop);
uint64_t loop_now(const struct loop *loop);
const struct clock *loop_clock(const struct loop *loop);
/* Tests with a struct clock_fake: moves it by `ns`, firing each due timer at its own time. */
void loop_advance(struct loop *loop, struct clock_fake *fake, uint64_t ns);
/* Makes it a loop in simulation, before anything else is made in it: mailboxes belong to its own
 * thread alone and deliver each message by a timer, in order, each after a drawn delay. */
void loop_simulate(struct loop *loop, uint64_t (*delay_ns)(void *context), void *context);
uint64_t loop_due(const struct loop *loop);    /* of the next timer; UINT64_MAX: there is none */
size_t loop_messages(const struct loop *loop); /* in simulation: posted, not delivered yet */

/* A timer lives in its owner's struct; zeroed = not initialised. One shot: start again to repeat.
 */
struct loop_timer {
    struct loop *loop;
    uint64_t due;   /* monotonic ns; meaningful while `at` > 0 */
    uint64_t order; /* ties fire in the order they were started */
    size_t at;      /* 1 + place in the loop's heap; 0 = stopped */
    void (*fire)(struct loop_timer *timer);
};
void loop_timer_init(struct loop *loop, struct loop_timer *timer,
                     void (*fire)(struct loop_timer *timer));
/* Fires once, `delay_ns` from now (0: in the next turn). Starting a running timer moves it.
 * 0 or ERROR_NOMEM (the timer is stopped). */
int loop_timer_start(struct loop_timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop_timer *timer); /* fine on zeroed and stopped ones */
bool loop_timer_active(const struct loop_timer *timer);

/* Watches a descriptor (curl's sockets, MHD's epoll, inotify, a child's pipe). LOOP_HANGUP: the
 * other side of a connection sends no more, whatever is still to be read. */
enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2, LOOP_HANGUP = 4 };
struct loop_fd;
struct loop_fd *loop_fd_open(struct loop *loop, int fd,
                             void (*ready)(void *context, int fd, int events), void *context,
                             struct error *err);
int loop_fd_set(struct loop_fd *watch, int events, struct error *err); /* 0 events: pause */
void loop_fd_close(struct loop_fd *watch); /* NULL is fine; the descriptor stays open */

/* Calls `caught` in the loop for each of the signals. */
struct loop_signal;
struct loop_signal *loop_signal_open(struct loop *loop, int signum,
                                     void (*caught)(void *context, int signum), void *context,
                                     struct error *err);
void loop_signal_close(struct loop_signal *watch);

/* Runs a program (exec credential plugins) with `argv` and `envp`, nothing on stdin; collects at
 * most `max_output` bytes of stdout, and stderr's tail (≤ 4 KiB). Ends by `done`, once, in the
 * loop; the struct is borrowed for the call. */
struct loop_process;
struct loop_process_result {
    int exit_status;    /* of exit(), or 128 + signal */
    const char *output; /* borrowed */
    size_t output_len;
    const char *errors; /* borrowed, 0-terminated */
    bool timed_out;     /* killed at the deadline */
};
struct loop_process_options {
    const char *const *argv;
    const char *const *envp; /* NULL: ours */
    size_t max_output;
    uint64_t timeout_ns;
    void (*done)(void *context, const struct loop_process_result *result);
    void *context;
};
struct loop_process *loop_process_start(struct loop *loop,
                                        const struct loop_process_options *options,
                                        struct error *err);
/* Kills it; `done` is not called. */
void loop_process_cancel(struct loop_process *process);

#endif
