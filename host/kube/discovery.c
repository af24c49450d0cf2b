#include "kube/discovery.h"

#include <jansson.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

/* One group/version. */
struct group {
    struct discovery *discovery;
    char *api_version;
    struct map kinds;       /* kind -> struct kube_resource, as of the last answer */
    struct list lookups;    /* that wait for `call` */
    struct kube_call *call; /* under way, or NULL */
};

struct discovery {
    struct kube_client *client;
    struct map groups; /* api_version -> struct group */
    struct list given; /* struct given: every resource there ever was */
};

struct given {
    struct list link;
    struct kube_resource resource;
};

struct discovery_lookup {
    struct list link; /* in group.lookups */
    char *kind;
    void (*done)(void *context, const struct kube_resource *resource, const struct error *err);
    void *context;
};

static void free_given(struct given *given) {
    if (given == NULL)
        return;
    mem_free(given->resource.group);
    mem_free(given->resource.version);
    mem_free(given->resource.kind);
    mem_free(given->resource.plural);
    mem_free(given->resource.api_version);
    mem_free(given);
}

static void free_lookup(struct discovery_lookup *lookup) {
    list_remove(&lookup->link);
    mem_free(lookup->kind);
    mem_free(lookup);
}

static void free_group(struct group *group) {
    if (group == NULL)
        return;
    kube_call_cancel(group->call);
    while (!list_empty(&group->lookups))
        free_lookup(CONTAINER_OF(group->lookups.next, struct discovery_lookup, link));
    map_finish(&group->kinds);
    mem_free(group->api_version);
    mem_free(group);
}

struct discovery *discovery_create(struct kube_client *client, struct error *err) {
    struct discovery *discovery = mem_zalloc(sizeof *discovery);
    if (discovery == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for discovery");
        return NULL;
    }
    discovery->client = client;
    list_init(&discovery->given);
    return discovery;
}

void discovery_destroy(struct discovery *discovery) {
    if (discovery == NULL)
        return;
    struct map_entry *entry;
    for (size_t at = 0; (entry = map_next(&discovery->groups, &at));)
        free_group(entry->value);
    map_finish(&discovery->groups);
    while (!list_empty(&discovery->given)) {
        struct list *link = discovery->given.next;
        list_remove(link);
        free_given(CONTAINER_OF(link, struct given, link));
    }
    mem_free(discovery);
}

const struct kube_resource *discovery_peek(const struct discovery *discovery,
                                           const char *api_version, const char *kind) {
    const struct group *group = map_get(&discovery->groups, str_of(api_version));
    return group ? map_get(&group->kinds, str_of(kind)) : NULL;
}

/* The resource with these properties, the one given out before if it has not changed. */
static const struct kube_resource *give(struct discovery *discovery,
                                        const struct kube_resource *like) {
    struct list *link, *following;
    LIST_EACH(link, following, &discovery->given) {
        const struct kube_resource *old = &CONTAINER_OF(link, struct given, link)->resource;
        if (strcmp(old->api_version, like->api_version) == 0 &&
            strcmp(old->kind, like->kind) == 0 && strcmp(old->plural, like->plural) == 0 &&
            old->namespaced == like->namespaced && old->has_status == like->has_status &&
            old->has_scale == like->has_scale)
            return old;
    }
    struct given *given = mem_zalloc(sizeof *given);
    if (given == NULL)
        return NULL;
    given->resource = (struct kube_resource){.group = mem_strdup(like->group),
                                             .version = mem_strdup(like->version),
                                             .kind = mem_strdup(like->kind),
                                             .plural = mem_strdup(like->plural),
                                             .api_version = mem_strdup(like->api_version),
                                             .namespaced = like->namespaced,
                                             .has_status = like->has_status,
                                             .has_scale = like->has_scale};
    const struct kube_resource *r = &given->resource;
    if (!r->group || !r->version || !r->kind || !r->plural || !r->api_version) {
        free_given(given);
        return NULL;
    }
    list_append(&discovery->given, &given->link);
    return r;
}

