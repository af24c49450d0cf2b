#include <string.h>

#include "apiserver/errand.h"
#include "apiserver/fields.h"
#include "base/mem.h"

/* A collection is deleted object by object, by errands, from the first to the last; what is
 * answered is the list as it was. */

struct purge {
    struct api_exchange *x;
    struct errand errand;
    struct strbuf list;  /* what is answered */
    json_t *paths;       /* of the objects, from the last to the first */
    bool running, again; /* purge_next() is on the stack, and is to go on */
};

static void purge_cancel(struct api_exchange *x) {
    struct purge *purge = x->pending;
    x->pending = NULL;
    x->cancel = NULL;
    errand_finish(&purge->errand);
    strbuf_finish(&purge->list);
    json_decref(purge->paths);
    mem_free(purge);
}

static bool collect_path(void *context, const struct storage_item *item) {
    struct purge *purge = ((void **)context)[0];
    const struct choice *choice = ((void **)context)[1];
    struct api_exchange *x = purge->x;
    struct strbuf path = {0};
    if (!choice_has(choice, x->server->dag, &item->key, item->node))
        return true;
    errand_path(&path, x->kind->resource, item->key.ns, item->key.name, "");
    bool added =
        !path.failed && json_array_insert_new(purge->paths, 0, json_string(path.data)) == 0;
    strbuf_finish(&path);
    return added;
}

static int find_paths(struct purge *purge) {
    struct api_exchange *x = purge->x;
    struct choice choice;
    struct error err;
    void *context[] = {purge, &choice};
    int rc = choice_parse(x, &choice);
    if (rc == 0 && storage_list(x->server->storage, x->kind->resource->id, choice.ns, NULL, 0,
                                collect_path, context, &err) < 0)
        rc = exchange_error(x, &err);
    choice_finish(&choice);
    return rc;
}

static void purge_end(struct purge *purge) {
    struct api_exchange *x = purge->x;
    struct strbuf list = purge->list;
    purge->list = (struct strbuf){0};
    purge_cancel(x);
    exchange_answer_text(x, 200, &list);
}

/* A delete was refused: so is the rest. */
static void purge_fail(struct purge *purge) {
    struct api_exchange *x = purge->x;
    struct error err;
    exchange_refuse(x, document_parse(strbuf_view(&purge->errand.body), &err));
    purge_cancel(x);
    exchange_fail(x);
}

static int delete_next(struct purge *purge) {
    struct api_exchange *x = purge->x;
    size_t count = json_array_size(purge->paths);
    json_t *path = json_incref(json_array_get(purge->paths, count - 1));
    json_array_remove(purge->paths, count - 1);
    const struct errand_order order = {.user = x->request.user,
                                       .groups = x->request.groups,
                                       .method = "DELETE",
                                       .path = json_string_value(path),
                                       .query = x->request.dry_run ? "dryRun=All" : "",
                                       .body = x->change.options};
    int rc = errand_start(x->server, &purge->errand, &order);
    json_decref(path);
    return rc;
}

static void purge_next(struct purge *purge) {
    struct api_exchange *x = purge->x;
    exchange_enter(x);
    purge->running = true;
    do {
        int status = purge->errand.status;
        purge->again = false;
        if (status >= 400 && status != 404) {
            purge_fail(purge);
            break;
        }
        if (json_array_size(purge->paths) == 0) {
            purge_end(purge);
            break;
        }
        if (delete_next(purge) < 0) {
            exchange_nomem(x);
            purge_cancel(x);
            exchange_fail(x);
            break;
        }
        if (!purge->again)
            purge->running = false; /* its answer comes later */
    } while (purge->again);
    exchange_leave(x);
}

static void purge_deleted(struct errand *errand) {
    struct purge *purge = CONTAINER_OF(errand, struct purge, errand);
    if (purge->running)
        purge->again = true;
    else
        purge_next(purge);
}

void rest_delete_collection(struct api_exchange *x) {
    struct purge *purge = mem_zalloc(sizeof *purge);
    int rc;
    if (purge) {
        purge->x = x;
        purge->errand.done = purge_deleted;
        purge->paths = json_array();
        x->pending = purge;
        x->cancel = purge_cancel;
    }
    rc = purge && purge->paths ? body_delete_options(x, &x->change.options) : exchange_nomem(x);
    if (rc == 0)
        rc = rest_list_text(x, &purge->list);
    if (rc == 0)
        rc = find_paths(purge);
    if (rc < 0)
        exchange_fail(x);
    else
        purge_next(purge);
}
