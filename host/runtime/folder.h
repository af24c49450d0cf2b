#ifndef MOONLET_RUNTIME_FOLDER_H
#define MOONLET_RUNTIME_FOLDER_H

#include "loop/loop.h"

/*
 * Folder watch: says "look again" soon after something changed in the controllers' folders.
 *
 * Is:      inotify on the folders and what is in them (editors' rename-over, ConfigMap `..data`
 *          swaps, folders that come and go) and on symbolic links on the way to them, debounced:
 *          5 ms quiet, 50 ms at most. Where inotify is not to be had, or not for every folder, a
 *          look every 2 s.
 * Is not:  reading or comparing (runtime/source.h).
 * Threads: core. Yields: never.
 */
struct folder_watch;
/* NULL: NOMEM. `changed` comes in the loop, never from within a call. */
struct folder_watch *folder_watch_create(struct loop *loop, const char *const *folders,
                                         void (*changed)(void *context), void *context,
                                         struct error *err);
void folder_watch_destroy(struct folder_watch *watch); /* NULL is fine */
/* Has to look every 2 s, as the system's limit of inotify watches is reached? NULL: no. */
bool folder_watch_polls(const struct folder_watch *watch);

#endif
