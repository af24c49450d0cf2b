#include "apiserver/journal_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { DEFAULT_SLACK = 16 << 20, LONG_FACTOR = 3, KEPT_BUFFER = 4 << 20, FIRST_REVISION = 1 };

static ssize_t system_write(const struct journal_calls *calls, int fd, const void *data, size_t len,
                            off_t at) {
    (void)calls;
    return pwrite(fd, data, len, at);
}

static int system_sync(const struct journal_calls *calls, int fd) {
    (void)calls;
    return fdatasync(fd);
}

static int system_truncate(const struct journal_calls *calls, int fd, off_t len) {
    (void)calls;
    return ftruncate(fd, len);
}

static int system_rename(const struct journal_calls *calls, int folder, const char *from,
                         const char *to) {
    (void)calls;
    return renameat(folder, from, folder, to);
}

static const struct journal_calls system_calls = {
    .write = system_write,
    .sync = system_sync,
    .truncate = system_truncate,
    .rename = system_rename,
};

int journal_failed(const struct journal *journal, const char *what, struct error *err) {
    return error_set(err, ERROR_UNAVAILABLE, "cannot %s '%s': %s", what, journal->path,
                     strerror(errno));
}

int journal_sync(struct journal *journal, int fd, struct error *err) {
    return journal->calls->sync(journal->calls, fd) < 0 ? journal_failed(journal, "sync", err) : 0;
}

int journal_write_all(struct journal *journal, int fd, struct str bytes, uint64_t at,
                      struct error *err) {
    while (bytes.len > 0) {
        ssize_t done = journal->calls->write(journal->calls, fd, bytes.data, bytes.len, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return journal_failed(journal, "write", err);
        bytes = str_n(bytes.data + done, bytes.len - (size_t)done);
        at += (uint64_t)done;
    }
    return 0;
}

void journal_set_long(struct journal *journal, uint64_t objects_end) {
    journal->long_at = objects_end * LONG_FACTOR + journal->slack;
}

/* --- opening --------------------------------------------------------------------------------- */

/* The folder lasts, too, when its parent knows of it. */
static int open_folder(struct journal *journal, const char *path, struct error *err) {
    bool made = mkdir(path, S_IRWXU) == 0;
    journal->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->folder < 0)
        return error_set(err, ERROR_INVALID, "cannot open the folder '%s': %s", path,
                         strerror(errno));
    if (!made)
        return 0;
    int parent = openat(journal->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return journal_failed(journal, "sync the folder above", err);
    int rc = journal_sync(journal, parent, err);
    close(parent);
    return rc;
}

/* The kernel lets go of the lock when the process is gone, however it ended. */
static int lock_folder(struct journal *journal, struct error *err) {
    char holder[32] = "";
    journal->lock =
        openat(journal->folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (journal->lock < 0)
        return journal_failed(journal, "lock", err);
    if (flock(journal->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return journal_failed(journal, "lock", err);
        ssize_t len = pread(journal->lock, holder, sizeof holder - 1, 0);
        return error_set(err, ERROR_UNAVAILABLE, "'%s' is in use by %s%s", journal->path,
                         len > 0 ? "process " : "another process", holder);
    }
    /* Who has it is for people only: on a full disk, nothing stands there. */
    if (ftruncate(journal->lock, 0) == 0)
        dprintf(journal->lock, "%ld", (long)getpid());
    return 0;
}

static int open_file(struct journal *journal, struct error *err) {
    unlinkat(journal->folder, "journal.new", 0); /* of a process that ended in the middle */
    journal->file = openat(journal->folder, "journal", O_RDWR | O_CLOEXEC);
    if (journal->file >= 0)
        return 0;
    if (errno != ENOENT)
        return journal_failed(journal, "open", err);
    journal->suspect = true; /* a failure is said, not logged */
    int rc = journal_renew_begin(journal, FIRST_REVISION, /* objects= */ 0, err);
    return rc < 0 ? rc : journal_renew_end(journal, err);
}

struct journal *journal_open(const struct journal_options *options, struct error *err) {
    struct journal *journal = mem_zalloc(sizeof *journal);
    if (journal)
        journal->folder = journal->lock = journal->file = journal->aside = -1;
    if (journal == NULL || (journal->path = mem_printf("%s/journal", options->folder)) == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the journal '%s'", options->folder);
        goto failed;
    }
    journal->log = options->log;
    journal->calls = options->calls ? options->calls : &system_calls;
    journal->slack = options->slack ? options->slack : DEFAULT_SLACK;
    if (open_folder(journal, options->folder, err) == 0 && lock_folder(journal, err) == 0 &&
        open_file(journal, err) == 0)
        return journal;
failed:
    journal_close(journal);
    return NULL;
}

void journal_close(struct journal *journal) {
    if (journal == NULL)
        return;
    int files[] = {journal->aside, journal->file, journal->lock, journal->folder};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] >= 0)
            close(files[i]);
    strbuf_finish(&journal->buffer);
    mem_free(journal->path);
    mem_free(journal);
}

/* --- appending ------------------------------------------------------------------------------- */

bool journal_is_long(const struct journal *journal) {
    return journal->size > journal->long_at;
}

bool journal_is_suspect(const struct journal *journal) {
    return journal->suspect;
}

/* What a failed write left is taken back. After a failed sync nobody can say what the disk holds,
 * and a second sync would not try again what the first one lost. */
static void take_back(struct journal *journal, bool synced) {
    bool back = journal->calls->truncate(journal->calls, journal->file, (off_t)journal->size) == 0;
    journal->suspect = !back || !synced;
}

int journal_append(struct journal *journal, const struct journal_record *record,
                   struct error *err) {
    assert(journal->size > 0 && "it was not read");
    if (journal->suspect)
        return error_set(err, ERROR_UNAVAILABLE, "'%s' must be written anew first", journal->path);
    strbuf_clear(&journal->buffer);
    int rc = journal_encode(&journal->buffer, record, err);
    if (rc < 0)
        return rc;
    struct str bytes = strbuf_view(&journal->buffer);
    rc = journal_write_all(journal, journal->file, bytes, journal->size, err);
    bool written = rc == 0;
    if (written)
        rc = journal_sync(journal, journal->file, err);
    if (rc < 0)
        take_back(journal, /* synced= */ !written);
    else
        journal->size += bytes.len;
    if (journal->buffer.cap > KEPT_BUFFER)
        strbuf_finish(&journal->buffer);
    return rc;
}
