#include "cache/reflector_internal.h"
#include "json/scan.h"

enum { PAGE = 500 };

/* What is no JSON may have hidden more than one object, and no memory is no reason to forget one:
 * such a list does not come to its end. */
static int on_item(void *context, struct str object, struct error *err) {
    struct reflector *r = context;
    int rc = store_put(r->options.store, object, reflector_item_source(r), NULL, err);
    if (rc == 0) {
        r->events++;
        reflector_raise_version(r);
        return 0;
    }
    if (rc == ERROR_NOMEM || json_check(object, /* err= */ NULL) < 0)
        return rc;
    reflector_bad_object(r, object, err);
    return 0;
}

/* A list that failed: from where to try again. */
static void on_list_failed(struct reflector *r, const struct error *err) {
    if (err->code == ERROR_GONE && r->paging) { /* the pages are of a version that is gone */
        r->unpaged = true;
        reflector_start_list(r, NULL);
        return;
    }
    bool was = r->consistent;
    r->consistent |= err->code == ERROR_GONE || reflector_is_behind(err);
    if (err->code == ERROR_GONE && !was)
        reflector_start_list(r, NULL);
    else
        reflector_back_off(r, err, /* relist= */ true);
}

static void on_list_done(void *context, const char *resource_version, const char *continue_token,
                         const struct error *err) {
    struct reflector *r = context;
    r->list = NULL;
    if (err) {
        on_list_failed(r, err);
        return;
    }
    if (continue_token && *continue_token) {
        reflector_start_list(r, continue_token);
        return;
    }
    if (!reflector_complete_list(r, str_of(resource_version)) || r->phase != REFLECTOR_LISTING)
        return;
    reflector_open_watch(r, /* stream= */ false);
}

void reflector_start_list(struct reflector *r, const char *continue_token) {
    struct error err = {0};
    bool known = r->version.len > 0 && !r->consistent;
    struct kube_list_options options = {
        .select = r->options.select,
        .resource_version = continue_token || r->consistent ? NULL
                            : known                         ? r->version.data
                                                            : "0",
        .resource_version_match = known && !continue_token ? "NotOlderThan" : NULL,
        .limit = r->unpaged || (known && !continue_token) ? 0 : PAGE,
        .continue_token = continue_token,
        .on_item = on_item,
        .on_done = on_list_done,
        .context = r};
    r->phase = REFLECTOR_LISTING;
    r->paging = continue_token != NULL;
    if (!r->paging)
        reflector_begin_replace(r);
    r->list = r->options.source->list_start(r->options.source, &options, &err);
    if (r->list == NULL)
        reflector_back_off(r, &err, /* relist= */ true);
}
