#include "cache/dag.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { DEFAULT_MAX_BYTES = 64 << 20, SMALL_CHUNKS = 4 };

struct dag *dag_create(const struct dag_options *options, struct error *err) {
    struct dag *dag = mem_zalloc(sizeof *dag);
    if (dag == NULL || arena_init(&dag->arena, SMALL_CHUNKS) < 0)
        goto nomem;
    dag->max_bytes = options && options->max_bytes ? options->max_bytes : DEFAULT_MAX_BYTES;
    if (dag->max_bytes > DAG_MAX_COUNT)
        dag->max_bytes = DAG_MAX_COUNT;
    for (node_t id = NODE_ID_NULL; id <= NODE_ID_TRUE; id++) {
        if (arena_alloc(&dag->arena, sizeof(struct node_head)) != id)
            goto nomem; /* the first blocks of the first chunk, or no memory */
        *dag_head(dag, id) = (struct node_head){.refs = 1, .type = (id - NODE_ID_NULL) & 0xf};
    }
    return dag;
nomem:
    if (dag)
        arena_finish(&dag->arena);
    mem_free(dag);
    error_set(err, ERROR_NOMEM, "no memory for the cache");
    return NULL;
}

void dag_destroy(struct dag *dag) {
    if (dag == NULL)
        return;
    assert(dag->stats.nodes == 0 && "references to nodes are left");
    arena_finish(&dag->arena);
    intern_finish(&dag->table);
    mem_free(dag->stack);
    mem_free(dag->keys);
    mem_free(dag->scratch);
    mem_free(dag->frames);
    dag_texts_finish(&dag->texts);
    mem_free(dag);
}

struct dag_stats dag_stats(const struct dag *dag) {
    return dag->stats;
}

