#ifndef MOONLET_RUNTIME_SOURCE_INTERNAL_H
#define MOONLET_RUNTIME_SOURCE_INTERNAL_H

#include <dirent.h>

#include "runtime/source.h"

/* For source*.c alone. */

/* One reference, and no files yet. NULL: NOMEM. */
struct script_source *source_new(struct str name, struct error *err);
/* All files are there. Gives `source` back with its hash; NULL: INVALID, the entry says nothing,
 * and the reference is gone. */
struct script_source *source_seal(struct script_source *source, struct error *err);

/* May a file of that name be a controller or a module? */
bool source_is_lua(const char *name);
/* How many names there are, hidden ones left out, sorted, in *ret: libc's, each entry and the list
 * to free(). < 0: as source_read(). */
int source_list(const char *folder, struct dirent ***ret, struct error *err);

#endif
