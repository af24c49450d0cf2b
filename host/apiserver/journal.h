#ifndef MOONLET_APISERVER_JOURNAL_H
#define MOONLET_APISERVER_JOURNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

/*
 * Journal: a folder that keeps what the storage holds, across the end of the process or the
 * machine.
 *
 * Is:      one file `journal`: all objects as of a revision, then each change after it, with
 *          checksums; a change is on the disk before it is told of. The file is written anew,
 *          aside, when it has become much longer than its objects. What the bytes mean stands in
 *          docs/explanation/storage.md.
 * Is not:  a database: it is read once, at the start. Nor for several processes: `lock` keeps
 *          others out.
 * Threads: core. Yields: never; each append waits for the disk.
 */
struct journal;
struct journal_calls { /* what may fail on a disk; as pwrite, fdatasync, ftruncate, renameat */
    ssize_t (*write)(const struct journal_calls *calls, int fd, const void *data, size_t len,
                     off_t at);
    int (*sync)(const struct journal_calls *calls, int fd);
    int (*truncate)(const struct journal_calls *calls, int fd, off_t len);
    int (*rename)(const struct journal_calls *calls, int folder, const char *from, const char *to);
};
struct journal_options {
    const char *folder;                /* copied; made when it is not there, but not its parents */
    struct log *log;                   /* what was cut off, what could not be done now; or NULL */
    size_t slack;                      /* bytes of changes that are always fine; 0 = 16 MiB */
    const struct journal_calls *calls; /* NULL: the system's */
};
/* NULL: NOMEM, INVALID (no such folder can be made), UNAVAILABLE (the disk, or another process has
 * it). */
struct journal *journal_open(const struct journal_options *options, struct error *err);
void journal_close(struct journal *journal); /* NULL is fine */

enum journal_type { JOURNAL_OBJECT = 1, JOURNAL_PUT, JOURNAL_DELETE };
struct journal_record {
    enum journal_type type;
    uint64_t revision;
    struct str resource, ns, name;
    struct str json; /* of the object; of a deleted one, what is shown of it */
};
/* Once, after opening: `begin` with the revision that the objects are of, then `each` for every
 * object and every change in order; both return 0 or a code. A last record that was never finished
 * is cut off, and logged. 0; what they returned; REJECTED (damaged, or of another format; the
 * message says where); UNAVAILABLE; NOMEM. */
struct journal_reader {
    int (*begin)(void *context, uint64_t revision, struct error *err);
    int (*each)(void *context, const struct journal_record *record, struct error *err);
    void *context;
};
int journal_read(struct journal *journal, const struct journal_reader *reader, struct error *err);

/* After reading. Appends a change and waits until it is on the disk. 0; UNAVAILABLE, REJECTED (too
 * large), NOMEM: then it is as if nothing had been asked, and the next one may go well. */
int journal_append(struct journal *journal, const struct journal_record *record, struct error *err);

/* Is it time to write the file anew? Before the next append, then. */
bool journal_is_long(const struct journal *journal);
/* Must it be, because nobody knows what is on the disk after a failure? Then nothing is appended
 * before. */
bool journal_is_suspect(const struct journal *journal);
/* Writes it anew: begin, each object (type JOURNAL_OBJECT), end; a failure in between ends it. The
 * old file stays until the new one is whole, and when it fails (UNAVAILABLE, NOMEM; logged unless
 * the journal is suspect). */
int journal_renew_begin(struct journal *journal, uint64_t revision, uint64_t objects,
                        struct error *err);
int journal_renew_add(struct journal *journal, const struct journal_record *record,
                      struct error *err);
int journal_renew_cancel(struct journal *journal, struct error *err); /* returns err->code */
int journal_renew_end(struct journal *journal, struct error *err);

#endif
