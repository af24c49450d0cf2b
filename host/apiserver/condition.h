#ifndef MOONLET_APISERVER_CONDITION_H
#define MOONLET_APISERVER_CONDITION_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Condition: the part of CEL that match conditions of webhooks need most.
 *
 * Is:      ?: || && ! == != in, members, indices, lists, texts, whole numbers, true, false, null,
 *          has(), string(), startsWith(), endsWith(), contains().
 * Is not:  all of CEL: what else there is, is not known here.
 * Threads: any. Yields: never.
 */
bool condition_known(const char *expression);

enum condition { CONDITION_FALSE, CONDITION_TRUE, CONDITION_ERROR };
/* Of a known expression; `variables` has a member for each name. */
enum condition condition_judge(const char *expression, const json_t *variables);

#endif
