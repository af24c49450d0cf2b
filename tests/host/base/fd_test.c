#include "base/fd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void fd_write_all_says_why_it_failed(void **state) {
    (void)state;
    errno = 0;
    assert_int_equal(fd_write_all(-1, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(fd_write_all(-1, "", 0), 0);
}

static void fd_write_all_writes_all(void **state) {
    (void)state;
    int ends[2];
    char got[8] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_write_all(ends[1], "moonlet", 7), 0);
    assert_int_equal(read(ends[0], got, sizeof got), 7);
    assert_string_equal(got, "moonlet");
    close(ends[0]);
    close(ends[1]);
}

static void fd_read_file_reads_as_much_as_it_may(void **state) {
    (void)state;
    char path[] = "/tmp/fd-XXXXXX";
    int fd = mkstemp(path);
    struct strbuf text = {0};
    assert_true(fd >= 0);
    assert_int_equal(fd_read_file(path, 7, &text), 0); /* nothing: a text all the same */
    assert_string_equal(text.data, "");
    assert_int_equal(fd_write_all(fd, "moonlet", 7), 0);
    assert_int_equal(fd_read_file(path, 7, &text), 0);
    assert_int_equal(fd_read_file(path, 7, &text), 0); /* behind what is there */
    assert_string_equal(text.data, "moonletmoonlet");
    assert_int_equal(fd_read_file(path, 6, &text), -1);
    assert_int_equal(errno, EFBIG);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fd_read_file(path, 7, &text), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fd_read_file("/tmp", 7, &text), -1);
    assert_int_equal(errno, EISDIR);
    strbuf_finish(&text);
}

static void fd_read_all_reads_a_pipe_to_its_end(void **state) {
    (void)state;
    int ends[2];
    char part[10000];
    struct strbuf text = {0};
    memset(part, 'x', sizeof part);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_write_all(ends[1], part, sizeof part), 0);
    close(ends[1]);
    assert_int_equal(fd_read_all(ends[0], sizeof part, &text), 0);
    assert_int_equal(text.len, sizeof part);
    close(ends[0]);
    strbuf_finish(&text);
}

static void fd_read_all_without_memory_says_so(void **state) {
    (void)state;
    int ends[2];
    struct strbuf text = {.failed = true};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_read_all(ends[0], 1, &text), -1);
    assert_int_equal(errno, ENOMEM);
    close(ends[0]);
    close(ends[1]);
}

static void fd_replace_file_is_all_or_nothing(void **state) {
    (void)state;
    char folder[] = "/tmp/fd-XXXXXX", path[64], got[16] = "";
    struct stat facts;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(fd_replace_file(path, "old", 3), 0);
    assert_int_equal(fd_replace_file(path, "moonlet", 7), 0);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fread(got, 1, sizeof got, file), 7);
    assert_string_equal(got, "moonlet");
    fclose(file);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* a file does not replace a folder */
    assert_int_equal(fd_replace_file(path, "x", 1), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing is left beside it */
    assert_int_equal(fd_replace_file(path, "x", 1), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fd_write_all_says_why_it_failed),
        cmocka_unit_test(fd_write_all_writes_all),
        cmocka_unit_test(fd_read_file_reads_as_much_as_it_may),
        cmocka_unit_test(fd_read_all_reads_a_pipe_to_its_end),
        cmocka_unit_test(fd_read_all_without_memory_says_so),
        cmocka_unit_test(fd_replace_file_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
