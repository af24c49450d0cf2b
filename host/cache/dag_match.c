/* The inner loop of a watch: an object that comes again is mostly what it was. */

#include "cache/dag.h"

static const char *const words[] = {
    [NODE_NULL] = "null", [NODE_FALSE] = "false", [NODE_TRUE] = "true"};

/* After the string at p, or NULL when it is another. */
static const char *match_string(const struct node_head *head, const char *p, const char *end) {
    size_t len = head->count;
    if (!head->plain || !json_guess_quoted(p, end, str_n(dag_payload(head), len)))
        return NULL;
    return p + len + 2;
}

/* After the scalar at p; p itself before an array or object; NULL when it is another. */
static const char *match_value(const struct node_head *head, const char *p, const char *end) {
    struct str text;
    switch (head->type) {
    case NODE_STRING:
        return match_string(head, p, end);
    case NODE_ARRAY:
        return p < end && *p == '[' ? p : NULL;
    case NODE_OBJECT:
        return p < end && *p == '{' ? p : NULL;
    case NODE_NULL:
    case NODE_FALSE:
    case NODE_TRUE:
        text = str_of(words[head->type]);
        break;
    default:
        text = str_n((const char *)dag_payload(head) + 8, head->count);
    }
    return json_guess_ended(p, end, text) ? p + text.len : NULL;
}

/* The open level's guess, at hand. */
struct level {
    const node_t *keys; /* NULL: an array */
    const node_t *values;
    uint32_t count;
};

static struct level level_of(const struct dag *dag, node_t guess) {
    const struct node_head *head = dag_head(dag, guess);
    const node_t *parts = dag_payload(head);
    if (head->type == NODE_ARRAY)
        return (struct level){NULL, parts, head->count};
    return (struct level){dag_parts(dag, parts[0]), parts + 1, head->count};
}

/* The value at p of the next member or item, its key stepped over; NULL: not what is guessed. */
static const char *match_key(const struct dag *dag, const struct level *level, uint32_t at,
                             const char *p, const char *end) {
    if (at > 0 && (p == end || *p++ != ','))
        return NULL;
    if (level->keys == NULL)
        return p;
    p = match_string(dag_head(dag, level->keys[at]), p, end);
    return p && p < end && *p == ':' ? p + 1 : NULL;
}

/* Is `frame` whole, and the one around it such that it can go on? */
static bool can_leave(const struct dag_frame *frame, const struct level *level, size_t depth,
                      const char *p, const char *end) {
    const struct dag_frame *outer = frame - 1;
    return p < end && *p == (level->keys ? '}' : ']') && depth > 1 && outer->fit == DAG_FIT_ALL &&
           outer->role == DAG_ROLE_OTHER && outer->member == outer->at;
}

static bool can_enter(const struct dag *dag, const struct json_scanner *scanner, size_t depth) {
    return scanner->depth < JSON_MAX_DEPTH && depth < dag->frames_cap;
}

void dag_match(struct dag *dag, struct json_scanner *scanner, size_t *depth) {
    const char *p = scanner->at, *end = scanner->end, *next, *known;
    struct dag_frame *frame = &dag->frames[*depth - 1];
    struct level level = level_of(dag, frame->guess);
    for (;;) {
        if (frame->at == level.count) {
            if (!can_leave(frame, &level, *depth, p, end))
                break;
            dag_texts_see(dag, frame, frame[-1].guess, ++p);
            frame--;
            frame->at++;
            --*depth;
            scanner->depth--;
            level = level_of(dag, frame->guess);
            continue;
        }
        node_t value = level.values[frame->at];
        next = match_key(dag, &level, frame->at, p, end);
        if (next == NULL)
            break;
        frame->member = frame->at;
        const struct node_head *guess = dag_head(dag, value);
        bool inner = guess->type == NODE_OBJECT || guess->type == NODE_ARRAY;
        known =
            inner && guess->refs >= DAG_TEXT_REFS ? dag_texts_match(dag, value, next, end) : NULL;
        if (known == NULL && (next = match_value(guess, next, end)) == NULL)
            break;
        if (known || !inner) {
            frame->at++;
            p = known ? known : next;
            continue;
        }
        if (!can_enter(dag, scanner, *depth))
            break;
        p = next + 1;
        json_scanner_enter(scanner, guess->type == NODE_OBJECT);
        *++frame = (struct dag_frame){.first = dag->stack_len,
                                      .first_key = dag->keys_len,
                                      .start = next,
                                      .guess = value,
                                      .member = DAG_NO_MEMBER,
                                      .type = guess->type,
                                      .role = DAG_ROLE_OTHER,
                                      .fit = DAG_FIT_ALL};
        ++*depth;
        level = level_of(dag, value);
    }
    scanner->at = p;
    scanner->state = frame->at > 0 ? JSON_AFTER_VALUE
                     : level.keys  ? JSON_BEFORE_KEY
                                   : JSON_BEFORE_ITEM;
}
