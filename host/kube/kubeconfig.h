#ifndef MOONLET_KUBE_KUBECONFIG_H
#define MOONLET_KUBE_KUBECONFIG_H

#include "base/str.h"
#include "kube/config.h"

/*
 * Kubeconfig files: one context of them, as a kube_config.
 *
 * Is:      parsing, merging (for each name the first file that has it), paths relative to the file
 *          that names them.
 * Is not:  the choice of files (kube/config.h).
 * Threads: any. Yields: never.
 */

/* `paths` is a list as in KUBECONFIG, separated by ':'; files that are missing are skipped.
 * context NULL: current-context. Fills the zeroed *config. 0; NOT_FOUND when there is none of the
 * files; INVALID (file, field) or NOMEM, with *config partly filled. */
int kubeconfig_read(struct kube_config *config, const char *paths, const char *context,
                    struct error *err);

#endif
