#include "cli/pool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

enum { MOST_JOBS = 64 };

struct process {
    pid_t pid;
    int to, from; /* -1: closed */
    bool busy;
    size_t unit;
    struct strbuf result;
};

struct pool {
    const struct pool_options *options;
    struct process processes[MOST_JOBS];
    size_t count;
    size_t next;
};

static bool read_all(int fd, void *data, size_t len) {
    for (char *at = data; len > 0;) {
        ssize_t n = read(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* One process: takes units until there are no more. */
static void serve(const struct pool_options *options, int in, int out) {
    size_t unit;
    while (read_all(in, &unit, sizeof unit)) {
        CLEANUP(strbuf_finish) struct strbuf result = {0};
        options->work(options->context, unit, &result);
        fflush(NULL);
        if (fd_write_all(out, &result.len, sizeof result.len) < 0 ||
            fd_write_all(out, result.data, result.len) < 0)
            break;
    }
    if (options->leave)
        options->leave(options->context);
    fflush(NULL);
    _exit(0);
}

static int start(struct pool *pool, struct process *process, struct error *err) {
    int to[2], from[2];
    if (pipe(to) < 0)
        return error_set(err, ERROR_UNAVAILABLE, "pipe: %s", strerror(errno));
    if (pipe(from) < 0) {
        close(to[0]);
        close(to[1]);
        return error_set(err, ERROR_UNAVAILABLE, "pipe: %s", strerror(errno));
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        for (size_t i = 0; i < pool->count; i++) { /* so that each sees the end of its own */
            close(pool->processes[i].to);
            close(pool->processes[i].from);
        }
        serve(pool->options, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    *process = (struct process){.pid = pid, .to = to[1], .from = from[0]};
    if (pid > 0)
        return 0;
    close(to[1]);
    close(from[0]);
    process->to = process->from = -1;
    return error_set(err, ERROR_UNAVAILABLE, "fork: %s", strerror(errno));
}

static void stop(struct process *process, char how[64]) {
    int status = 0;
    if (process->to >= 0)
        close(process->to);
    if (process->from >= 0)
        close(process->from);
    process->to = process->from = -1;
    if (process->pid > 0)
        waitpid(process->pid, &status, 0);
    process->pid = 0;
    strbuf_finish(&process->result);
    if (WIFSIGNALED(status))
        snprintf(how, 64, "its process was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(how, 64, "its process ended with %d", WEXITSTATUS(status));
}

static bool next_unit(struct pool *pool, size_t *ret) {
    const struct pool_options *options = pool->options;
    while (pool->next < options->count) {
        *ret = pool->next++;
        if (options->wanted == NULL || options->wanted(options->context, *ret))
            return true;
    }
    return false;
}

static void give_work(struct pool *pool, struct process *process) {
    process->busy = false;
    if (process->to < 0 || !next_unit(pool, &process->unit))
        return;
    process->busy = true;
    fd_write_all(process->to, &process->unit,
                 sizeof process->unit); /* a dead one is seen by read */
}

static int revive(struct pool *pool, struct process *process, struct error *err) {
    char how[64];
    bool busy = process->busy;
    stop(process, how);
    if (busy)
        pool->options->done(pool->options->context, process->unit, str_n(NULL, 0), how);
    int rc = start(pool, process, err);
    if (rc == 0)
        give_work(pool, process);
    return rc;
}

static int hear(struct pool *pool, struct process *process, struct error *err) {
    size_t len;
    if (!read_all(process->from, &len, sizeof len))
        return revive(pool, process, err);
    strbuf_clear(&process->result);
    char *room = strbuf_reserve(&process->result, len + 1);
    if (room == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a result");
    if (!read_all(process->from, room, len))
        return revive(pool, process, err);
    room[len] = '\0';
    pool->options->done(pool->options->context, process->unit, str_n(room, len), NULL);
    give_work(pool, process);
    return 0;
}

static int run(struct pool *pool, struct error *err) {
    for (;;) {
        struct pollfd fds[MOST_JOBS];
        size_t busy = 0;
        for (size_t i = 0; i < pool->count; i++) {
            struct process *process = &pool->processes[i];
            fds[i] = (struct pollfd){process->busy ? process->from : -1, POLLIN, 0};
            busy += process->busy;
        }
        if (busy == 0)
            return 0;
        if (poll(fds, pool->count, -1) < 0 && errno != EINTR)
            return error_set(err, ERROR_UNAVAILABLE, "poll: %s", strerror(errno));
        for (size_t i = 0; i < pool->count; i++)
            if (fds[i].revents && hear(pool, &pool->processes[i], err) < 0)
                return err->code;
    }
}

static void run_here(const struct pool_options *options) {
    struct pool pool = {.options = options};
    for (size_t unit; next_unit(&pool, &unit);) {
        CLEANUP(strbuf_finish) struct strbuf result = {0};
        options->work(options->context, unit, &result);
        options->done(options->context, unit, str_n(result.data ? result.data : "", result.len),
                      NULL);
    }
    if (options->leave)
        options->leave(options->context);
}

int pool_run(const struct pool_options *options, struct error *err) {
    struct pool pool = {.options = options};
    size_t jobs = options->jobs < MOST_JOBS ? options->jobs : MOST_JOBS;
    char how[64];
    int rc = 0;
    if (jobs > options->count)
        jobs = options->count;
    if (jobs <= 1) {
        run_here(options);
        return 0;
    }
    for (; rc == 0 && pool.count < jobs; pool.count++) {
        rc = start(&pool, &pool.processes[pool.count], err);
        if (rc == 0)
            give_work(&pool, &pool.processes[pool.count]);
    }
    if (rc == 0)
        rc = run(&pool, err);
    for (size_t i = 0; i < pool.count; i++)
        stop(&pool.processes[i], how);
    return rc;
}
