#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apiserver/support/folder.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/oom_sweep.h"

enum { FILE_HEAD = 48 };

static void assert_kept(const char *folder, const char *expected) {
    struct kept kept = {0};
    struct error err;
    if (kept_open(&kept, folder, &err) < 0)
        fail_msg("%s", err.message);
    CLEANUP(mem_freep) char *text = kept_tell(&kept);
    assert_string_equal(text, expected);
    kept_close(&kept);
}

static void assert_refused(const char *folder, const char *why) {
    struct kept kept = {0};
    struct error err;
    assert_int_equal(kept_open(&kept, folder, &err), ERROR_REJECTED);
    if (strstr(err.message, why) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, why);
    kept_close(&kept);
}

/* --- restarts -------------------------------------------------------------------------------- */

struct counter {
    struct storage_watcher watcher;
    int calls;
};
static void count(struct storage_watcher *watcher, const struct storage_change *change) {
    struct counter *counter = CONTAINER_OF(watcher, struct counter, watcher);
    (void)change;
    counter->calls++;
}

static void journal_keeps_objects_and_history(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    struct kept kept = {0};
    struct error err;
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "x", 1, &err), 0);
    assert_int_equal(kept_put(&kept, 2, "x", 2, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "y", 3, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "x", 4, &err), 0);
    assert_int_equal(kept_delete(&kept, 1, "y", &err), 0);
    kept_close(&kept);
    assert_kept(folder, "6: 1/x=4@5 2/x=2@3 ");
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    struct counter counter = {.watcher = {.resource = 1, .changed = count}};
    assert_int_equal(storage_watch(kept.storage, &counter.watcher, 3, &err), 0);
    assert_int_equal(counter.calls, 3);
    assert_null(kept.lines.data);
    kept_close(&kept);
    folder_remove(folder);
}

static void journal_knows_resources_by_name(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    struct kept kept = {0};
    struct error err;
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "pod", 1, &err), 0);
    assert_int_equal(kept_put(&kept, 2, "deployment", 2, &err), 0);
    kept_close(&kept);
    kept.swaps_ids = true;
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    CLEANUP(mem_freep) char *text = kept_tell(&kept);
    assert_string_equal(text, "3: 1/deployment=2@3 2/pod=1@2 ");
    assert_int_equal(kept_put(&kept, 2, "pod", 3, &err), 0);
    kept_close(&kept);
    assert_kept(folder, "4: 1/pod=3@4 2/deployment=2@3 ");
    folder_remove(folder);
}

static void journal_long_file_is_written_anew(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    CLEANUP(mem_freep) char *path = folder_file(folder);
    struct kept kept = {.slack = 4096};
    struct strbuf bytes = {0};
    struct error err;
    char name[16];
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "n%d", i % 20);
        assert_int_equal(kept_put(&kept, 1 + i % 2, name, i, &err), 0);
        if (i % 100 == 0) {
            file_read(path, &bytes);
            assert_in_range(bytes.len, FILE_HEAD, 3 * 20 * 112 + 2 * 4096);
        }
    }
    struct counter counter = {.watcher = {.resource = 1, .changed = count}};
    CLEANUP(mem_freep) char *text = kept_tell(&kept);
    kept_close(&kept);
    assert_kept(folder, text);
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_int_equal(storage_watch(kept.storage, &counter.watcher, 2, &err), ERROR_GONE);
    assert_int_equal(storage_watch(kept.storage, &counter.watcher, 1999, &err), 0);
    assert_int_equal(counter.calls, 1); /* 2000 and 2001; only one of them is a pod */
    kept_close(&kept);
    strbuf_finish(&bytes);
    folder_remove(folder);
}

/* What was seen of `revision` before the restart is seen after it, unless the file begins later. */
static int assert_same_past(struct kept *kept, char *const before[], int count, bool all) {
    uint64_t revision = storage_revision(kept->storage);
    int gone = 0;
    for (int back = 0; back < count && (uint64_t)back < revision; back++) {
        CLEANUP(mem_freep) char *text = kept_tell_at(kept, revision - (uint64_t)back);
        if (before[back] == NULL)
            assert_null(text);
        else if (text)
            assert_string_equal(text, before[back]);
        else
            gone++;
        assert_true(!all || gone == 0);
    }
    return gone;
}

