#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/mailbox.h"

struct letter {
    struct message message;
    struct loop *loop;
    int number;
    int *last;
    uint64_t at;
};

static void on_letter(struct message *message) {
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    assert_int_equal(letter->number, *letter->last + 1);
    *letter->last = letter->number;
    letter->at = loop_now(letter->loop);
}

static uint64_t draw(void *context) {
    uint64_t *next = context;
    return *next += 10;
}

static void messages_arrive_in_order_each_after_its_delay(void **state) {
    struct mem_stats before = mem_stats();
    struct clock_fake clock;
    struct letter letters[3];
    uint64_t delay = 0;
    int last = 0;
    (void)state;
    clock_fake_init(&clock, 1000, 0);
    struct loop *loop = loop_create(&clock.clock, NULL);
    loop_simulate(loop, draw, &delay);
    struct mailbox *mailbox = mailbox_create(loop, NULL);
    assert_int_equal(loop_due(loop), UINT64_MAX);
    for (int i = 0; i < 3; i++) {
        letters[i] = (struct letter){{.deliver = on_letter}, loop, i + 1, &last, 0};
        mailbox_post(mailbox, &letters[i].message);
    }
    assert_int_equal(loop_messages(loop), 3);
    assert_int_equal(loop_due(loop), 1010);
    loop_advance(loop, &clock, 29);
    assert_int_equal(last, 1);
    loop_advance(loop, &clock, 1);
    assert_int_equal(letters[0].at, 1010);
    assert_int_equal(letters[1].at, 1030);
    assert_int_equal(loop_messages(loop), 1);
    mailbox_destroy(mailbox); /* the third comes at once */
    assert_int_equal(last, 3);
    assert_int_equal(loop_messages(loop), 0);
    loop_destroy(loop);
    assert_int_equal(mem_stats().blocks, before.blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order_each_after_its_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
