#include "apiserver/journal_internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { WINDOW_BYTES = 1 << 20 };

struct reading {
    struct journal *journal;
    uint64_t size, at; /* of the file; of the record that is read now */
    char *window;      /* bytes of the file from `from` on */
    size_t len, cap;
    uint64_t from;
    uint64_t objects; /* that are still to come */
    struct error *err;
};

static int damaged(const struct reading *reading, const char *what) {
    return error_set(reading->err, ERROR_REJECTED, "'%s' is damaged at byte %llu: %s",
                     reading->journal->path, (unsigned long long)reading->at, what);
}

static int fill(struct reading *reading, uint64_t at, size_t len) {
    if (mem_grow(&reading->window, &reading->cap, len, 1) < 0)
        return error_set(reading->err, ERROR_NOMEM, "no memory to read '%s'",
                         reading->journal->path);
    reading->from = at;
    reading->len = 0;
    while (reading->len < len) {
        ssize_t done = pread(reading->journal->file, reading->window + reading->len,
                             len - reading->len, (off_t)(at + reading->len));
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0)
            errno = EIO; /* it has become shorter meanwhile */
        if (done <= 0)
            return journal_failed(reading->journal, "read", reading->err);
        reading->len += (size_t)done;
    }
    return 0;
}

/* `len` bytes at `at`, which are within the file; valid until the next call. */
static int bytes_at(struct reading *reading, uint64_t at, size_t len, const char **ret) {
    bool there = at >= reading->from && at + len <= reading->from + reading->len;
    if (!there) {
        uint64_t left = reading->size - at;
        size_t want = len > WINDOW_BYTES ? len : WINDOW_BYTES;
        int rc = fill(reading, at, left < want ? (size_t)left : want);
        if (rc < 0)
            return rc;
    }
    *ret = reading->window + (at - reading->from);
    return 0;
}

static bool head_is_good(const char *head) {
    uint32_t len = journal_get32(head), type = journal_get32(head + 8);
    return journal_get32(head + 12) == journal_checksum(head, 12) && len >= JOURNAL_BODY &&
           len <= JOURNAL_MAX_BODY && type >= JOURNAL_OBJECT && type <= JOURNAL_DELETE;
}

/* Is the part of some sector in [at, end) all zero, as those are that were never written? 1, 0 or a
 * code. */
static int has_empty_sector(struct reading *reading, uint64_t at, uint64_t end) {
    while (at < end) {
        uint64_t next = at / JOURNAL_SECTOR * JOURNAL_SECTOR + JOURNAL_SECTOR;
        size_t len = (size_t)((next < end ? next : end) - at);
        const char *bytes;
        int rc = bytes_at(reading, at, len, &bytes);
        if (rc < 0)
            return rc;
        if (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0)
            return 1;
        at = next;
    }
    return 0;
}

/* Does anything that looks like a record come after the bad one? 1, 0 or a code. */
static int is_followed(struct reading *reading) {
    for (uint64_t at = reading->at + JOURNAL_UNIT; at + JOURNAL_HEAD <= reading->size;
         at += JOURNAL_UNIT) {
        const char *head;
        int rc = bytes_at(reading, at, JOURNAL_HEAD, &head);
        if (rc < 0)
            return rc;
        if (head_is_good(head))
            return 1;
    }
    return 0;
}

/* A head that is none: a machine that stopped may leave a sector of zeros, at the very end. */
static int judge_head(struct reading *reading) {
    uint64_t sector = reading->at / JOURNAL_SECTOR * JOURNAL_SECTOR + JOURNAL_SECTOR;
    int rc =
        has_empty_sector(reading, reading->at, sector < reading->size ? sector : reading->size);
    if (rc == 1) {
        rc = is_followed(reading);
        if (rc == 0)
            return 0;
    }
    return rc < 0 ? rc : damaged(reading, "no record begins there");
}

/* The same of a body whose checksum is wrong. */
static int judge_body(struct reading *reading, uint64_t end) {
    int rc = end == reading->size
                 ? has_empty_sector(reading, reading->at + JOURNAL_HEAD, reading->size)
                 : 0;
    if (rc == 1)
        return 0;
    return rc < 0 ? rc : damaged(reading, "the record's checksum is wrong");
}

