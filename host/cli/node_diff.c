#include "cli/node_diff.h"

#include <ctype.h>
#include <string.h>

#include "cache/diff.h"

enum { LONGEST = 72 }; /* bytes of a value */

static const char RED[] = "\033[31m", GREEN[] = "\033[32m", YELLOW[] = "\033[33m",
                  PLAIN[] = "\033[0m";

struct walk {
    const struct dag *dag;
    const struct node_diff_options *options;
    struct strbuf path, value, *out;
    size_t changes;
};

static bool is_counted_by_server(const struct walk *walk) {
    static const char *const paths[] = {"metadata.resourceVersion", "metadata.generation",
                                        "metadata.managedFields", "metadata.uid",
                                        "metadata.creationTimestamp"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (str_is(strbuf_view(&walk->path), paths[i]))
            return true;
    return false;
}

static bool is_hidden(const struct walk *walk) {
    struct str path = strbuf_view(&walk->path);
    return walk->options->secret &&
           (str_starts_with(path, "data") || str_starts_with(path, "stringData"));
}

/* Cut between characters. */
static void add_value(struct walk *walk, node_t node) {
    if (is_hidden(walk)) {
        strbuf_adds(walk->out, "(hidden)");
        return;
    }
    struct json_writer writer;
    strbuf_clear(&walk->value);
    json_writer_init(&writer, &walk->value);
    node_write(walk->dag, node, &writer);
    size_t len = walk->value.len;
    if (len > LONGEST)
        for (len = LONGEST; len > 0 && ((unsigned char)walk->value.data[len] & 0xc0) == 0x80;)
            len--;
    strbuf_add(walk->out, walk->value.data, len);
    if (len < walk->value.len)
        strbuf_adds(walk->out, "...");
}

static void add_line(struct walk *walk, node_t before, node_t after) {
    const struct node_diff_options *options = walk->options;
    char sign = before == NODE_NONE ? '+' : after == NODE_NONE ? '-' : '~';
    if (++walk->changes > options->most)
        return;
    strbuf_adds(walk->out, options->indent);
    if (options->colour)
        strbuf_adds(walk->out, sign == '+' ? GREEN : sign == '-' ? RED : YELLOW);
    strbuf_printf(walk->out, "%c " STR_FORMAT ": ", sign, STR_ARG(strbuf_view(&walk->path)));
    if (before != NODE_NONE)
        add_value(walk, before);
    if (sign == '~')
        strbuf_adds(walk->out, " -> ");
    if (after != NODE_NONE)
        add_value(walk, after);
    if (options->colour)
        strbuf_adds(walk->out, PLAIN);
    strbuf_addc(walk->out, '\n');
}

static bool is_word(struct str key) {
    for (size_t i = 0; i < key.len; i++)
        if (!isalnum((unsigned char)key.data[i]) && key.data[i] != '_' && key.data[i] != '-')
            return false;
    return key.len > 0;
}

static void add_key(struct strbuf *path, struct str key) {
    if (is_word(key)) {
        if (path->len > 0)
            strbuf_addc(path, '.');
        strbuf_add(path, key.data, key.len);
        return;
    }
    struct json_writer writer;
    strbuf_addc(path, '[');
    json_writer_init(&writer, path);
    json_write_string(&writer, key);
    strbuf_addc(path, ']');
}

static void compare(struct walk *walk, node_t before, node_t after);

static void step(struct walk *walk, size_t len, node_t before, node_t after) {
    compare(walk, before, after);
    strbuf_cut(&walk->path, len);
}

static void compare_objects(struct walk *walk, node_t before, node_t after) {
    const struct dag *dag = walk->dag;
    size_t len = walk->path.len;
    for (size_t i = 0; i < node_count(dag, after); i++) {
        struct str key = node_key_at(dag, after, i);
        add_key(&walk->path, key);
        step(walk, len, node_get(dag, before, key), node_at(dag, after, i));
    }
    for (size_t i = 0; i < node_count(dag, before); i++) {
        struct str key = node_key_at(dag, before, i);
        if (node_get(dag, after, key) != NODE_NONE)
            continue;
        add_key(&walk->path, key);
        step(walk, len, node_at(dag, before, i), NODE_NONE);
    }
}

static void compare_arrays(struct walk *walk, node_t before, node_t after) {
    const struct dag *dag = walk->dag;
    size_t len = walk->path.len, had = node_count(dag, before), has = node_count(dag, after);
    for (size_t i = 0; i < had || i < has; i++) {
        strbuf_printf(&walk->path, "[%zu]", i);
        step(walk, len, i < had ? node_at(dag, before, i) : NODE_NONE,
             i < has ? node_at(dag, after, i) : NODE_NONE);
    }
}

static void compare(struct walk *walk, node_t before, node_t after) {
    const struct dag *dag = walk->dag;
    bool both = before != NODE_NONE && after != NODE_NONE;
    if (walk->path.failed || before == after || is_counted_by_server(walk) ||
        (both && node_same(dag, before, after)))
        return;
    enum node_type type = node_type(dag, after);
    if (both && type == NODE_OBJECT && node_type(dag, before) == NODE_OBJECT)
        compare_objects(walk, before, after);
    else if (both && type == NODE_ARRAY && node_type(dag, before) == NODE_ARRAY)
        compare_arrays(walk, before, after);
    else
        add_line(walk, before, after);
}

size_t node_diff(const struct dag *dag, node_t before, node_t after,
                 const struct node_diff_options *options, struct strbuf *out) {
    struct walk walk = {.dag = dag, .options = options, .out = out};
    strbuf_adds(&walk.path, "");
    compare(&walk, before, after);
    if (walk.changes > options->most)
        strbuf_printf(out, "%s... and %zu more\n", options->indent, walk.changes - options->most);
    strbuf_finish(&walk.path);
    strbuf_finish(&walk.value);
    return walk.changes;
}
