#include "cache/json_patch.h"

#include <string.h>

#include "base/mem.h"
#include "cache/diff.h"

/* Above so many pairs, the middle of two arrays is compared by place and not by what they share. */
enum { MOST_PAIRS = 1 << 20 };

struct patch {
    const struct dag *dag;
    struct json_writer *writer;
    struct strbuf path; /* RFC 6901, of the place under comparison */
    int count;
    bool failed;
};

static void compare(struct patch *patch, node_t from, node_t to);

static void write_op(struct patch *patch, const char *op, node_t value) {
    struct json_writer *writer = patch->writer;
    json_write_object_begin(writer);
    json_write_key_string(writer, "op", str_of(op));
    json_write_key_string(writer, "path", strbuf_view(&patch->path));
    if (value != NODE_NONE) {
        json_write_key(writer, str_of("value"));
        node_write(patch->dag, value, writer);
    }
    json_write_object_end(writer);
    patch->count++;
}

/* Path: each push returns the length to cut back to. */

static size_t push_key(struct patch *patch, struct str key) {
    size_t before = patch->path.len;
    strbuf_adds(&patch->path, "/");
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        if (c == '~')
            strbuf_adds(&patch->path, "~0");
        else if (c == '/')
            strbuf_adds(&patch->path, "~1");
        else
            strbuf_addc(&patch->path, c);
    }
    return before;
}

static size_t push_index(struct patch *patch, size_t index) {
    size_t before = patch->path.len;
    strbuf_printf(&patch->path, "/%zu", index);
    return before;
}

static void pop(struct patch *patch, size_t before) {
    patch->path.len = before;
}

/* Objects */

static void compare_objects(struct patch *patch, node_t from, node_t to) {
    const struct dag *dag = patch->dag;
    for (size_t i = 0; i < node_count(dag, from); i++) {
        struct str key = node_key_at(dag, from, i);
        node_t was = node_at(dag, from, i), is = node_get(dag, to, key);
        if (was == is)
            continue;
        size_t before = push_key(patch, key);
        if (is == NODE_NONE)
            write_op(patch, "remove", NODE_NONE);
        else
            compare(patch, was, is);
        pop(patch, before);
    }
    for (size_t i = 0; i < node_count(dag, to); i++) {
        struct str key = node_key_at(dag, to, i);
        if (node_get(dag, from, key) != NODE_NONE)
            continue;
        size_t before = push_key(patch, key);
        write_op(patch, "add", node_at(dag, to, i));
        pop(patch, before);
    }
}

/* Arrays */

struct span { /* of one array: what is left between common ends */
    node_t array;
    size_t first, count;
};

static node_t item(const struct patch *patch, const struct span *span, size_t i) {
    return node_at(patch->dag, span->array, span->first + i);
}

/* Items `from[..from_count)` became `to[..to_count)`, and they have nothing in common: pairs are
 * compared, the rest is removed or added. *index is the place in the array as patched so far. */
static void compare_gap(struct patch *patch, const struct span *from, size_t from_at,
                        size_t from_count, const struct span *to, size_t to_at, size_t to_count,
                        size_t *index) {
    size_t pairs = from_count < to_count ? from_count : to_count, before;
    for (size_t i = 0; i < pairs; i++) {
        before = push_index(patch, (*index)++);
        compare(patch, item(patch, from, from_at + i), item(patch, to, to_at + i));
        pop(patch, before);
    }
    for (size_t i = pairs; i < from_count; i++) {
        before = push_index(patch, *index);
        write_op(patch, "remove", NODE_NONE);
        pop(patch, before);
    }
    for (size_t i = pairs; i < to_count; i++) {
        before = push_index(patch, (*index)++);
        write_op(patch, "add", item(patch, to, to_at + i));
        pop(patch, before);
    }
}

/* lengths[i * (to->count + 1) + k]: of the longest common subsequence of from[i..] and to[k..]. */
static uint32_t *common_lengths(const struct patch *patch, const struct span *from,
                                const struct span *to) {
    size_t width = to->count + 1;
    uint32_t *lengths = mem_calloc((from->count + 1) * width, sizeof *lengths);
    for (size_t i = from->count; lengths && i-- > 0;)
        for (size_t k = to->count; k-- > 0;) {
            uint32_t skip_from = lengths[(i + 1) * width + k], skip_to = lengths[i * width + k + 1];
            if (node_same(patch->dag, item(patch, from, i), item(patch, to, k)))
                lengths[i * width + k] = lengths[(i + 1) * width + k + 1] + 1;
            else
                lengths[i * width + k] = skip_from > skip_to ? skip_from : skip_to;
        }
    return lengths;
}

