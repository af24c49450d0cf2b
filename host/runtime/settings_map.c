#include "runtime/settings_map.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct settings_map {
    struct host *host;
    char *ns, *name, *base, *field;
    const char *namespaces[2];
    struct informer *informer;
    struct informer_handler handler;
    struct loop_timer soon;
    char *last; /* what was told last */
    void (*changed)(void *context, const char *json);
    void *context;
};

/* "80", "true", "1.5", "[1]" as such; anything else is a string. */
static json_t *read_value(struct str text) {
    json_t *value = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
    return value ? value : json_stringn(text.data, text.len);
}

static void lay_over(json_t *root, struct str key, struct str text) {
    const char *dot = memchr(key.data, '.', key.len);
    if (dot == NULL || dot == key.data || dot + 1 == key.data + key.len)
        return;
    CLEANUP(mem_freep) char *definition = mem_strndup(key.data, (size_t)(dot - key.data));
    CLEANUP(mem_freep)
    char *name = mem_strndup(dot + 1, key.len - (size_t)(dot + 1 - key.data));
    if (definition == NULL || name == NULL)
        return;
    if (!json_is_object(json_object_get(root, definition)))
        json_object_set_new(root, definition, json_object());
    json_object_set_new(json_object_get(root, definition), name, read_value(text));
}

static void tell(struct loop_timer *timer) {
    struct settings_map *map = CONTAINER_OF(timer, struct settings_map, soon);
    const struct object *object =
        store_get(informer_store(map->informer), str_of(map->ns), str_of(map->name));
    json_t *root = map->base ? json_loads(map->base, 0, NULL) : json_object();
    if (object) {
        node_t data = node_get(object->dag, object->root, str_of("data"));
        for (size_t i = 0; root && i < node_count(object->dag, data); i++)
            lay_over(root, node_key_at(object->dag, data, i),
                     node_text(object->dag, node_at(object->dag, data, i)));
    } else {
        log_warn(map->host->log, "ConfigMap %s/%s is not there; its values are not set", map->ns,
                 map->name);
    }
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(root);
    if (text && (map->last == NULL || strcmp(text, map->last) != 0)) {
        mem_free(map->last);
        map->last = mem_strdup(text);
        map->changed(map->context, text);
    }
    free(text);
}

static void on_delta(struct informer_handler *handler, const struct store_delta *delta) {
    struct settings_map *map = CONTAINER_OF(handler, struct settings_map, handler);
    (void)delta;
    if (informer_state(map->informer) == INFORMER_SYNCED)
        loop_timer_start(&map->soon, 0);
}

static void on_state(struct informer_handler *handler, enum informer_state state) {
    struct settings_map *map = CONTAINER_OF(handler, struct settings_map, handler);
    if (state == INFORMER_SYNCED)
        loop_timer_start(&map->soon, 0);
    else if (state == INFORMER_WAITING)
        log_warn(map->host->log, "ConfigMap %s/%s: %s", map->ns, map->name,
                 informer_error(map->informer)->message);
}

struct settings_map *settings_map_start(struct host *host, const char *ns_name, const char *base,
                                        void (*changed)(void *context, const char *json),
                                        void *context, struct error *err) {
    const char *slash = strchr(ns_name, '/');
    if (slash == NULL || slash == ns_name || slash[1] == '\0') {
        error_set(err, ERROR_INVALID, "--config-map \"%s\": written namespace/name", ns_name);
        return NULL;
    }
    struct settings_map *map = mem_zalloc(sizeof *map);
    if (map == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for --config-map");
        return NULL;
    }
    *map = (struct settings_map){.host = host, .changed = changed, .context = context};
    loop_timer_init(host->loop, &map->soon, tell);
    map->handler = (struct informer_handler){.on_delta = on_delta, .on_state = on_state};
    map->ns = mem_strndup(ns_name, (size_t)(slash - ns_name));
    map->name = mem_strdup(slash + 1);
    map->field = mem_printf("metadata.name=%s", slash + 1);
    map->base = mem_strdup(base);
    map->namespaces[0] = map->ns;
    struct informer_key key = {.api_version = "v1",
                               .kind = "ConfigMap",
                               .namespaces = map->namespaces,
                               .field_selector = map->field};
    if (map->ns == NULL || map->name == NULL || map->field == NULL || (base && map->base == NULL))
        error_set(err, ERROR_NOMEM, "no memory for --config-map");
    else
        map->informer = informer_acquire(host->informers, &key, err);
    if (map->informer == NULL) {
        settings_map_stop(map);
        return NULL;
    }
    informer_add_handler(map->informer, &map->handler, /* replay= */ false);
    if (informer_state(map->informer) == INFORMER_SYNCED)
        loop_timer_start(&map->soon, 0);
    return map;
}

void settings_map_stop(struct settings_map *map) {
    if (map == NULL)
        return;
    if (map->informer)
        informer_remove_handler(&map->handler);
    informer_release(map->informer);
    loop_timer_stop(&map->soon);
    mem_free(map->ns);
    mem_free(map->name);
    mem_free(map->field);
    mem_free(map->base);
    mem_free(map->last);
    mem_free(map);
}
