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

/* The value at p of the next member or item, its key stepped over; NULL: not what is guessed. */
static const char *match_member(const struct dag *dag, struct dag_frame *frame, const node_t *parts,
                                const char *p, const char *end, node_t *ret_value) {
    if (frame->at > 0 && (p == end || *p++ != ','))
        return NULL;
    *ret_value = parts[frame->at];
    if (frame->type == NODE_OBJECT) {
        *ret_value = parts[frame->at + 1];
        p = match_string(dag_head(dag, dag_parts(dag, parts[0])[frame->at]), p, end);
        if (p == NULL || p == end || *p++ != ':')
            return NULL;
    }
    frame->member = frame->at;
    return p;
}

static bool can_enter(const struct dag *dag, const struct json_scanner *scanner, size_t depth) {
    return scanner->depth < JSON_MAX_DEPTH && depth < dag->frames_cap;
}

void dag_match(struct dag *dag, struct json_scanner *scanner, size_t *depth) {
    const char *p = scanner->at, *end = scanner->end, *next;
    struct dag_frame *frame = &dag->frames[*depth - 1];
    node_t value;
    for (;;) {
        const struct node_head *head = dag_head(dag, frame->guess);
        if (frame->at == head->count) {
            const struct dag_frame *outer = frame - 1;
            if (p == end || *p != (frame->type == NODE_OBJECT ? '}' : ']') || *depth < 2 ||
                outer->fit != DAG_FIT_ALL || outer->role != DAG_ROLE_OTHER ||
                outer->member != outer->at)
                break;
            p++;
            frame--;
            frame->at++;
            --*depth;
            scanner->depth--;
            continue;
        }
        next = match_member(dag, frame, dag_payload(head), p, end, &value);
        const struct node_head *guess = next ? dag_head(dag, value) : NULL;
        if (next == NULL || (next = match_value(guess, next, end)) == NULL)
            break;
        if (guess->type != NODE_OBJECT && guess->type != NODE_ARRAY) {
            frame->at++;
            p = next;
            continue;
        }
        if (!can_enter(dag, scanner, *depth))
            break;
        p = next + 1;
        json_scanner_enter(scanner, guess->type == NODE_OBJECT);
        *++frame = (struct dag_frame){.first = dag->stack_len,
                                      .first_key = dag->keys_len,
                                      .guess = value,
                                      .member = DAG_NO_MEMBER,
                                      .type = guess->type,
                                      .role = DAG_ROLE_OTHER,
                                      .fit = DAG_FIT_ALL};
        ++*depth;
    }
    bool object = frame->type == NODE_OBJECT;
    scanner->at = p;
    scanner->state = frame->at > 0 ? JSON_AFTER_VALUE : object ? JSON_BEFORE_KEY : JSON_BEFORE_ITEM;
}