static void compare_spans(struct patch *patch, const struct span *from, const struct span *to,
                          size_t index) {
    size_t width = to->count + 1, i = 0, k = 0, gap_from = 0, gap_to = 0;
    uint32_t *lengths = common_lengths(patch, from, to);
    if (lengths == NULL) {
        patch->failed = true;
        return;
    }
    while (i < from->count && k < to->count) {
        uint32_t here = lengths[i * width + k];
        if (here == 0)
            break;
        if (here == lengths[(i + 1) * width + k]) {
            i++;
        } else if (here == lengths[i * width + k + 1]) {
            k++;
        } else { /* common: what lies before it is a gap */
            compare_gap(patch, from, gap_from, i - gap_from, to, gap_to, k - gap_to, &index);
            gap_from = ++i;
            gap_to = ++k;
            index++;
        }
    }
    compare_gap(patch, from, gap_from, from->count - gap_from, to, gap_to, to->count - gap_to,
                &index);
    mem_free(lengths);
}

static void compare_arrays(struct patch *patch, node_t from, node_t to) {
    const struct dag *dag = patch->dag;
    size_t from_count = node_count(dag, from), to_count = node_count(dag, to), head = 0, tail = 0;
    size_t shorter = from_count < to_count ? from_count : to_count;
    while (head < shorter && node_same(dag, node_at(dag, from, head), node_at(dag, to, head)))
        head++;
    while (tail < shorter - head && node_same(dag, node_at(dag, from, from_count - 1 - tail),
                                              node_at(dag, to, to_count - 1 - tail)))
        tail++;
    struct span a = {from, head, from_count - head - tail};
    struct span b = {to, head, to_count - head - tail};
    size_t index = head;
    if (a.count == 0 || b.count == 0 || a.count > MOST_PAIRS / b.count)
        compare_gap(patch, &a, 0, a.count, &b, 0, b.count, &index);
    else
        compare_spans(patch, &a, &b, index);
}

static void compare(struct patch *patch, node_t from, node_t to) {
    enum node_type type = node_type(patch->dag, from);
    if (from == to)
        return;
    if (type == NODE_OBJECT && node_type(patch->dag, to) == NODE_OBJECT)
        compare_objects(patch, from, to);
    else if (type == NODE_ARRAY && node_type(patch->dag, to) == NODE_ARRAY)
        compare_arrays(patch, from, to);
    else
        write_op(patch, "replace", to);
}

static int finish(struct patch *patch) {
    json_write_array_end(patch->writer);
    bool failed = patch->failed || patch->path.failed || patch->writer->buf->failed;
    strbuf_finish(&patch->path);
    return failed ? ERROR_NOMEM : patch->count;
}

int node_json_patch(const struct dag *dag, node_t from, node_t to, struct json_writer *writer) {
    struct patch patch = {.dag = dag, .writer = writer};
    json_write_array_begin(writer);
    compare(&patch, from, to);
    return finish(&patch);
}

static bool write_change(struct patch *patch, node_t from, node_t path, node_t value) {
    const struct dag *dag = patch->dag;
    for (size_t i = 0; i < node_count(dag, path); i++) {
        struct str key = node_text(dag, node_at(dag, path, i));
        if (node_type(dag, from) != NODE_OBJECT)
            return false;
        push_key(patch, key);
        from = node_get(dag, from, key);
    }
    if (from == NODE_NONE && value != NODE_NONE)
        write_op(patch, "add", value);
    else if (from != NODE_NONE && value == NODE_NONE)
        write_op(patch, "remove", NODE_NONE);
    else
        compare(patch, from, value);
    pop(patch, 0);
    return true;
}

int node_json_patch_changes(const struct dag *dag, node_t from, node_t changes,
                            struct json_writer *writer) {
    struct patch patch = {.dag = dag, .writer = writer};
    bool valid = true;
    json_write_array_begin(writer);
    for (size_t i = 0; valid && i < node_count(dag, changes); i++) {
        node_t change = node_at(dag, changes, i);
        valid = write_change(&patch, from, node_get(dag, change, str_of("path")),
                             node_get(dag, change, str_of("value")));
    }
    int rc = finish(&patch);
    return valid ? rc : ERROR_INVALID;
}
