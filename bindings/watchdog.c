#include "bindings/watchdog.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/* The timer is not set anew for each turn, which would be two system calls for each: it goes off
 * when the earliest turn that may still use it up would be over, and is set to what is left. */
struct watchdog {
    timer_t timer;
    volatile uint64_t armed_at;
    volatile uint64_t due; /* on the thread's CPU clock; 0 = the timer is not set */
};

/* After the first signal, again at this distance until control is back in C. */
enum { AGAIN_NS = 10000000 };

/* The one thread-local of moonlet: whom the signal of this thread's timer means. */
static _Thread_local struct isolate *volatile current;

static uint64_t thread_cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void set(struct watchdog *watchdog, uint64_t now, uint64_t ns) {
    struct itimerspec when = {.it_value = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)}};
    watchdog->due = now + ns;
    timer_settime(watchdog->timer, 0, &when, NULL);
}

static void on_signal(int signal, siginfo_t *info, void *context) {
    struct watchdog *watchdog = info->si_value.sival_ptr;
    struct isolate *isolate = current;
    int before = errno;
    (void)signal;
    (void)context;
    if (info->si_code != SI_TIMER)
        return;
    watchdog->due = 0;
    if (isolate && isolate->watchdog == watchdog) { /* a thread may have two engines */
        uint64_t now = thread_cpu(), spent = now - watchdog->armed_at;
        if (spent >= isolate->cpu_ns)
            isolate_stop(isolate, ISOLATE_CPU);
        set(watchdog, now, spent < isolate->cpu_ns ? isolate->cpu_ns - spent : AGAIN_NS);
    }
    errno = before;
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
    event.sigev_value.sival_ptr = watchdog;
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
    uint64_t now = thread_cpu();
    watchdog->armed_at = now;
    current = isolate; /* before `due` is read: a signal in between finds its isolate */
    uint64_t due = watchdog->due;
    if (due == 0 || due > now + isolate->cpu_ns)
        set(watchdog, now, isolate->cpu_ns);
}

uint64_t watchdog_disarm(struct watchdog *watchdog) {
    current = NULL;
    return thread_cpu() - watchdog->armed_at;
}
