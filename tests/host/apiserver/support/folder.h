#ifndef MOONLET_TESTS_APISERVER_FOLDER_H
#define MOONLET_TESTS_APISERVER_FOLDER_H

#include "apiserver/journal.h"
#include "apiserver/storage.h"

/*
 * A storage that lasts, in a folder of the test's own; and a disk that fails when told.
 */
struct disk {
    struct journal_calls calls;
    long left;            /* calls that still go well; below 0 = all do */
    bool forever, failed; /* from then on; one has failed */
    bool half;            /* a write that fails leaves half of its bytes */
};
void disk_init(struct disk *disk); /* fails nothing */

struct kept {
    struct dag *dag;
    struct journal *journal;
    struct storage *storage;
    struct strbuf lines; /* of the log */
    struct log log;
    struct disk disk;
    size_t slack;
    bool swaps_ids; /* resources 1 and 2 are numbered the other way round */
};
/* A new folder below the system's; the text is the caller's to mem_free(). */
char *folder_create(void);
void folder_remove(const char *folder); /* with what a server leaves there */
char *folder_file(const char *folder);  /* of its journal */
void file_write(const char *path, struct str bytes);
void file_read(const char *path, struct strbuf *bytes);

/* 0 or a code, also when it fails to be closed with kept_close(). */
int kept_open(struct kept *kept, const char *folder, struct error *err);
void kept_close(struct kept *kept);

/* resources 1 and 2; the name says which */
int kept_put(struct kept *kept, unsigned resource, const char *name, int value, struct error *err);
int kept_delete(struct kept *kept, unsigned resource, const char *name, struct error *err);
/* "5: 1/x=7@2 2/y=8@5 ": the revision, then all objects. The text is the caller's. */
char *kept_tell(struct kept *kept);
/* The same as of a revision; NULL: it is GONE. */
char *kept_tell_at(struct kept *kept, uint64_t revision);

#endif
