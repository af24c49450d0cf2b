/* Texts of arrays and objects that many hold: what comes again is compared at once. */

#include "base/mem.h"
#include "cache/dag.h"

enum { FIRST_SLOTS = 64, SHARE = 32 /* of the nodes' bytes, at most */ };

/* The first of the two slots that a node may have. */
static struct dag_text *slots_of(const struct dag_texts *texts, node_t node) {
    return &texts->slots[(uint32_t)(node * 0x9e3779b1u) >> texts->shift & ~1u];
}

static struct dag_text *find(const struct dag_texts *texts, node_t node) {
    struct dag_text *slots = texts->slots ? slots_of(texts, node) : NULL;
    if (slots && slots[0].node != node)
        slots++;
    return slots && slots[0].node == node ? slots : NULL;
}

static void drop(struct dag_texts *texts, struct dag_text *text) {
    if (text->node == NODE_NONE)
        return;
    texts->bytes -= text->len;
    texts->count--;
    mem_free(text->bytes);
    *text = (struct dag_text){0};
}

void dag_texts_finish(struct dag_texts *texts) {
    for (size_t i = 0; i < texts->slot_count; i++)
        drop(texts, &texts->slots[i]);
    mem_free(texts->slots);
    *texts = (struct dag_texts){0};
}

/* Takes the text over; when both slots are taken, the older one goes. */
static void put(struct dag_texts *texts, struct dag_text text) {
    struct dag_text *slots = slots_of(texts, text.node);
    drop(texts, &slots[1]);
    slots[1] = slots[0];
    slots[0] = text;
    texts->bytes += text.len;
    texts->count++;
}

static void grow(struct dag_texts *texts) {
    size_t count = texts->slot_count ? 2 * texts->slot_count : FIRST_SLOTS;
    struct dag_texts grown = {.slots = mem_calloc(count, sizeof *grown.slots),
                              .slot_count = count,
                              .shift = 32 - (unsigned)__builtin_ctzll(count)};
    if (grown.slots == NULL)
        return;
    for (size_t i = 0; i < texts->slot_count; i++)
        if (texts->slots[i].node != NODE_NONE)
            put(&grown, texts->slots[i]);
    mem_free(texts->slots);
    *texts = grown;
}

void dag_texts_keep(struct dag *dag, node_t node, struct str text) {
    struct dag_texts *texts = &dag->texts;
    if (texts->bytes + text.len > dag->stats.bytes / SHARE)
        return;
    if (texts->count * 4 >= texts->slot_count)
        grow(texts);
    char *copy = texts->slots ? mem_strndup(text.data, text.len) : NULL;
    if (copy == NULL)
        return;
    dag_texts_forget(dag, node);
    put(texts, (struct dag_text){node, (uint32_t)text.len, copy});
}

const char *dag_texts_match(const struct dag *dag, node_t node, const char *p, const char *end) {
    const struct dag_text *text = find(&dag->texts, node);
    if (text == NULL || (size_t)(end - p) < text->len || memcmp(text->bytes, p, text->len) != 0)
        return NULL;
    return p + text->len;
}

void dag_texts_forget(struct dag *dag, node_t node) {
    struct dag_text *text = find(&dag->texts, node);
    if (text)
        drop(&dag->texts, text);
}