static void journal_restart_changes_nothing_that_is_seen(void **state) {
    (void)state;
    enum { PAST = 60, RESTARTS = 40 };
    for (uint64_t seed = 1; seed <= 6; seed++) {
        CLEANUP(mem_freep) char *folder = folder_create();
        bool anew = seed % 2 == 0; /* it is written anew all the time */
        struct kept kept = {.slack = anew ? 2000 : 0};
        struct error err;
        struct rng rng;
        char name[16], *before[PAST] = {0};
        int gone = 0;
        rng_init(&rng, seed);
        for (int restart = 0; restart < RESTARTS; restart++) {
            if (kept_open(&kept, folder, &err) < 0)
                fail_msg("%s", err.message);
            if (restart > 0)
                gone += assert_same_past(&kept, before, PAST, !anew);
            for (uint64_t i = rng_below(&rng, 30); i > 0; i--) {
                unsigned resource = 1 + (unsigned)rng_below(&rng, 2);
                snprintf(name, sizeof name, "n%d", (int)rng_below(&rng, 8));
                int rc = rng_below(&rng, 3) == 0 ? kept_delete(&kept, resource, name, &err)
                                                 : kept_put(&kept, resource, name, (int)i, &err);
                assert_true(rc == 0 || rc == ERROR_NOT_FOUND);
            }
            for (uint64_t back = 0; back < PAST; back++) {
                uint64_t revision = storage_revision(kept.storage);
                mem_free(before[back]);
                before[back] = back < revision ? kept_tell_at(&kept, revision - back) : NULL;
            }
            kept_close(&kept);
        }
        assert_int_equal(gone > 0, anew);
        for (int back = 0; back < PAST; back++)
            mem_free(before[back]);
        folder_remove(folder);
    }
}

static void journal_folder_has_one_process(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    CLEANUP(mem_freep) char *holder = mem_printf("is in use by process %ld", (long)getpid());
    struct kept first = {0}, second = {0};
    struct error err;
    assert_int_equal(kept_open(&first, folder, &err), 0);
    assert_int_equal(kept_open(&second, folder, &err), ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.message, holder));
    kept_close(&second);
    kept_close(&first);
    assert_int_equal(kept_open(&second, folder, &err), 0);
    kept_close(&second);
    assert_int_equal(kept_open(&first, "/nowhere/at/all", &err), ERROR_INVALID);
    kept_close(&first);
    folder_remove(folder);
}

/* --- damage ---------------------------------------------------------------------------------- */

enum { ACKS = 12 };
struct sample {
    char *folder, *path;
    struct strbuf bytes;
    size_t first, end[ACKS + 1]; /* where the changes begin; what the file had after so many */
    char *told[ACKS + 1];
};

/* A file of some objects and then ACKS changes. */
static void sample_make(struct sample *sample, int objects) {
    struct kept kept = {0};
    struct error err;
    char name[16];
    sample->folder = folder_create();
    sample->path = folder_file(sample->folder);
    assert_int_equal(kept_open(&kept, sample->folder, &err), 0);
    for (int i = 0; i < objects; i++) {
        snprintf(name, sizeof name, "object%d", i);
        assert_int_equal(kept_put(&kept, 1, name, i, &err), 0);
    }
    if (objects > 0) { /* a sync fails, so that it is written anew */
        kept.disk.left = 1;
        assert_int_equal(kept_put(&kept, 1, "object0", 0, &err), ERROR_UNAVAILABLE);
    }
    for (int i = 0; i <= ACKS; i++) {
        snprintf(name, sizeof name, "n%d", i % 5);
        if (i > 0)
            assert_int_equal(i % 5 == 4 ? kept_delete(&kept, 2, "n3", &err)
                                        : kept_put(&kept, 2, name, i, &err),
                             0);
        file_read(sample->path, &sample->bytes);
        sample->end[i] = sample->bytes.len;
        sample->told[i] = kept_tell(&kept);
    }
    /* the first change wrote all anew before itself, and is as long as the second */
    sample->first = 2 * sample->end[1] - sample->end[2];
    kept_close(&kept);
}