static int decode(struct reading *reading, const char *head, struct journal_record *ret) {
    const char *body = head + JOURNAL_HEAD, *at = body + JOURNAL_BODY;
    uint64_t left = journal_get32(head) - JOURNAL_BODY;
    struct str *texts[] = {&ret->resource, &ret->ns, &ret->name};
    ret->type = (enum journal_type)journal_get32(head + 8);
    ret->revision = journal_get64(body);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t len = journal_get32(body + 8 + 4 * i);
        if (len > left)
            return damaged(reading, "the record's texts are longer than it is");
        *texts[i] = str_n(at, len);
        at += len;
        left -= len;
    }
    ret->json = str_n(at, (size_t)left);
    if ((ret->type == JOURNAL_OBJECT) != (reading->objects > 0))
        return damaged(reading, reading->objects > 0 ? "an object is missing"
                                                     : "there is one object too many");
    return 0;
}

/* 1: there was a record, and *ret_end is behind it; 0: the file ends here; or a code. */
static int next_record(struct reading *reading, struct journal_record *ret, uint64_t *ret_end) {
    uint64_t left = reading->size - reading->at;
    const char *head;
    if (left < JOURNAL_HEAD)
        return 0;
    int rc = bytes_at(reading, reading->at, JOURNAL_HEAD, &head);
    if (rc < 0)
        return rc;
    if (!head_is_good(head))
        return judge_head(reading);
    size_t body = (size_t)journal_padded(journal_get32(head));
    uint32_t checksum = journal_get32(head + 4);
    if (left < JOURNAL_HEAD + body)
        return 0;
    *ret_end = reading->at + JOURNAL_HEAD + body;
    rc = bytes_at(reading, reading->at, JOURNAL_HEAD + body, &head);
    if (rc < 0)
        return rc;
    if (checksum != journal_checksum(head + JOURNAL_HEAD, body))
        return judge_body(reading, *ret_end);
    rc = decode(reading, head, ret);
    return rc < 0 ? rc : 1;
}

static int read_head(struct reading *reading, uint64_t *ret_revision) {
    const char *head;
    if (reading->size < JOURNAL_FILE_HEAD)
        return damaged(reading, "its head is not whole");
    int rc = bytes_at(reading, 0, JOURNAL_FILE_HEAD, &head);
    if (rc < 0)
        return rc;
    if (memcmp(head, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC)) != 0)
        return damaged(reading, "it is no journal");
    if (journal_get32(head + 44) != journal_checksum(head, 44))
        return damaged(reading, "the head's checksum is wrong");
    uint32_t format = journal_get32(head + 16);
    if (format != JOURNAL_FORMAT)
        return error_set(reading->err, ERROR_REJECTED,
                         "'%s' has format %u; this version of moonlet reads format %d",
                         reading->journal->path, format, JOURNAL_FORMAT);
    *ret_revision = journal_get64(head + 24);
    reading->objects = journal_get64(head + 32);
    reading->at = JOURNAL_FILE_HEAD;
    return 0;
}

static int read_records(struct reading *reading, const struct journal_reader *reader) {
    struct journal *journal = reading->journal;
    struct journal_record record;
    uint64_t end = 0;
    int rc;
    journal_set_long(journal, reading->at);
    while ((rc = next_record(reading, &record, &end)) == 1) {
        if (reader->each(reader->context, &record, reading->err) < 0)
            return error_prefix(reading->err, "'%s', byte %llu", journal->path,
                                (unsigned long long)reading->at);
        reading->at = end;
        if (record.type == JOURNAL_OBJECT) {
            reading->objects--;
            journal_set_long(journal, end);
        }
    }
    if (rc == 0 && reading->objects > 0)
        return damaged(reading, "an object is missing");
    return rc;
}

/* What was never finished was never told of. What was, perhaps only to the kernel, may be shown
 * from now on and so must be on the disk. */
static int cut_and_sync(struct reading *reading) {
    struct journal *journal = reading->journal;
    journal->size = reading->at;
    if (reading->at < reading->size) {
        log_warn(journal->log,
                 "the last record of '%s' was not finished: cut off at byte %llu of %llu",
                 journal->path, (unsigned long long)reading->at, (unsigned long long)reading->size);
        if (journal->calls->truncate(journal->calls, journal->file, (off_t)reading->at) < 0)
            return journal_failed(journal, "truncate", reading->err);
    }
    return journal_sync(journal, journal->file, reading->err);
}

int journal_read(struct journal *journal, const struct journal_reader *reader, struct error *err) {
    struct reading reading = {.journal = journal, .err = err};
    struct stat stat;
    uint64_t revision = 0;
    if (fstat(journal->file, &stat) < 0)
        return journal_failed(journal, "read", err);
    reading.size = (uint64_t)stat.st_size;
    int rc = read_head(&reading, &revision);
    if (rc == 0)
        rc = reader->begin(reader->context, revision, err);
    if (rc == 0)
        rc = read_records(&reading, reader);
    if (rc == 0)
        rc = cut_and_sync(&reading);
    mem_free(reading.window);
    return rc;
}
