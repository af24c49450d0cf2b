#include "runtime/names.h"

#include <string.h>

#include "runtime/reload.h"

static int check_against(const struct program *program, const struct program *other,
                         struct error *err) {
    const struct declaration *mine = program->declaration, *theirs = other->declaration;
    for (size_t i = 0; i < mine->count; i++)
        for (size_t k = 0; k < theirs->count; k++)
            if (strcmp(mine->definitions[i].name, theirs->definitions[k].name) == 0)
                return error_set(err, ERROR_EXISTS,
                                 "%s: the name \"%s\" is taken by %s; names are unique over all "
                                 "files",
                                 mine->definitions[i].source, mine->definitions[i].name,
                                 theirs->definitions[k].source);
    for (size_t i = 0; i < mine->crd_count; i++)
        for (size_t k = 0; k < theirs->crd_count; k++)
            if (strcmp(mine->crds[i].name, theirs->crds[k].name) == 0 &&
                strcmp(mine->crds[i].json, theirs->crds[k].json) != 0)
                return error_set(err, ERROR_EXISTS,
                                 "%s declares the CRD %s differently from %s; declare it in one "
                                 "file and name the kind in the other",
                                 program->source->name, mine->crds[i].name, other->source->name);
    return 0;
}

int names_check(const struct program *program, struct error *err) {
    struct list *link, *next;
    LIST_EACH(link, next, &program->host->reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot == program->context)
            continue;
        if (slot->live && check_against(program, slot->live, err) < 0)
            return err->code;
        if (slot->next && slot->next->declaration && check_against(program, slot->next, err) < 0)
            return err->code;
    }
    return 0;
}