static void sample_finish(struct sample *sample) {
    folder_remove(sample->folder);
    mem_free(sample->folder);
    mem_free(sample->path);
    for (int i = 0; i <= ACKS; i++)
        mem_free(sample->told[i]);
    strbuf_finish(&sample->bytes);
}

static void cut_everywhere(int objects) {
    struct sample sample = {0};
    sample_make(&sample, objects);
    for (size_t len = 0; len <= sample.bytes.len; len++) {
        file_write(sample.path, str_n(sample.bytes.data, len));
        if (len < sample.first) {
            assert_refused(sample.folder, "is damaged at byte");
            continue;
        }
        int acks = 0;
        while (acks < ACKS && sample.end[acks + 1] <= len)
            acks++;
        struct kept kept = {0};
        struct error err;
        assert_int_equal(kept_open(&kept, sample.folder, &err), 0);
        CLEANUP(mem_freep) char *text = kept_tell(&kept);
        assert_string_equal(text, sample.told[acks]);
        bool whole = len == (acks == 0 ? sample.first : sample.end[acks]);
        assert_int_equal(kept.lines.data == NULL, whole);
        assert_int_equal(kept_put(&kept, 1, "more", 77, &err), 0);
        kept_close(&kept);
        assert_int_equal(kept_open(&kept, sample.folder, &err), 0);
        assert_null(kept.lines.data);
        kept_close(&kept);
    }
    sample_finish(&sample);
}

static void journal_cut_anywhere_has_all_before_it(void **state) {
    (void)state;
    cut_everywhere(0);
    cut_everywhere(3);
}

static void journal_flipped_bit_is_an_error(void **state) {
    (void)state;
    struct sample sample = {0};
    struct strbuf after = {0};
    sample_make(&sample, 3);
    for (size_t at = 0; at < sample.bytes.len; at++) {
        sample.bytes.data[at] ^= (char)(1 << at % 8);
        file_write(sample.path, strbuf_view(&sample.bytes));
        assert_refused(sample.folder, "is damaged at byte");
        file_read(sample.path, &after);
        assert_true(str_equal(strbuf_view(&after), strbuf_view(&sample.bytes)));
        sample.bytes.data[at] ^= (char)(1 << at % 8);
    }
    strbuf_finish(&after);
    sample_finish(&sample);
}

/* A machine that stops may have made the file longer and not have written what belongs there. */
static void journal_sectors_of_zeros_at_the_end_are_cut_off(void **state) {
    (void)state;
    struct sample sample = {0};
    char zeros[2048] = {0};
    sample_make(&sample, 0);
    for (size_t len = 1; len < sizeof zeros; len += 111) {
        strbuf_add(&sample.bytes, zeros, len);
        file_write(sample.path, strbuf_view(&sample.bytes));
        assert_kept(sample.folder, sample.told[ACKS]);
        sample.bytes.len -= len;
    }
    size_t last = sample.end[ACKS - 1], sector = (last + 511) / 512 * 512;
    assert_true(sector < sample.bytes.len || last / 512 == (sample.bytes.len - 1) / 512);
    memset(sample.bytes.data + last, 0, sample.bytes.len - last);
    file_write(sample.path, strbuf_view(&sample.bytes));
    assert_kept(sample.folder, sample.told[ACKS - 1]);
    file_write(sample.path, str_n(sample.bytes.data, sample.end[ACKS - 1]));
    assert_kept(sample.folder, sample.told[ACKS - 1]);
    /* the same in the middle is damage */
    memset(sample.bytes.data + sample.end[3], 0, sample.end[4] - sample.end[3]);
    file_write(sample.path, str_n(sample.bytes.data, sample.end[ACKS - 1]));
    assert_refused(sample.folder, "no record begins there");
    sample_finish(&sample);
}

