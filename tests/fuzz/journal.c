/* Whatever the folder holds, it is read or refused; what was read can be written and read again. As
 * chance finds no checksums, each input is tried a second time with the right ones. */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "apiserver/journal.h"
#include "apiserver/storage.h"

enum { FILE_HEAD = 48, RECORD_HEAD = 16 };

static void check(bool right) {
    if (!right)
        abort();
}

static uint32_t at32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static void put_checksum(uint8_t *to, const uint8_t *of, size_t len) {
    uint32_t value = htole32((uint32_t)crc32_z(0, of, len));
    memcpy(to, &value, sizeof value);
}

static void repair(uint8_t *bytes, size_t size) {
    if (size < FILE_HEAD)
        return;
    put_checksum(bytes + 44, bytes, 44);
    for (size_t at = FILE_HEAD; size - at >= RECORD_HEAD;) {
        size_t len = ((size_t)at32(bytes + at) + 15) / 16 * 16;
        if (len <= size - at - RECORD_HEAD)
            put_checksum(bytes + at + 4, bytes + at + RECORD_HEAD, len);
        put_checksum(bytes + at + 12, bytes + at, 12);
        if (len > size - at - RECORD_HEAD)
            return;
        at += RECORD_HEAD + len;
    }
}

static int sync_nothing(const struct journal_calls *calls, int fd) {
    (void)calls;
    (void)fd;
    return 0;
}
static ssize_t write_file(const struct journal_calls *calls, int fd, const void *data, size_t len,
                          off_t at) {
    (void)calls;
    return pwrite(fd, data, len, at);
}
static int truncate_file(const struct journal_calls *calls, int fd, off_t len) {
    (void)calls;
    return ftruncate(fd, len);
}
static int rename_file(const struct journal_calls *calls, int folder, const char *from,
                       const char *to) {
    (void)calls;
    return renameat(folder, from, folder, to);
}

/* The revision after one more change, or 0 when it was refused. */
static uint64_t use(const char *folder, bool change) {
    static const struct journal_calls calls = {write_file, sync_nothing, truncate_file,
                                               rename_file};
    struct error err;
    uint64_t revision = 0;
    struct dag *dag = dag_create(NULL, &err);
    struct journal *journal = journal_open(
        &(struct journal_options){.folder = folder, .slack = 1, .calls = &calls}, &err);
    check(dag && journal);
    struct storage *storage =
        storage_create(&(struct storage_options){.dag = dag, .journal = journal}, &err);
    if (storage) {
        struct storage_key key = {1, str_of("a"), str_of("x")};
        if (change)
            check(storage_put(storage, &key, str_of("{\"a\":1}"), &err) == 0);
        revision = storage_revision(storage);
    }
    storage_destroy(storage);
    journal_close(journal);
    check(dag_stats(dag).nodes == 0);
    dag_destroy(dag);
    return revision;
}

static void try(const char *folder, const char *path, const uint8_t *data, size_t size) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(file >= 0 && write(file, data, size) == (ssize_t)size);
    close(file);
    uint64_t revision = use(folder, /* change= */ true);
    if (revision > 0)
        check(use(folder, /* change= */ false) == revision);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char folder[64], path[96], lock[96];
    snprintf(folder, sizeof folder, "%s/moonlet-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    check(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/journal", folder);
    snprintf(lock, sizeof lock, "%s/lock", folder);
    try(folder, path, data, size);
    uint8_t *copy = malloc(size + 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    repair(copy, size);
    try(folder, path, copy, size);
    free(copy);
    unlink(path);
    unlink(lock);
    rmdir(folder);
    return 0;
}
