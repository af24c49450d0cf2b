#ifndef MOONLET_RUNTIME_SOURCE_H
#define MOONLET_RUNTIME_SOURCE_H

#include "base/map.h"
#include "runtime/script_engine.h"

/*
 * Sources: controller files and folders on disk or in memory, as consistent snapshots.
 *
 * Is:      `<dir>/<name>.lua`, or `<dir>/<name>/init.lua` with the modules beside it; symbolic
 *          links are followed within <dir> (a ConfigMap's `..data`), never out of it; `*_test.lua`,
 *          hidden files and editors' leftovers are passed over.
 * Is not:  watching (runtime/folder.h) or compiling.
 * Limits:  1 MiB a file, 256 files a folder, 4 levels of folders.
 * Threads: a snapshot is immutable; its reference count is the core's. Yields: never (small files
 *          on a local disk are read in place).
 */
struct script_source *script_source_ref(struct script_source *source);
void script_source_unref(struct script_source *source); /* NULL is fine */

/* What one scan found. */
struct source_entry {
    struct script_source *source; /* a reference; NULL: could not be read */
    struct error error;           /* why */
};
struct source_set {
    struct map by_name; /* controller name -> struct source_entry *, in the order of the folders */
};

/* Scans the folders (or single files) in order; a name met twice is an error of the later one. A
 * file that cannot be read is an entry with an error. 0; NOT_FOUND or FORBIDDEN: a folder itself
 * cannot be read (the set has the rest); NOMEM. */
int source_scan(const char *const *folders, struct source_set *ret, struct error *err);
void source_set_finish(struct source_set *set);
/* Adds one that was not read from a folder; its own reference. 0, EXISTS, NOMEM. */
int source_set_add(struct source_set *set, struct script_source *source, struct error *err);

/* A snapshot of texts in memory, the entry first; copies them. NULL: INVALID (empty), NOMEM. */
struct script_source *source_create(const char *name, const struct script_file *files, size_t count,
                                    struct error *err);

/* Where the first file that differs does so, "appservice.lua:41"; "" when none does. */
void source_first_change(const struct script_source *old, const struct script_source *now,
                         char *ret, size_t size);

/* Reads one file or folder. Nothing is read that is not, links resolved, in the folder `root`
 * (NULL: the path was named by a person, and may be anywhere). NULL: NOT_FOUND, FORBIDDEN (also:
 * leads out of `root`), INVALID (empty, too large), NOMEM. */
struct script_source *source_read(const char *path, const char *root, struct error *err);

#endif