static uint32_t hash_bytes(uint32_t type, struct str text) {
    uint64_t hash = str_hash(text) + type;
    return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t hash_content(const struct dag *dag, node_t node) {
    const struct node_head *head = dag_head(dag, node);
    const char *bytes = dag_payload(head);
    size_t len = head->count;
    switch (head->type) {
    case NODE_INT:
    case NODE_DOUBLE:
    case NODE_NUMBER:
        return hash_bytes(NODE_NUMBER, str_n(bytes + 8, len));
    case NODE_ARRAY:
    case TYPE_SHAPE:
        len *= sizeof(node_t);
        break;
    case NODE_OBJECT:
        len = (len + 1) * sizeof(node_t);
        break;
    default:
        break;
    }
    return hash_bytes(head->type, str_n(bytes, len));
}

/* A node of that type, or with `skip` any number, whose payload starts with `content` (at `skip`)?
 */
static bool is_same(const struct dag *dag, node_t node, uint32_t type, uint32_t count, size_t skip,
                    struct str content) {
    const struct node_head *head = dag_head(dag, node);
    bool same_type =
        skip ? head->type >= NODE_INT && head->type <= NODE_NUMBER : head->type == type;
    return same_type && head->count == count &&
           (content.len == 0 ||
            memcmp((const char *)dag_payload(head) + skip, content.data, content.len) == 0);
}

/* The node that is_same(), or NODE_NONE. */
static node_t find(const struct dag *dag, uint32_t hash, uint32_t type, uint32_t count, size_t skip,
                   struct str content) {
    const struct intern *table = &dag->table;
    const size_t slots = table->slot_count;
    for (size_t i = 0; i < INTERN_LATE; i++)
        if (table->late[i].hash == hash && table->late[i].node != NODE_NONE &&
            is_same(dag, table->late[i].node, type, count, skip, content))
            return table->late[i].node;
    if (slots == 0)
        return NODE_NONE;
    for (size_t at = intern_home(slots, hash); table->slots[at].node != NODE_NONE;
         at = intern_after(slots, at))
        if (table->slots[at].hash == hash &&
            is_same(dag, table->slots[at].node, type, count, skip, content))
            return table->slots[at].node;
    return NODE_NONE;
}

/* Bytes of the payload. */
static size_t payload_size(uint32_t type, size_t count) {
    switch (type) {
    case NODE_STRING:
        return count;
    case NODE_ARRAY:
        return count * sizeof(node_t);
    case NODE_OBJECT:
        return (count + 1) * sizeof(node_t);
    case TYPE_SHAPE:
        return count * sizeof(node_t) * (count > SHAPE_LINEAR ? 2 : 1);
    default:
        return 8 + count; /* a number */
    }
}

static size_t block_size(size_t payload) {
    bool outside = payload > ARENA_MAX - sizeof(struct node_head);
    return sizeof(struct node_head) + (outside ? sizeof(void *) : payload);
}

/* What a node refers to: so many of its parts. */
static size_t part_count(const struct node_head *head) {
    switch (head->type) {
    case NODE_OBJECT:
        return head->count + 1;
    case NODE_ARRAY:
    case TYPE_SHAPE:
        return head->count;
    default:
        return 0;
    }
}

static size_t size_of(const struct node_head *head) {
    size_t payload = payload_size(head->type, head->count);
    return block_size(payload) + (head->outside ? payload : 0);
}

/* A new node with one reference, not in the table; *ret_payload is to be filled. */
static node_t new_node(struct dag *dag, uint32_t type, size_t count, void **ret_payload) {
    size_t payload = payload_size(type, count), block = block_size(payload);
    bool outside = payload > ARENA_MAX - sizeof(struct node_head);
    void *own = NULL;
    if (count > DAG_MAX_COUNT || intern_reserve(&dag->table) < 0 ||
        (outside && !(own = mem_alloc(payload))))
        return NODE_NONE;
    node_t node = arena_alloc(&dag->arena, block);
    if (node == NODE_NONE) {
        mem_free(own);
        return NODE_NONE;
    }
    struct node_head *head = dag_head(dag, node);
    *head = (struct node_head){.refs = 1,
                               .type = type & 0xf,
                               .outside = outside,
                               .count = (uint32_t)count & DAG_MAX_COUNT};
    if (outside)
        memcpy(head + 1, &own, sizeof own);
    dag->newest = node;
    dag->stats.nodes++;
    dag->stats.bytes += block + (outside ? payload : 0);
    *ret_payload = outside ? own : head + 1;
    return node;
}

/* Gives the block back; the parts are no business of it. */
static void free_node(struct dag *dag, node_t node) {
    struct node_head *head = dag_head(dag, node);
    size_t block = block_size(payload_size(head->type, head->count));
    dag->stats.nodes--;
    dag->stats.bytes -= size_of(head);
    if (head->outside)
        mem_free((void *)dag_payload(head));
    arena_free(&dag->arena, node, block);
}

node_t node_ref(struct dag *dag, node_t node) {
    if (node > NODE_ID_TRUE) {
        struct node_head *head = dag_head(dag, node);
        assert(head->refs < UINT32_MAX);
        head->refs++;
    }
    return node;
}

/* One reference less; at zero the node joins the dying. */
static void release(struct dag *dag, node_t node, node_t *dying) {
    if (node <= NODE_ID_TRUE)
        return;
    struct node_head *head = dag_head(dag, node);
    assert(head->refs > 0);
    if (--head->refs > 0)
        return;
    intern_remove(&dag->table, hash_content(dag, node), node);
    head->refs = *dying;
    *dying = node;
}

void node_unref(struct dag *dag, node_t node) {
    node_t dying = NODE_NONE;
    release(dag, node, &dying);
    while (dying != NODE_NONE) { /* a list instead of recursion: depth costs no stack */
        node = dying;
        struct node_head *head = dag_head(dag, node);
        dying = head->refs;
        const node_t *parts = dag_payload(head);
        const size_t count = part_count(head);
        for (size_t i = 0; i < count; i++)
            release(dag, parts[i], &dying);
        if (count > 0)
            dag_texts_forget(dag, node);
        free_node(dag, node);
    }
}

double node_share(const struct dag *dag, node_t node) {
    if (node <= NODE_ID_TRUE)
        return 0;
    const struct node_head *head = dag_head(dag, node);
    const node_t *parts = dag_payload(head);
    double bytes = (double)size_of(head);
    for (size_t i = 0, count = part_count(head); i < count; i++)
        bytes += node_share(dag, parts[i]);
    return bytes / head->refs;
}

node_t dag_intern_string(struct dag *dag, struct str text) {
    uint32_t hash = hash_bytes(NODE_STRING, text);
    node_t node = find(dag, hash, NODE_STRING, (uint32_t)text.len, 0, text);
    if (node != NODE_NONE)
        return node_ref(dag, node);
    void *payload;
    node = new_node(dag, NODE_STRING, text.len, &payload);
    if (node == NODE_NONE)
        return NODE_NONE;
    if (text.len > 0)
        memcpy(payload, text.data, text.len);
    dag_head(dag, node)->plain = json_is_plain(text);
    intern_add(&dag->table, hash, node);
    return node;
}

/* What the text is exactly: an int64, a double, or neither. */
static enum node_type classify(struct str text, uint64_t *ret_bits) {
    char copy[JSON_DOUBLE_TEXT], shortest[JSON_DOUBLE_TEXT];
    int64_t integer;
    *ret_bits = 0;
    if (str_to_int64(text, &integer) && !str_is(text, "-0")) {
        *ret_bits = (uint64_t)integer;
        return NODE_INT;
    }
    if (text.len >= sizeof copy)
        return NODE_NUMBER;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, NULL);
    if (!str_equal(text, str_n(shortest, json_double_text(value, shortest))))
        return NODE_NUMBER;
    memcpy(ret_bits, &value, sizeof value);
    return NODE_DOUBLE;
}