/* The same within a record that is longer than a sector; but what comes before others was whole. */
static void journal_unwritten_sector_of_the_last_record_is_cut_off(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    CLEANUP(mem_freep) char *path = folder_file(folder);
    struct kept kept = {0};
    struct strbuf before = {0}, bytes = {0}, more = {0};
    struct storage_key key = {.resource = 1, .ns = str_of("a"), .name = str_of("long")};
    struct error err;
    char json[3000], zeros[512] = {0};
    memset(json, ' ', sizeof json);
    json[0] = '{';
    json[sizeof json - 1] = '}';
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "x", 1, &err), 0);
    file_read(path, &before);
    assert_int_equal(storage_put(kept.storage, &key, str_n(json, sizeof json), &err), 0);
    file_read(path, &bytes);
    assert_int_equal(kept_put(&kept, 1, "x", 2, &err), 0);
    file_read(path, &more);
    kept_close(&kept);
    int sectors = 0;
    for (size_t at = before.len, end; at < bytes.len; at = end, sectors++) {
        end = at / 512 * 512 + 512 < bytes.len ? at / 512 * 512 + 512 : bytes.len;
        memcpy(more.data + at, zeros, end - at);
        file_write(path, str_n(more.data, bytes.len));
        assert_kept(folder, "2: 1/x=1@2 ");
        file_write(path, strbuf_view(&more));
        assert_refused(folder, "is damaged at byte");
        memcpy(more.data + at, bytes.data + at, end - at);
    }
    assert_true(sectors > 5);
    strbuf_finish(&before);
    strbuf_finish(&bytes);
    strbuf_finish(&more);
    folder_remove(folder);
}

static void journal_missing_change_is_an_error(void **state) {
    (void)state;
    struct sample sample = {0};
    sample_make(&sample, 0);
    size_t from = sample.end[4], to = sample.end[5];
    memmove(sample.bytes.data + from, sample.bytes.data + to, sample.bytes.len - to);
    file_write(sample.path, str_n(sample.bytes.data, sample.bytes.len - (to - from)));
    assert_refused(sample.folder, "revision 7 follows 5");
    sample_finish(&sample);
}

static void journal_of_another_format_is_refused(void **state) {
    (void)state;
    static const unsigned char next[FILE_HEAD] = {
        'm', 'o', 'o', 'n', 'l', 'e', 't', ' ', 'j', 'o', 'u', 'r', 'n',  'a',  'l',  '\n',
        2,   0,   0,   0,   0,   0,   0,   0,   1,   0,   0,   0,   0,    0,    0,    0,
        0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0x2d, 0x43, 0x1a, 0x8f};
    struct sample sample = {0};
    sample_make(&sample, 0);
    file_write(sample.path, str_n((const char *)next, sizeof next));
    assert_refused(sample.folder, "has format 2; this version of moonlet reads format 1");
    file_write(sample.path, str_of("{\"this\":\"is something else, and long enough for a head\"}"));
    assert_refused(sample.folder, "it is no journal");
    sample_finish(&sample);
}

/* --- a disk that fails ----------------------------------------------------------------------- */

/* Some changes while call number `n` of the disk fails, once or from then on. False: none did. */
static bool change_on_failing_disk(long n, bool forever, bool half) {
    CLEANUP(mem_freep) char *folder = folder_create();
    struct kept kept = {.slack = 1000};
    struct error err;
    char name[16];
    disk_init(&kept.disk);
    kept.disk.half = half;
    kept.disk.forever = forever;
    kept.disk.left = n;
    int rc = kept_open(&kept, folder, &err);
    for (int i = 0; rc == 0 && i < 30; i++) {
        CLEANUP(mem_freep) char *before = kept_tell(&kept);
        snprintf(name, sizeof name, "n%d", i % 3);
        rc = i % 7 == 6 ? kept_delete(&kept, 1, "n0", &err) : kept_put(&kept, 1, name, i, &err);
        if (rc == ERROR_NOT_FOUND)
            rc = 0; /* its put failed */
        if (rc == 0)
            continue;
        assert_int_equal(rc, ERROR_UNAVAILABLE);
        assert_non_null(strstr(err.message, "No space left on device"));
        CLEANUP(mem_freep) char *after = kept_tell(&kept);
        assert_string_equal(after, before);
        rc = 0;
    }
    bool failed = kept.disk.failed;
    kept.disk.left = -1; /* there is room again */
    if (kept.storage) {
        assert_int_equal(kept_put(&kept, 1, "later", 1, &err), 0);
        CLEANUP(mem_freep) char *text = kept_tell(&kept);
        kept_close(&kept);
        assert_kept(folder, text);
    } else {
        assert_int_equal(rc, ERROR_UNAVAILABLE);
        kept_close(&kept);
        assert_kept(folder, "1: ");
    }
    folder_remove(folder);
    return failed;
}

