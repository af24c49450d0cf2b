/* kill -9 at any moment loses no change that a process has said to be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apiserver/support/folder.h"
#include "base/mem.h"
#include "base/rng.h"

enum { RESTARTS = 200, KEYS = 12, MOST_ACKS = 20, SLACK = 3000, NOT_THERE = -1 };

struct ack {
    uint64_t revision;
    int key, value; /* NOT_THERE: deleted */
};

static int value_of(const struct kept *kept, int key) {
    char name[16];
    snprintf(name, sizeof name, "n%d", key);
    struct storage_key where = {.resource = 1, .ns = str_of("a"), .name = str_of(name)};
    int64_t value = NOT_THERE;
    node_t node = storage_get(kept->storage, &where, NULL);
    node_int(kept->dag, node_get(kept->dag, node, str_of("value")), &value);
    return (int)value;
}

/* The child: changes and says so, until it is killed. */
static void change_for_ever(const char *folder, uint64_t seed, int out) {
    struct kept kept = {.slack = SLACK};
    struct error err;
    struct rng rng;
    char name[16];
    rng_init(&rng, seed);
    if (kept_open(&kept, folder, &err) < 0)
        _exit(1);
    for (int value = 0;; value++) {
        struct ack ack = {.key = (int)rng_below(&rng, KEYS), .value = value};
        snprintf(name, sizeof name, "n%d", ack.key);
        if (rng_below(&rng, 4) == 0 && value_of(&kept, ack.key) != NOT_THERE)
            ack.value = NOT_THERE;
        int rc = ack.value == NOT_THERE ? kept_delete(&kept, 1, name, &err)
                                        : kept_put(&kept, 1, name, value, &err);
        ack.revision = storage_revision(kept.storage);
        if (rc < 0 || write(out, &ack, sizeof ack) != sizeof ack)
            _exit(1);
    }
}

/* Starts one, kills it after some acknowledgements, and takes down all that it has sent. */
static void kill_one(const char *folder, struct rng *rng, int values[KEYS], uint64_t *revision) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    uint64_t seed = rng_next(rng), acks = rng_below(rng, MOST_ACKS);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        change_for_ever(folder, seed, ends[1]);
    }
    close(ends[1]);
    struct ack ack;
    for (uint64_t i = 0; read(ends[0], &ack, sizeof ack) == sizeof ack; i++) {
        assert_int_equal(ack.revision, *revision + 1);
        *revision = ack.revision;
        values[ack.key] = ack.value;
        if (i == acks)
            kill(child, SIGKILL);
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void journal_killed_process_loses_nothing_acknowledged(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    int values[KEYS], unfinished = 0;
    uint64_t revision = 1;
    struct rng rng;
    rng_init(&rng, 1);
    for (int key = 0; key < KEYS; key++)
        values[key] = NOT_THERE;
    for (int restart = 0; restart < RESTARTS; restart++) {
        kill_one(folder, &rng, values, &revision);
        struct kept kept = {.slack = SLACK};
        struct error err;
        if (kept_open(&kept, folder, &err) < 0)
            fail_msg("%s", err.message);
        /* at most one change was done and could not be told of any more */
        uint64_t untold = storage_revision(kept.storage) - revision;
        int others = 0;
        assert_in_range(untold, 0, 1);
        for (int key = 0; key < KEYS; key++) {
            int value = value_of(&kept, key);
            others += value != values[key];
            values[key] = value;
        }
        assert_true(others <= (int)untold);
        revision += untold;
        unfinished += (int)untold;
        kept_close(&kept);
    }
    print_message("%d restarts, %d changes, %d of them untold\n", RESTARTS, (int)revision - 1,
                  unfinished);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journal_killed_process_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
