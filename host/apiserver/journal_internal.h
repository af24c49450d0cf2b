#ifndef MOONLET_APISERVER_JOURNAL_INTERNAL_H
#define MOONLET_APISERVER_JOURNAL_INTERNAL_H

#include <endian.h>
#include <string.h>

#include "apiserver/journal.h"

/* The inside of the journal: what a file looks like, and the state of the open one. */

/* The file begins with a head; records follow, each at a multiple of JOURNAL_UNIT, so that a head
 * of a record lies in one sector. Numbers are little-endian. Checksums are CRC-32 (zlib's). */
#define JOURNAL_MAGIC "moonlet journal\n"
enum {
    JOURNAL_FORMAT = 1,
    JOURNAL_UNIT = 16,
    JOURNAL_SECTOR = 512,
    /* magic, u32 format, u32 0, u64 revision, u64 objects, u32 0, u32 checksum of what is before */
    JOURNAL_FILE_HEAD = 48,
    /* u32 length of the body, u32 checksum of body and padding, u32 type, u32 checksum of these */
    JOURNAL_HEAD = 16,
    /* u64 revision, u32 length of resource, ns and name, u32 0; these texts and the JSON follow */
    JOURNAL_BODY = 24,
    JOURNAL_MAX_BODY = 256 << 20
};

static inline void journal_put32(char *to, uint32_t value) {
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}
static inline void journal_put64(char *to, uint64_t value) {
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}
static inline uint32_t journal_get32(const char *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}
static inline uint64_t journal_get64(const char *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}
static inline uint64_t journal_padded(uint64_t len) {
    return (len + JOURNAL_UNIT - 1) / JOURNAL_UNIT * JOURNAL_UNIT;
}
uint32_t journal_checksum(const char *data, size_t len);

struct journal {
    char *path; /* folder/journal, for messages */
    struct log *log;
    const struct journal_calls *calls;
    int folder, lock, file; /* -1 = not open */
    uint64_t size;          /* of `file`, as far as it is whole */
    uint64_t long_at, slack;
    bool suspect;
    struct strbuf buffer; /* what is being written */
    int aside;            /* the new file, or -1 */
    uint64_t aside_size;
};

/* Appends a record as it is in the file. 0, REJECTED, NOMEM. */
int journal_encode(struct strbuf *to, const struct journal_record *record, struct error *err);
/* Writes all of it. 0 or UNAVAILABLE. */
int journal_write_all(struct journal *journal, int fd, struct str bytes, uint64_t at,
                      struct error *err);
int journal_sync(struct journal *journal, int fd, struct error *err);
/* UNAVAILABLE, with errno's sentence: "cannot write 'x/journal': ...". */
int journal_failed(const struct journal *journal, const char *what, struct error *err);
/* After so many bytes of objects. */
void journal_set_long(struct journal *journal, uint64_t objects_end);

#endif
