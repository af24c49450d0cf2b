/* Two documents, parted by a zero byte: the second, parsed with the first as its model, is the same
 * node, or fails the same way, as parsed without. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache/node.h"

static node_t find(void *context, struct str ns, struct str name) {
    (void)ns, (void)name;
    return *(node_t *)context;
}

static void compare(struct dag *dag, struct str json, const struct dag_guess *guess) {
    enum { DROP = DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED };
    struct error plain = {0}, guessed = {0};
    node_t expected = dag_parse(dag, json, DROP, &plain);
    node_t node = dag_parse_like(dag, json, DROP, guess, &guessed);
    if (node != expected || plain.code != guessed.code ||
        strcmp(plain.message, guessed.message) != 0)
        abort();
    node_unref(dag, node);
    node_unref(dag, expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, '\0', size) : NULL;
    if (zero == NULL)
        return 0;
    struct dag *dag = dag_create(NULL, NULL);
    struct str model = str_n((const char *)data, (size_t)(zero - data));
    size_t rest = size - model.len - 1;
    char *copy = malloc(rest + 1); /* reading past its end is seen */
    memcpy(copy, zero + 1, rest);
    node_t like = dag_parse(dag, model, 3, NULL);
    compare(dag, str_n(copy, rest), &(struct dag_guess){.like = like});
    compare(dag, str_n(copy, rest), &(struct dag_guess){.find = find, .context = &like});
    node_unref(dag, like);
    if (dag_stats(dag).nodes != 0)
        abort();
    free(copy);
    dag_destroy(dag);
    return 0;
}
