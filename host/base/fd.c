#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

int fd_write_all(int fd, const void *data, size_t len) {
    for (const char *at = data; len > 0;) {
        ssize_t done = write(fd, at, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        at += done;
        len -= (size_t)done;
    }
    return 0;
}

int fd_replace_file(const char *path, const void *data, size_t len) {
    CLEANUP(mem_freep) char *aside = mem_printf("%s.XXXXXX", path);
    if (aside == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int fd = mkstemp(aside); /* 0600 */
    if (fd < 0)
        return -1;
    int rc = fd_write_all(fd, data, len), why = errno;
    if (close(fd) < 0 && rc == 0)
        rc = -1, why = errno;
    if (rc == 0 && rename(aside, path) < 0)
        rc = -1, why = errno;
    if (rc < 0)
        unlink(aside);
    errno = why;
    return rc;
}