static void journal_failing_disk_changes_nothing(void **state) {
    (void)state;
    for (int how = 0; how < 4; how++) {
        long n = 0;
        while (change_on_failing_disk(n, /* forever= */ how & 1, /* half= */ how & 2))
            n++;
        assert_true(n > 60);
    }
}

/* The real system, too, says when there is no room. */
static void journal_full_disk_is_told_and_later_writes_work(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    struct rlimit was, small = {0};
    struct error err;
    struct journal *journal = journal_open(&(struct journal_options){.folder = folder}, &err);
    struct dag *dag = dag_create(NULL, &err);
    struct storage_options options = {.dag = dag, .journal = journal};
    struct kept kept = {.dag = dag, .journal = journal, .storage = storage_create(&options, &err)};
    assert_non_null(kept.storage);
    assert_int_equal(kept_put(&kept, 1, "x", 1, &err), 0);
    CLEANUP(mem_freep) char *before = kept_tell(&kept);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    small.rlim_cur = 200; /* in the middle of the next record */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = kept_put(&kept, 1, "y", 2, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(rc, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "/journal': File too large"));
    CLEANUP(mem_freep) char *after = kept_tell(&kept);
    assert_string_equal(after, before);
    assert_int_equal(kept_put(&kept, 1, "y", 3, &err), 0);
    CLEANUP(mem_freep) char *last = kept_tell(&kept);
    assert_string_equal(last, "3: 1/x=1@2 1/y=3@3 ");
    kept_close(&kept);
    folder_remove(folder);
}

static void journal_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    struct kept kept = {0};
    struct error err;
    CLEANUP(mem_freep) char *folder = folder_create();
    while (oom_sweep_next(&sweep)) {
        kept = (struct kept){.slack = 1}; /* so each change writes it anew */
        int rc = kept_open(&kept, folder, &err);
        assert_true(rc == 0 || rc == ERROR_NOMEM);
        for (int i = 0; kept.storage && i < 3; i++) {
            uint64_t revision = storage_revision(kept.storage);
            rc = i < 2 ? kept_put(&kept, 1, "x", i, &err) : kept_delete(&kept, 1, "x", &err);
            assert_true(rc == 0 || rc == ERROR_NOMEM || rc == ERROR_NOT_FOUND);
            assert_int_equal(storage_revision(kept.storage), rc == 0 ? revision + 1 : revision);
        }
        kept_close(&kept);
    }
    struct kept last = {0};
    assert_int_equal(kept_open(&last, folder, &err), 0);
    kept_close(&last);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journal_keeps_objects_and_history),
        cmocka_unit_test(journal_knows_resources_by_name),
        cmocka_unit_test(journal_long_file_is_written_anew),
        cmocka_unit_test(journal_restart_changes_nothing_that_is_seen),
        cmocka_unit_test(journal_folder_has_one_process),
        cmocka_unit_test(journal_cut_anywhere_has_all_before_it),
        cmocka_unit_test(journal_flipped_bit_is_an_error),
        cmocka_unit_test(journal_sectors_of_zeros_at_the_end_are_cut_off),
        cmocka_unit_test(journal_unwritten_sector_of_the_last_record_is_cut_off),
        cmocka_unit_test(journal_missing_change_is_an_error),
        cmocka_unit_test(journal_of_another_format_is_refused),
        cmocka_unit_test(journal_failing_disk_changes_nothing),
        cmocka_unit_test(journal_full_disk_is_told_and_later_writes_work),
        cmocka_unit_test(journal_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
