#include <string.h>

#include "addon/declaration.h"

/* What a definition may read and write, by what it declares. */

static bool listed(const struct kind_match *matches, size_t count, const char *kind) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(matches[i].kind, kind) == 0)
            return true;
    return false;
}

static bool is_primary(const struct definition *d, const char *kind) {
    return d->has_resource && strcmp(d->resource.kind, kind) == 0;
}

bool definition_owns(const struct definition *d, const char *kind) {
    return listed(d->owns, d->owns_count, kind);
}

bool definition_may_read(const struct definition *d, const char *kind, struct error *err) {
    if (is_primary(d, kind) || definition_owns(d, kind) ||
        listed(d->watches, d->watches_count, kind) || listed(d->reads, d->reads_count, kind))
        return true;
    error_set(err, ERROR_FORBIDDEN,
              "\"%s\" (%s) does not declare that it reads %s; add reads = { \"%s\" }", d->name,
              d->source, kind, kind);
    return false;
}

static bool has_verb(const struct kind_write *write, const char *verb) {
    if (write->verbs == NULL)
        return true;
    for (char **one = write->verbs; *one; one++)
        if (strcmp(*one, verb) == 0)
            return true;
    /* An update is sent as a patch; who may do one may do the other. */
    return strcmp(verb, "update") == 0 && has_verb(write, "patch");
}

bool definition_may_write(const struct definition *d, const char *kind, const char *verb,
                          struct error *err) {
    bool known = false;
    if (definition_owns(d, kind) ||
        (is_primary(d, kind) && strcmp(verb, "create") != 0 && strcmp(verb, "delete") != 0))
        return true;
    for (size_t i = 0; i < d->writes_count; i++) {
        if (strcmp(d->writes[i].kind, kind) != 0)
            continue;
        known = true;
        if (has_verb(&d->writes[i], verb))
            return true;
    }
    if (known)
        error_set(err, ERROR_FORBIDDEN,
                  "\"%s\" (%s) declares writes of %s without the verb \"%s\"; add it to verbs",
                  d->name, d->source, kind, verb);
    else
        error_set(err, ERROR_FORBIDDEN,
                  "\"%s\" (%s) does not declare that it writes %s; add writes = { \"%s\" }",
                  d->name, d->source, kind, kind);
    return false;
}
