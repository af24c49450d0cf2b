#include "cli/dev_view.h"

#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/node_diff.h"
#include "runtime/stand_ins.h"

enum { MOST_LINES = 12, AT_LEVEL = 13 /* "10:11:12.123 error ..." */ };

static const char DIM[] = "\033[2m", BOLD[] = "\033[1m", RED[] = "\033[31m", YELLOW[] = "\033[33m",
                  PLAIN[] = "\033[0m";

static void paint(const struct dev_view *view, struct strbuf *line, const char *colour) {
    if (view->colour)
        strbuf_adds(line, colour);
}

static void begin_line(const struct dev_view *view, struct strbuf *line, const char *controller) {
    char when[CLOCK_TEXT];
    clock_format(clock_wall(view->clock), /* micros= */ 1, when);
    paint(view, line, DIM);
    strbuf_printf(line, "%.12s ", when + 11);
    paint(view, line, PLAIN);
    paint(view, line, BOLD);
    strbuf_adds(line, controller);
    paint(view, line, PLAIN);
}

static void end_line(const struct dev_view *view, struct strbuf *line) {
    if (!line->failed)
        fd_write_all(view->out, line->data, line->len);
    strbuf_finish(line);
}

static void add_key(struct strbuf *line, struct str ns, struct str name) {
    if (ns.len > 0)
        strbuf_printf(line, STR_FORMAT "/", STR_ARG(ns));
    strbuf_printf(line, STR_FORMAT, STR_ARG(name));
}

/* "apps/v1/Deployment" -> "Deployment" */
static const char *short_kind(const char *kind) {
    const char *slash = strrchr(kind, '/');
    return slash ? slash + 1 : kind;
}

static const char *what_happened(const struct observed_write *write) {
    if (write->created)
        return "created";
    if (strcmp(write->verb, "delete") == 0)
        return "deleted";
    if (strcmp(write->verb, "evict") == 0)
        return "evicted";
    if (strcmp(write->verb, "bind") == 0)
        return "bound";
    if (strcmp(write->verb, "scale") == 0)
        return "scaled";
    return strcmp(write->verb, "set_status") == 0 ? "wrote the status of" : "changed";
}

/* Nobody came to see what the stand-ins do; their errors are in the log. */
static bool is_aside(const char *controller) {
    return strncmp(controller, STAND_INS_PREFIX, strlen(STAND_INS_PREFIX)) == 0;
}

static void on_wrote(void *context, const struct observed_write *write) {
    const struct dev_view *view = context;
    bool both = write->before != NODE_NONE && write->after != NODE_NONE;
    struct node_diff_options how = {.indent = "               ",
                                    .most = MOST_LINES,
                                    .colour = view->colour,
                                    .secret = strcmp(write->kind, "v1/Secret") == 0};
    struct strbuf line = {0}, changes = {0};
    if (is_aside(write->controller))
        return;
    if (both && node_diff(write->dag, write->before, write->after, &how, &changes) == 0) {
        strbuf_finish(&changes); /* it was so before */
        return;
    }
    begin_line(view, &line, write->controller);
    strbuf_addc(&line, ' ');
    add_key(&line, write->key_ns, write->key_name);
    strbuf_printf(&line, "  %s %s ", what_happened(write), short_kind(write->kind));
    add_key(&line, write->ns, write->name);
    strbuf_addc(&line, '\n');
    strbuf_add(&line, changes.data, changes.len);
    strbuf_finish(&changes);
    end_line(view, &line);
}

/* Errors are in the log, with file and line. */
static void on_reconciled(void *context, const struct observed_result *result) {
    const struct dev_view *view = context;
    struct strbuf line = {0};
    if (strcmp(result->result, "error") == 0 || is_aside(result->controller))
        return;
    begin_line(view, &line, result->controller);
    strbuf_printf(&line, " %s  ", result->key);
    paint(view, &line, DIM);
    strbuf_printf(&line, "%s %.1f ms (%s)",
                  strcmp(result->result, "success") == 0 ? "done in" : "goes on later, after",
                  result->seconds * 1e3, result->reason ? result->reason : "event");
    paint(view, &line, PLAIN);
    strbuf_addc(&line, '\n');
    end_line(view, &line);
}

static bool says(char *const *env, const char *name) {
    size_t len = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=' && (*env)[len + 1] != '\0')
            return true;
    return false;
}

void dev_view_init(struct dev_view *view, const struct clock *clock, int out, char *const *env) {
    bool wanted = !says(env, "NO_COLOR");
    *view = (struct dev_view){
        .clock = clock,
        .observer = {.wrote = on_wrote, .reconciled = on_reconciled, .context = view},
        .out = out,
        .colour = wanted && isatty(out),
        .log_colour = wanted && isatty(STDERR_FILENO)};
}

int dev_view_log(void *context, const char *line, size_t len) {
    const struct dev_view *view = context;
    void *to = (void *)(intptr_t)STDERR_FILENO;
    const char *colour = len <= AT_LEVEL                             ? NULL
                         : strncmp(line + AT_LEVEL, "error", 5) == 0 ? RED
                         : strncmp(line + AT_LEVEL, "warn", 4) == 0  ? YELLOW
                                                                     : NULL;
    if (!view->log_colour || colour == NULL)
        return log_write_fd(to, line, len);
    struct strbuf painted = {0};
    strbuf_adds(&painted, colour);
    strbuf_add(&painted, line, len - 1); /* the newline comes after */
    strbuf_adds(&painted, PLAIN);
    strbuf_addc(&painted, '\n');
    int rc =
        painted.failed ? log_write_fd(to, line, len) : log_write_fd(to, painted.data, painted.len);
    strbuf_finish(&painted);
    return rc;
}
