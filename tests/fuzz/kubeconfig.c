/* Any bytes as a kubeconfig file: an error or a config, never a crash or a leak. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[] = "/tmp/moonlet-fuzz-XXXXXX";
    const char *const env[] = {NULL};
    struct error err;
    int fd = mkstemp(path);
    if (fd < 0)
        return 0;
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    struct kube_config_options options = {.kubeconfig = path, .env = env};
    if (written)
        kube_config_destroy(kube_config_load(&options, &err));
    unlink(path);
    return 0;
}