node_t dag_intern_number(struct dag *dag, struct str text) {
    uint32_t hash = hash_bytes(NODE_NUMBER, text);
    node_t node = find(dag, hash, NODE_NUMBER, (uint32_t)text.len, 8, text);
    if (node != NODE_NONE)
        return node_ref(dag, node);
    uint64_t bits;
    void *payload;
    node = new_node(dag, classify(text, &bits), text.len, &payload);
    if (node == NODE_NONE)
        return NODE_NONE;
    memcpy(payload, &bits, sizeof bits);
    memcpy((char *)payload + sizeof bits, text.data, text.len);
    intern_add(&dag->table, hash, node);
    return node;
}

/* `parts` that found their node already interned: its references replace theirs. */
static node_t share(struct dag *dag, node_t node, const node_t *parts, size_t count) {
    node_ref(dag, node);
    for (size_t i = 0; i < count; i++)
        node_unref(dag, parts[i]);
    return node;
}

node_t dag_intern_parts(struct dag *dag, enum node_type type, size_t count, const node_t *parts,
                        size_t part_count, bool is_new) {
    struct str bytes = str_n((const char *)parts, part_count * sizeof *parts);
    uint32_t hash = hash_bytes(type, bytes);
    node_t node = is_new ? NODE_NONE : find(dag, hash, type, (uint32_t)count, 0, bytes);
    if (node != NODE_NONE)
        return share(dag, node, parts, part_count);
    void *payload;
    node = new_node(dag, type, count, &payload);
    if (node == NODE_NONE)
        return NODE_NONE;
    if (bytes.len > 0)
        memcpy(payload, parts, bytes.len);
    intern_add(&dag->table, hash, node);
    return node;
}

node_t dag_intern_array(struct dag *dag, const node_t *items, size_t count) {
    return dag_intern_parts(dag, NODE_ARRAY, count, items, count, /* is_new= */ false);
}

node_t dag_find_shape(const struct dag *dag, const node_t *keys, size_t count) {
    struct str bytes = str_n((const char *)keys, count * sizeof *keys);
    return find(dag, hash_bytes(TYPE_SHAPE, bytes), TYPE_SHAPE, (uint32_t)count, 0, bytes);
}

node_t dag_add_shape(struct dag *dag, const node_t *keys, const uint32_t *sorted, size_t count) {
    void *payload;
    node_t shape = new_node(dag, TYPE_SHAPE, count, &payload);
    if (shape == NODE_NONE)
        return NODE_NONE;
    if (count > 0)
        memcpy(payload, keys, count * sizeof *keys);
    if (sorted)
        memcpy((node_t *)payload + count, sorted, count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        node_ref(dag, keys[i]);
    intern_add(&dag->table, hash_content(dag, shape), shape);
    return shape;
}

int dag_scratch(struct dag *dag, size_t need) {
    return mem_grow(&dag->scratch, &dag->scratch_cap, need, sizeof *dag->scratch);
}
