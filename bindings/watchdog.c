#include "bindings/watchdog.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

struct watchdog {
    timer_t timer;
    uint64_t armed_at;
};

/* After the first signal, again at this distance until control is back in C. */
enum { AGAIN_NS = 10000000 };

/* The one thread-local of moonlet: whom the signal of this thread's timer means. */
static _Thread_local struct isolate *volatile current;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    (void)context;
    struct isolate *isolate = current;
    if (isolate)
        isolate_stop(isolate, ISOLATE_CPU);
}

static uint64_t thread_cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct watchdog *watchdog_create(struct error *err) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGVTALRM, &action, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGVTALRM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);

    struct watchdog *watchdog = mem_zalloc(sizeof *watchdog);
    if (!watchdog) {
        error_set(err, ERROR_NOMEM, "watchdog: no memory");
        return NULL;
    }
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM};
    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &watchdog->timer) < 0) {
        error_set(err, ERROR_UNAVAILABLE, "watchdog: timer: %s", strerror(errno));
        mem_free(watchdog);
        return NULL;
    }
    return watchdog;
}

void watchdog_destroy(struct watchdog *watchdog) {
    if (!watchdog)
        return;
    timer_delete(watchdog->timer);
    mem_free(watchdog);
}

void watchdog_arm(struct watchdog *watchdog, struct isolate *isolate) {
    uint64_t ns = isolate->cpu_ns;
    struct itimerspec when = {.it_value = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)},
                              .it_interval = {0, AGAIN_NS}};
    current = isolate;
    watchdog->armed_at = thread_cpu();
    timer_settime(watchdog->timer, 0, &when, NULL);
}

uint64_t watchdog_disarm(struct watchdog *watchdog) {
    struct itimerspec never = {0};
    current = NULL;
    timer_settime(watchdog->timer, 0, &never, NULL);
    return thread_cpu() - watchdog->armed_at;
}
