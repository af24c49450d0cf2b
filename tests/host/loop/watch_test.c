#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "support/given.h"

struct world {
    struct mem_stats before;
    struct loop *loop;
    struct loop_fd *fd;
    int pipe[2];
    int calls, events, signum;
};

static void begin(struct world *world) {
    struct error err;
    *world = (struct world){.before = mem_stats()};
    assert_int_equal(pipe(world->pipe), 0);
    world->loop = loop_create(clock_real(), &err);
    assert_non_null(world->loop);
}

static void end(struct world *world) {
    loop_destroy(world->loop);
    close(world->pipe[0]);
    close(world->pipe[1]);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static void on_ready(void *context, int fd, int events) {
    struct world *world = context;
    char byte;
    world->calls++;
    world->events = events;
    if (events & LOOP_READABLE)
        assert_int_equal(read(fd, &byte, 1), 1);
    loop_stop(world->loop);
}

GIVEN(struct world, begin, end)

static void fd_tells_when_it_can_be_read(void **state) {
    struct world *world = *state;
    struct error err;
    world->fd = loop_fd_open(world->loop, world->pipe[0], on_ready, world, &err);
    assert_non_null(world->fd);
    assert_int_equal(loop_fd_set(world->fd, LOOP_READABLE, &err), 0);
    loop_poll(world->loop);
    assert_int_equal(world->calls, 0);
    assert_int_equal(write(world->pipe[1], "a", 1), 1);
    loop_run(world->loop);
    assert_int_equal(world->calls, 1);
    assert_int_equal(world->events, LOOP_READABLE);
    assert_int_equal(loop_fd_set(world->fd, 0, &err), 0); /* paused */
    assert_int_equal(write(world->pipe[1], "b", 1), 1);
    loop_poll(world->loop);
    assert_int_equal(world->calls, 1);
    assert_int_equal(loop_fd_set(world->fd, LOOP_READABLE, &err), 0);
    loop_run(world->loop);
    assert_int_equal(world->calls, 2);
    loop_fd_close(world->fd);
    loop_fd_close(NULL);
}

struct again {
    struct loop_timer timer;
    int fired;
};

static void start_again(struct loop_timer *timer) {
    struct again *again = CONTAINER_OF(timer, struct again, timer);
    if (++again->fired < 100000)
        assert_int_equal(loop_timer_start(timer, 0), 0);
}

static void fd_is_not_kept_waiting_by_timers_that_are_due_again_at_once(void **state) {
    struct world *world = *state;
    struct again again = {0};
    world->fd = loop_fd_open(world->loop, world->pipe[0], on_ready, world, NULL);
    assert_non_null(world->fd);
    assert_int_equal(loop_fd_set(world->fd, LOOP_READABLE, NULL), 0);
    loop_timer_init(world->loop, &again.timer, start_again);
    assert_int_equal(loop_timer_start(&again.timer, 0), 0);
    assert_int_equal(write(world->pipe[1], "a", 1), 1);
    loop_run(world->loop);
    assert_int_equal(world->calls, 1);
    assert_in_range(again.fired, 1, 100);
    loop_fd_close(world->fd);
    loop_timer_stop(&again.timer);
}

static void fd_tells_when_it_can_be_written(void **state) {
    struct world *world = *state;
    struct error err;
    world->fd = loop_fd_open(world->loop, world->pipe[1], on_ready, world, &err);
    assert_int_equal(loop_fd_set(world->fd, LOOP_WRITABLE, &err), 0);
    loop_run(world->loop);
    assert_int_equal(world->events, LOOP_WRITABLE);
    loop_fd_close(world->fd);
}

static void on_close_itself(void *context, int fd, int events) {
    struct world *world = context;
    (void)fd, (void)events;
    world->calls++;
    loop_fd_close(world->fd);
}

static void fd_may_be_closed_in_its_own_callback(void **state) {
    struct world *world = *state;
    struct error err;
    world->fd = loop_fd_open(world->loop, world->pipe[0], on_close_itself, world, &err);
    assert_int_equal(loop_fd_set(world->fd, LOOP_READABLE, &err), 0);
    assert_int_equal(write(world->pipe[1], "a", 1), 1);
    loop_run(world->loop); /* ends: nothing is left to wait for */
    assert_int_equal(world->calls, 1);
}

static void fd_tells_that_the_other_side_has_hung_up(void **state) {
    struct world *world = *state;
    struct error err;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    world->fd = loop_fd_open(world->loop, pair[0], on_ready, world, &err);
    assert_int_equal(loop_fd_set(world->fd, LOOP_HANGUP, &err), 0);
    assert_int_equal(write(pair[1], "a", 1), 1); /* which nobody reads */
    loop_poll(world->loop);
    assert_int_equal(world->calls, 0);
    shutdown(pair[1], SHUT_WR);
    loop_run(world->loop);
    assert_int_equal(world->events, LOOP_HANGUP);
    loop_fd_close(world->fd);
    close(pair[0]);
    close(pair[1]);
}

static void fd_that_is_none_is_an_error(void **state) {
    struct world *world = *state;
    struct error err;
    assert_null(loop_fd_open(world->loop, 9999, on_ready, world, &err));
    assert_true(err.code < 0);
}

static void on_signal(void *context, int signum) {
    struct world *world = context;
    world->calls++;
    world->signum = signum;
    loop_stop(world->loop);
}

static void signal_is_told_in_the_loop_while_it_is_watched(void **state) {
    struct world *world = *state;
    struct error err;
    struct loop_signal *first = loop_signal_open(world->loop, SIGUSR1, on_signal, world, &err);
    struct loop_signal *second = loop_signal_open(world->loop, SIGUSR2, on_signal, world, &err);
    world->fd = loop_fd_open(world->loop, world->pipe[0], on_ready, world, &err);
    loop_fd_set(world->fd, LOOP_READABLE, &err); /* a signal alone keeps no loop running */
    raise(SIGUSR2);
    assert_int_equal(world->calls, 0); /* not from within */
    loop_run(world->loop);
    assert_int_equal(world->signum, SIGUSR2);
    raise(SIGUSR1);
    loop_run(world->loop);
    assert_int_equal(world->signum, SIGUSR1);
    assert_int_equal(world->calls, 2);
    loop_signal_close(first);
    loop_signal_close(second);
    loop_signal_close(NULL);
    loop_fd_close(world->fd);
}

static void signal_that_cannot_be_caught_is_an_error(void **state) {
    struct world *world = *state;
    struct error err;
    assert_null(loop_signal_open(world->loop, SIGKILL, on_signal, world, &err));
    assert_true(err.code < 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(fd_tells_when_it_can_be_read),
        TEST(fd_is_not_kept_waiting_by_timers_that_are_due_again_at_once),
        TEST(fd_tells_when_it_can_be_written),
        TEST(fd_may_be_closed_in_its_own_callback),
        TEST(fd_tells_that_the_other_side_has_hung_up),
        TEST(fd_that_is_none_is_an_error),
        TEST(signal_is_told_in_the_loop_while_it_is_watched),
        TEST(signal_that_cannot_be_caught_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