static bool has_entry(const json_t *resources, const char *plural, const char *sub) {
    size_t i, len = strlen(plural);
    json_t *item;
    json_array_foreach((json_t *)resources, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strncmp(name, plural, len) == 0 && name[len] == '/' &&
            strcmp(name + len + 1, sub) == 0)
            return true;
    }
    return false;
}

static int add_kind(struct group *group, const json_t *resources, const json_t *item,
                    struct error *err) {
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *kind = json_string_value(json_object_get(item, "kind"));
    if (name == NULL || kind == NULL)
        return error_set(err, ERROR_PROTOCOL, "discovery of %s: a resource without name or kind",
                         group->api_version);
    if (strchr(name, '/') || map_get(&group->kinds, str_of(kind)))
        return 0; /* a subresource, or a second plural of the kind */
    const char *slash = strchr(group->api_version, '/');
    CLEANUP(mem_freep)
    char *group_name =
        mem_strndup(group->api_version, slash ? (size_t)(slash - group->api_version) : 0);
    if (group_name == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for discovery");
    struct kube_resource like = {.group = group_name,
                                 .version = slash ? (char *)slash + 1 : group->api_version,
                                 .kind = (char *)kind,
                                 .plural = (char *)name,
                                 .api_version = group->api_version,
                                 .namespaced = json_is_true(json_object_get(item, "namespaced")),
                                 .has_status = has_entry(resources, name, "status"),
                                 .has_scale = has_entry(resources, name, "scale")};
    const struct kube_resource *resource = give(group->discovery, &like);
    if (resource == NULL || map_set(&group->kinds, str_of(kind), (void *)resource, NULL) < 0)
        return error_set(err, ERROR_NOMEM, "no memory for discovery");
    return 0;
}

/* Replaces what is known of the group by an APIResourceList. */
static int learn(struct group *group, struct str body, struct error *err) {
    json_t *list = json_loadb(body.data, body.len, 0, NULL);
    const json_t *resources = json_object_get(list, "resources");
    int rc = 0;
    map_finish(&group->kinds);
    group->kinds = (struct map){0};
    if (!json_is_array(resources))
        rc = error_set(err, ERROR_PROTOCOL, "discovery of %s: the answer is no APIResourceList",
                       group->api_version);
    for (size_t i = 0; rc == 0 && i < json_array_size(resources); i++)
        rc = add_kind(group, resources, json_array_get(resources, i), err);
    json_decref(list);
    return rc;
}

static void answer_lookup(const struct group *group, struct discovery_lookup *lookup,
                          const struct error *failure) {
    const struct kube_resource *resource =
        failure ? NULL : map_get(&group->kinds, str_of(lookup->kind));
    struct error err;
    if (failure && failure->code != ERROR_NOT_FOUND)
        err = *failure;
    else if (resource == NULL) {
        error_set(&err, ERROR_NOT_FOUND, "the server has no kind %s %s", group->api_version,
                  lookup->kind);
        err.status = 404;
    }
    list_remove(&lookup->link);
    lookup->done(lookup->context, resource, resource ? NULL : &err);
    free_lookup(lookup);
}

static void on_answer(void *context, const struct kube_answer *answer,
                      const struct error *failure) {
    struct group *group = context;
    struct error err;
    int rc = 0;
    group->call = NULL;
    if (failure == NULL) {
        rc = learn(group, answer->body, &err);
        failure = rc < 0 ? &err : NULL;
    } else if (failure->code == ERROR_NOT_FOUND) {
        map_finish(&group->kinds);
        group->kinds = (struct map){0};
    } else {
        err = *failure;
        error_prefix(&err, "discovery of %s", group->api_version);
        failure = &err;
    }
    /* Who asks again from a callback waits for the next answer, behind the ones of now. */
    struct list now = group->lookups;
    if (list_empty(&group->lookups))
        return;
    now.next->prev = now.prev->next = &now;
    list_init(&group->lookups);
    while (!list_empty(&now))
        answer_lookup(group, CONTAINER_OF(now.next, struct discovery_lookup, link), failure);
}

static int fetch(struct group *group, struct error *err) {
    struct strbuf path = {0};
    const char *slash = strchr(group->api_version, '/');
    if (slash) {
        strbuf_adds(&path, "/apis/");
        kube_escape(&path, (struct str){group->api_version, (size_t)(slash - group->api_version)});
        strbuf_addc(&path, '/');
        kube_escape(&path, str_of(slash + 1));
    } else {
        strbuf_adds(&path, "/api/");
        kube_escape(&path, str_of(group->api_version));
    }
    if (path.failed) {
        strbuf_finish(&path);
        return error_set(err, ERROR_NOMEM, "no memory for discovery");
    }
    struct kube_request request = {.method = "GET", .path = path.data};
    group->call = kube_call_start(group->discovery->client, &request, on_answer, group, err);
    strbuf_finish(&path);
    return group->call ? 0 : err->code;
}

static struct group *group_of(struct discovery *discovery, const char *api_version) {
    struct group *group = map_get(&discovery->groups, str_of(api_version));
    if (group)
        return group;
    group = mem_zalloc(sizeof *group);
    if (group == NULL)
        return NULL;
    list_init(&group->lookups);
    group->discovery = discovery;
    group->api_version = mem_strdup(api_version);
    if (group->api_version && map_set(&discovery->groups, str_of(api_version), group, NULL) == 0)
        return group;
    free_group(group);
    return NULL;
}

struct discovery_lookup *discovery_resolve(
    struct discovery *discovery, const char *api_version, const char *kind,
    void (*done)(void *context, const struct kube_resource *resource, const struct error *err),
    void *context) {
    const struct kube_resource *known = discovery_peek(discovery, api_version, kind);
    if (known) {
        done(context, known, NULL);
        return NULL;
    }
    struct error err;
    struct group *group = group_of(discovery, api_version);
    struct discovery_lookup *lookup = mem_zalloc(sizeof *lookup);
    if (lookup) {
        *lookup =
            (struct discovery_lookup){.kind = mem_strdup(kind), .done = done, .context = context};
        list_init(&lookup->link);
    }
    if (group == NULL || lookup == NULL || lookup->kind == NULL)
        error_set(&err, ERROR_NOMEM, "no memory for discovery");
    else if (group->call || fetch(group, &err) == 0) {
        list_append(&group->lookups, &lookup->link);
        return lookup;
    }
    if (lookup)
        free_lookup(lookup);
    done(context, NULL, &err);
    return NULL;
}

void discovery_cancel(struct discovery_lookup *lookup) {
    if (lookup)
        free_lookup(lookup);
}

void discovery_forget(struct discovery *discovery, const char *api_version) {
    struct group *group = map_get(&discovery->groups, str_of(api_version));
    if (group == NULL)
        return;
    map_finish(&group->kinds);
    group->kinds = (struct map){0};
    if (group->call == NULL)
        return;
    kube_call_cancel(group->call); /* its answer may be older than what changed */
    group->call = NULL;
    struct error err;
    struct list now = group->lookups;
    if (list_empty(&group->lookups) || fetch(group, &err) == 0)
        return;
    now.next->prev = now.prev->next = &now;
    list_init(&group->lookups);
    while (!list_empty(&now))
        answer_lookup(group, CONTAINER_OF(now.next, struct discovery_lookup, link), &err);
}

void kube_resource_path(struct strbuf *buf, const struct kube_resource *resource, const char *ns,
                        const char *name, const char *subresource) {
    strbuf_adds(buf, *resource->group ? "/apis/" : "/api/");
    if (*resource->group) {
        kube_escape(buf, str_of(resource->group));
        strbuf_addc(buf, '/');
    }
    kube_escape(buf, str_of(resource->version));
    if (ns && *ns && resource->namespaced) {
        strbuf_adds(buf, "/namespaces/");
        kube_escape(buf, str_of(ns));
    }
    strbuf_addc(buf, '/');
    kube_escape(buf, str_of(resource->plural));
    const char *const more[] = {name, subresource};
    for (size_t i = 0; i < 2; i++) {
        if (more[i] == NULL)
            continue;
        strbuf_addc(buf, '/');
        if (i == 0)
            kube_escape(buf, str_of(more[i]));
        else
            strbuf_adds(buf, more[i]); /* may be "proxy/path" */
    }
}
