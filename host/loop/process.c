/* Child processes: write stdin, collect stdout and stderr's tail, kill at the deadline. */

#include <signal.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/internal.h"

enum { ERRORS_KEPT = 4096 };

struct loop_process {
    uv_process_t child;
    uv_pipe_t out, errors;
    struct loop_timer deadline;
    struct loop_process_options options;
    struct strbuf output, tail;
    char chunk[4096];
    int open; /* handles whose close callback has not run */
    int status;
    bool exited, out_ended, errors_ended, timed_out, overflow, silent;
};

static void on_closed(uv_handle_t *handle) {
    struct loop_process *process = handle->data;
    if (--process->open > 0)
        return;
    strbuf_finish(&process->output);
    strbuf_finish(&process->tail);
    mem_free(process);
}

static void close_all(struct loop_process *process) {
    loop_timer_stop(&process->deadline);
    uv_close((uv_handle_t *)&process->child, on_closed);
    uv_close((uv_handle_t *)&process->out, on_closed);
    uv_close((uv_handle_t *)&process->errors, on_closed);
}

static void finish_when_done(struct loop_process *process) {
    if (!process->exited || !process->out_ended || !process->errors_ended)
        return;
    struct loop_process_result result = {
        .exit_status = process->status,
        .output = process->output.data ? process->output.data : "",
        .output_len = process->output.len,
        .errors = process->tail.data ? process->tail.data : "",
        .timed_out = process->timed_out,
    };
    if (process->overflow)
        result.errors = "it printed too much";
    if (process->overflow && result.exit_status == 0)
        result.exit_status = 1;
    if (!process->silent)
        process->options.done(process->options.context, &result);
    close_all(process);
}

static void on_exit_child(uv_process_t *child, int64_t status, int signum) {
    struct loop_process *process = child->data;
    process->exited = true;
    process->status = signum ? 128 + signum : (int)status;
    if (process->timed_out || process->silent) { /* a grandchild may hold the pipes open */
        process->out_ended = process->errors_ended = true;
    }
    finish_when_done(process);
}

static void lend_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
    (void)suggested;
    struct loop_process *process = handle->data;
    *ret = uv_buf_init(process->chunk, sizeof process->chunk);
}

static void keep_output(struct loop_process *process, bool is_out, const char *data, size_t len) {
    if (is_out) {
        if (process->output.len + len > process->options.max_output)
            process->overflow = true;
        else
            strbuf_add(&process->output, data, len);
        return;
    }
    strbuf_add(&process->tail, data, len);
    if (process->tail.len > ERRORS_KEPT)
        strbuf_consume(&process->tail, process->tail.len - ERRORS_KEPT);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
    struct loop_process *process = stream->data;
    bool is_out = stream == (uv_stream_t *)&process->out;
    if (len > 0)
        keep_output(process, is_out, buf->base, (size_t)len);
    if (len >= 0)
        return;
    uv_read_stop(stream);
    if (is_out)
        process->out_ended = true;
    else
        process->errors_ended = true;
    finish_when_done(process);
}

static void on_deadline(struct loop_timer *timer) {
    struct loop_process *process = CONTAINER_OF(timer, struct loop_process, deadline);
    process->timed_out = true;
    if (process->exited) { /* only the pipes were still open */
        process->out_ended = process->errors_ended = true;
        finish_when_done(process);
        return;
    }
    uv_process_kill(&process->child, SIGKILL);
}

struct loop_process *loop_process_start(struct loop *loop,
                                        const struct loop_process_options *options,
                                        struct error *err) {
    struct loop_process *process = mem_zalloc(sizeof *process);
    if (process == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to run %s", options->argv[0]);
        return NULL;
    }
    process->options = *options;
    loop_timer_init(loop, &process->deadline, on_deadline);
    uv_pipe_init(&loop->uv, &process->out, 0);
    uv_pipe_init(&loop->uv, &process->errors, 0);
    process->child.data = process->out.data = process->errors.data = process;
    process->open = 3;
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&process->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&process->errors},
    };
    uv_process_options_t how = {
        .exit_cb = on_exit_child,
        .file = options->argv[0],
        .args = (char **)(uintptr_t)options->argv,
        .env = (char **)(uintptr_t)options->envp,
        .stdio_count = 3,
        .stdio = stdio,
    };
    int rc = uv_spawn(&loop->uv, &process->child, &how);
    if (rc == 0 && options->timeout_ns > 0 &&
        loop_timer_start(&process->deadline, options->timeout_ns) < 0)
        rc = UV_ENOMEM;
    if (rc < 0) {
        loop_uv_error(err, rc, options->argv[0]);
        if (rc == UV_ENOENT || rc == UV_EACCES)
            err->code = ERROR_INVALID;
        if (process->child.pid > 0)
            uv_process_kill(&process->child, SIGKILL);
        close_all(process);
        return NULL;
    }
    uv_read_start((uv_stream_t *)&process->out, lend_chunk, on_read);
    uv_read_start((uv_stream_t *)&process->errors, lend_chunk, on_read);
    return process;
}

void loop_process_cancel(struct loop_process *process) {
    process->silent = true;
    loop_timer_stop(&process->deadline); /* loop_destroy() waits for the child, not for this */
    if (process->exited) {
        process->out_ended = process->errors_ended = true;
        finish_when_done(process);
    } else {
        uv_process_kill(&process->child, SIGKILL);
    }
}
