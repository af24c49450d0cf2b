#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "testbed/internal.h"

/* What has happened, line by line. */

enum { MOST = 1 << 20 };

static void forget_old(struct strbuf *trace) {
    const char *half = trace->data + trace->len / 2;
    const char *end = memchr(half, '\n', trace->len - trace->len / 2);
    strbuf_consume(trace, end ? (size_t)(end + 1 - trace->data) : trace->len);
}

static void on_line(void *context, const char *line) {
    struct testbed *testbed = context;
    testbed->trace_hash = (testbed->trace_hash ^ str_hash(str_of(line))) * 0x100000001b3u;
    strbuf_adds(&testbed->trace, line);
    strbuf_addc(&testbed->trace, '\n');
    if (testbed->trace.len > MOST)
        forget_old(&testbed->trace);
    if (testbed->options.trace)
        testbed->options.trace(testbed->options.context, line);
}

void trace_init(struct testbed *testbed) {
    testbed->sim.tell = on_line;
    testbed->sim.tell_context = testbed;
}

void trace_add(struct testbed *testbed, const struct node *node, const char *format, ...) {
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (node && testbed->node_count > 1)
        sim_tell(&testbed->sim, "%s: %s", node->name, text);
    else
        sim_tell(&testbed->sim, "%s", text);
}

uint64_t testbed_trace_hash(const struct testbed *testbed) {
    return testbed->trace_hash;
}

struct str testbed_trace(const struct testbed *testbed) {
    return strbuf_view(&testbed->trace);
}
