#include "apiserver/journal_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { FLUSH_BYTES = 1 << 20 };

uint32_t journal_checksum(const char *data, size_t len) {
    return (uint32_t)crc32_z(0, (const unsigned char *)data, len);
}

int journal_encode(struct strbuf *to, const struct journal_record *record, struct error *err) {
    const struct str texts[] = {record->resource, record->ns, record->name, record->json};
    size_t len = JOURNAL_BODY, count = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len > JOURNAL_MAX_BODY - len)
            return error_set(err, ERROR_REJECTED, "'%.*s' is larger than %d MiB",
                             STR_ARG(record->name), JOURNAL_MAX_BODY >> 20);
        len += texts[i].len;
    }
    size_t padded = (size_t)journal_padded(len);
    char *head = strbuf_reserve(to, JOURNAL_HEAD + padded);
    if (head == NULL)
        return error_set(err, ERROR_NOMEM, "no memory to write '%.*s'", STR_ARG(record->name));
    char *body = head + JOURNAL_HEAD, *at = body + JOURNAL_BODY;
    memset(body, 0, JOURNAL_BODY);
    journal_put64(body, record->revision);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count)
            journal_put32(body + 8 + 4 * i, (uint32_t)texts[i].len);
        if (texts[i].len > 0)
            memcpy(at, texts[i].data, texts[i].len);
        at += texts[i].len;
    }
    memset(at, 0, padded - len);
    journal_put32(head, (uint32_t)len);
    journal_put32(head + 4, journal_checksum(body, padded));
    journal_put32(head + 8, record->type);
    journal_put32(head + 12, journal_checksum(head, 12));
    to->len += JOURNAL_HEAD + padded;
    return 0;
}

/* Ends the attempt. As long as the old file is good, it is no failure of a change, so it is told
 * here.
 */
int journal_renew_cancel(struct journal *journal, struct error *err) {
    if (journal->aside >= 0)
        close(journal->aside);
    journal->aside = -1;
    unlinkat(journal->folder, "journal.new", 0);
    strbuf_finish(&journal->buffer);
    journal->long_at = journal->size + journal->slack; /* not again at once */
    if (!journal->suspect)
        log_warn(journal->log, "the journal is long and could not be written anew: %s",
                 err->message);
    return err->code;
}

static int flush(struct journal *journal, struct error *err) {
    struct str bytes = strbuf_view(&journal->buffer);
    if (journal_write_all(journal, journal->aside, bytes, journal->aside_size, err) < 0)
        return journal_renew_cancel(journal, err);
    journal->aside_size += bytes.len;
    strbuf_clear(&journal->buffer);
    return 0;
}

int journal_renew_begin(struct journal *journal, uint64_t revision, uint64_t objects,
                        struct error *err) {
    char head[JOURNAL_FILE_HEAD] = JOURNAL_MAGIC;
    journal_put32(head + 16, JOURNAL_FORMAT);
    journal_put64(head + 24, revision);
    journal_put64(head + 32, objects);
    journal_put32(head + 44, journal_checksum(head, 44));
    journal->aside = openat(journal->folder, "journal.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                            S_IRUSR | S_IWUSR);
    if (journal->aside < 0) {
        journal_failed(journal, "write anew", err);
        return journal_renew_cancel(journal, err);
    }
    journal->aside_size = 0;
    strbuf_clear(&journal->buffer);
    strbuf_add(&journal->buffer, head, sizeof head);
    if (!journal->buffer.failed)
        return 0;
    error_set(err, ERROR_NOMEM, "no memory to write '%s' anew", journal->path);
    return journal_renew_cancel(journal, err);
}

int journal_renew_add(struct journal *journal, const struct journal_record *record,
                      struct error *err) {
    if (journal_encode(&journal->buffer, record, err) < 0)
        return journal_renew_cancel(journal, err);
    return journal->buffer.len < FLUSH_BYTES ? 0 : flush(journal, err);
}

int journal_renew_end(struct journal *journal, struct error *err) {
    if (flush(journal, err) < 0)
        return err->code;
    if (journal_sync(journal, journal->aside, err) < 0)
        return journal_renew_cancel(journal, err);
    if (journal->calls->rename(journal->calls, journal->folder, "journal.new", "journal") < 0) {
        journal_failed(journal, "replace", err);
        return journal_renew_cancel(journal, err);
    }
    if (journal->file >= 0)
        close(journal->file);
    journal->file = journal->aside;
    journal->aside = -1;
    journal->size = journal->aside_size;
    journal_set_long(journal, journal->size);
    strbuf_finish(&journal->buffer);
    /* Until the folder is on the disk, the old file may come back after a crash. */
    int rc = journal_sync(journal, journal->folder, err);
    journal->suspect = rc < 0;
    return rc;
}
