#include "base/mem.h"
#include "runtime/registrar_internal.h"
#include "runtime/reload.h"

#define ADMISSION "/apis/admissionregistration.k8s.io/v1/"

const char *registrar_collection(enum object_type type) {
    static const char *const collections[OBJECT_TYPES] = {
        ADMISSION "mutatingwebhookconfigurations", ADMISSION "validatingwebhookconfigurations",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"};
    return collections[type];
}

void registrar_free_object(struct registered *object) {
    mem_free(object->applied);
    mem_free(object->wanted);
    mem_free(object->foreign);
    mem_free(object->complaint);
    mem_free(object);
}

struct registered *registrar_object(struct registrar *registrar, enum object_type type,
                                    const char *name, struct error *err) {
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", registrar_collection(type), name);
    struct registered *object = path ? map_get(&registrar->objects, str_of(path)) : NULL;
    if (object || path == NULL)
        goto out;
    object = mem_zalloc(sizeof *object);
    if (object && map_set(&registrar->objects, str_of(path), object, NULL) < 0) {
        mem_free(object);
        object = NULL;
    }
    if (object)
        object->type = type;
out:
    if (object == NULL)
        error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    return object;
}

/* What should be there */

static int want(struct registrar *registrar, enum object_type type, const char *name,
                struct strbuf *body, struct error *err) {
    struct registered *object = registrar_object(registrar, type, name, err);
    char *text = strbuf_take(body);
    if (object == NULL || text == NULL) {
        mem_free(text);
        return error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    }
    mem_free(object->wanted);
    object->wanted = text;
    return 0;
}

static int want_configurations(struct registrar *registrar, const struct declaration *declaration,
                               const struct definition *definition, struct error *err) {
    CLEANUP(mem_freep) char *name = registration_name(definition);
    int rc = name ? 0 : error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    for (enum object_type type = MUTATING; rc == 0 && type <= VALIDATING; type++) {
        struct strbuf body = {0};
        rc = registrar->options.mode == REGISTRAR_CHECK
                 ? registration_write_bundle(definition, type == VALIDATING,
                                             registrar->options.endpoint, &body, err)
                 : registration_write(declaration, definition, type == VALIDATING,
                                      registrar->options.endpoint, &body, err);
        if (rc > 0)
            rc = want(registrar, type, name, &body, err);
        strbuf_finish(&body);
    }
    return rc;
}

static int want_conversion(struct registrar *registrar, const struct definition *definition,
                           struct error *err) {
    struct strbuf body = {0};
    CLEANUP(mem_freep) char *path = mem_printf("/convert/%s", definition->crd);
    strbuf_adds(&body, "{\"spec\":{\"conversion\":{\"webhook\":{\"clientConfig\":");
    int rc = path ? registration_client_config(registrar->options.endpoint, path, &body)
                  : error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    strbuf_adds(&body, "}}}}");
    if (rc == 0)
        rc = want(registrar, CRD, definition->crd, &body, err);
    strbuf_finish(&body);
    return rc;
}

static int want_program(struct registrar *registrar, const struct program *program,
                        struct error *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < program->count; i++) {
        const struct definition *definition = program->editions[i].definition;
        if (definition->webhook_count > 0)
            rc = want_configurations(registrar, program->declaration, definition, err);
        if (rc == 0 && definition->type == DEFINITION_CONVERSION)
            rc = want_conversion(registrar, definition, err);
    }
    return rc;
}

int registrar_compute(struct registrar *registrar, struct error *err) {
    size_t at = 0;
    int rc = 0;
    struct list *link, *next;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));) {
        struct registered *object = entry->value;
        mem_free(object->wanted);
        object->wanted = NULL;
    }
    if (registrar->withdrawing)
        return 0;
    LIST_EACH(link, next, &registrar->options.host->reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->live && rc == 0)
            rc = want_program(registrar, slot->live, err);
    }
    return rc;
}

/* What is to be done */

/* May what nobody wants be removed? Not before each file is known. */
static bool may_remove(const struct registrar *registrar) {
    return registrar->withdrawing || reload_known(registrar->options.host->reload);
}

/* Somebody else's configuration is left alone, and that is said. */
static bool is_foreign(struct registrar *registrar, const char *path, struct registered *object) {
    if (object->foreign == NULL)
        return false;
    if (object->wanted && !object->complained)
        log_error(registrar->options.host->log,
                  "%s belongs to another installation of moonlet (%s: %s); remove it, or give the "
                  "webhook another name",
                  registrar_name(path), REGISTRATION_INSTANCE, object->foreign);
    object->complained |= object->wanted != NULL;
    return true;
}

static bool is_due(struct registrar *registrar, const char *path, struct registered *object) {
    if (object->failed || is_foreign(registrar, path, object))
        return false;
    if (object->wanted &&
        (object->applied == NULL || strcmp(object->applied, object->wanted) != 0)) {
        object->stale = false; /* news */
        return true;
    }
    if (object->wanted)
        return object->stale;
    if (object->type == CRD) /* never removed, and its converter stays */
        return false;
    return registrar->options.mode == REGISTRAR_APPLY && may_remove(registrar);
}

struct map_entry *registrar_find_due(struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        if (is_due(registrar, entry->key, entry->value))
            return entry;
    return NULL;
}

bool registrar_any_failed(const struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        if (((struct registered *)entry->value)->failed)
            return true;
    return false;
}

bool registrar_has_converters(const struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        if (((struct registered *)entry->value)->type == CRD)
            return true;
    return false;
}
