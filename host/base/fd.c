#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

/* So many that the end of a file is seen without moving what was read. */
static size_t expected(int fd, size_t most) {
    struct stat facts;
    if (fstat(fd, &facts) < 0 || !S_ISREG(facts.st_mode) || (size_t)facts.st_size > most)
        return 4096;
    return (size_t)facts.st_size + 1;
}

int fd_read_all(int fd, size_t most, struct strbuf *out) {
    size_t before = out->len;
    if (strbuf_reserve(out, expected(fd, most)))
        out->data[out->len] = '\0';
    while (strbuf_reserve(out, 1)) {
        ssize_t got = read(fd, out->data + out->len, out->cap - out->len - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -1 : 0;
        out->len += (size_t)got;
        out->data[out->len] = '\0';
        if (out->len - before > most) {
            errno = EFBIG;
            return -1;
        }
    }
    errno = ENOMEM;
    return -1;
}

int fd_read_file(const char *path, size_t most, struct strbuf *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fd_read_all(fd, most, out), why = errno;
    close(fd);
    errno = why;
    return rc;
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
