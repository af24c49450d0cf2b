#include "apiserver/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static bool fails(const struct journal_calls *calls) {
    struct disk *disk = (struct disk *)calls;
    if (disk->left < 0 || disk->left-- > 0)
        return false;
    disk->left = disk->forever ? 0 : -1;
    disk->failed = true;
    errno = ENOSPC;
    return true;
}

static ssize_t disk_write(const struct journal_calls *calls, int fd, const void *data, size_t len,
                          off_t at) {
    const struct disk *disk = (const struct disk *)calls;
    if (!fails(calls))
        return pwrite(fd, data, len, at);
    if (disk->half)
        assert_int_equal(pwrite(fd, data, len / 2, at), len / 2);
    errno = ENOSPC;
    return -1;
}

static int disk_sync(const struct journal_calls *calls, int fd) {
    (void)fd; /* the machine does not stop */
    return fails(calls) ? -1 : 0;
}

static int disk_truncate(const struct journal_calls *calls, int fd, off_t len) {
    return fails(calls) ? -1 : ftruncate(fd, len);
}

static int disk_rename(const struct journal_calls *calls, int folder, const char *from,
                       const char *to) {
    return fails(calls) ? -1 : renameat(folder, from, folder, to);
}

void disk_init(struct disk *disk) {
    *disk = (struct disk){.calls = {.write = disk_write,
                                    .sync = disk_sync,
                                    .truncate = disk_truncate,
                                    .rename = disk_rename},
                          .left = -1};
}

char *folder_create(void) {
    const char *above = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char *folder = mem_printf("%s/moonlet-journal-XXXXXX", above);
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    return folder;
}

void folder_remove(const char *folder) {
    static const char *const files[] = {"journal", "journal.new", "lock", "token.key"};
    char path[256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

char *folder_file(const char *folder) {
    return mem_printf("%s/journal", folder);
}

void file_write(const char *path, struct str bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

void file_read(const char *path, struct strbuf *bytes) {
    FILE *file = fopen(path, "rb");
    char part[4096];
    size_t len;
    assert_non_null(file);
    strbuf_clear(bytes);
    while ((len = fread(part, 1, sizeof part, file)) > 0)
        strbuf_add(bytes, part, len);
    fclose(file);
}

static int keep_line(void *context, const char *line, size_t len) {
    strbuf_add(context, line, len);
    return 0;
}

static void name_of(void *context, unsigned resource, char text[]) {
    const struct kept *kept = context;
    bool first = (resource == 1) != kept->swaps_ids;
    strcpy(text, first ? "/pods" : "apps/deployments");
}

int kept_open(struct kept *kept, const char *folder, struct error *err) {
    kept->log = (struct log){
        .clock = clock_real(), .level = LOG_INFO, .write = keep_line, .context = &kept->lines};
    if (kept->disk.calls.write == NULL)
        disk_init(&kept->disk);
    struct journal_options options = {
        .folder = folder, .log = &kept->log, .slack = kept->slack, .calls = &kept->disk.calls};
    kept->journal = journal_open(&options, err);
    kept->dag = kept->journal ? dag_create(NULL, err) : NULL;
    if (kept->dag == NULL)
        return err->code;
    kept->storage = storage_create(
        &(struct storage_options){
            .dag = kept->dag, .journal = kept->journal, .name = name_of, .context = kept},
        err);
    return kept->storage ? 0 : err->code;
}

void kept_close(struct kept *kept) {
    storage_destroy(kept->storage);
    if (kept->dag)
        assert_int_equal(dag_stats(kept->dag).nodes, 0);
    dag_destroy(kept->dag);
    journal_close(kept->journal);
    strbuf_finish(&kept->lines);
    kept->storage = NULL;
    kept->dag = NULL;
    kept->journal = NULL;
}

static struct storage_key key_of(unsigned resource, const char *name) {
    return (struct storage_key){.resource = resource, .ns = str_of("a"), .name = str_of(name)};
}

int kept_put(struct kept *kept, unsigned resource, const char *name, int value, struct error *err) {
    char json[128];
    struct storage_key key = key_of(resource, name);
    snprintf(json, sizeof json, "{\"name\":\"%s\",\"value\":%d}", name, value);
    return storage_put(kept->storage, &key, str_of(json), err);
}

int kept_delete(struct kept *kept, unsigned resource, const char *name, struct error *err) {
    struct storage_key key = key_of(resource, name);
    return storage_delete(kept->storage, &key, str_of("{\"deleted\":true}"), err);
}

struct telling {
    const struct dag *dag;
    struct strbuf text;
};

static bool tell(void *context, const struct storage_item *item) {
    struct telling *telling = context;
    int64_t value = -1;
    node_int(telling->dag, node_get(telling->dag, item->node, str_of("value")), &value);
    strbuf_printf(&telling->text, "%u/%.*s=%d@%llu ", item->key.resource, STR_ARG(item->key.name),
                  (int)value, (unsigned long long)item->revision);
    return true;
}

char *kept_tell_at(struct kept *kept, uint64_t revision) {
    struct telling telling = {.dag = kept->dag};
    struct error err;
    int rc = 0;
    strbuf_printf(&telling.text, "%llu: ", (unsigned long long)revision);
    for (unsigned resource = 1; rc == 0 && resource <= 2; resource++)
        rc = storage_list(kept->storage, resource, (struct str){0}, NULL, revision, tell, &telling,
                          &err);
    if (rc < 0) {
        assert_int_equal(rc, ERROR_GONE);
        strbuf_finish(&telling.text);
        return NULL;
    }
    return strbuf_take(&telling.text);
}

char *kept_tell(struct kept *kept) {
    return kept_tell_at(kept, storage_revision(kept->storage));
}
