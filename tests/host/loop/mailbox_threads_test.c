#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/mailbox.h"
#include "loop/thread.h"

enum { SENDERS = 4, EACH = 2000 };

struct item {
    struct message message;
    struct sender *sender;
    int number;
};

struct sender {
    struct mailbox *mailbox;
    struct loop *loop;
    struct item items[EACH];
    int seen; /* the receiver's */
    int *total;
};

static void deliver(struct message *message) {
    struct item *item = CONTAINER_OF(message, struct item, message);
    assert_int_equal(item->number, item->sender->seen++); /* in order per sender */
    if (++*item->sender->total == SENDERS * EACH)
        loop_stop(item->sender->loop);
}

static void send_all(void *context) {
    struct sender *sender = context;
    for (int i = 0; i < EACH; i++) {
        sender->items[i] =
            (struct item){.message = {.deliver = deliver}, .sender = sender, .number = i};
        mailbox_post(sender->mailbox, &sender->items[i].message);
    }
}

static void mailbox_delivers_all_in_order_per_sender(void **state) {
    (void)state;
    static struct sender senders[SENDERS];
    struct thread *threads[SENDERS];
    struct error err;
    int total = 0;
    struct loop *loop = loop_create(clock_real(), &err);
    struct mailbox *mailbox = mailbox_create(loop, &err);
    for (int i = 0; i < SENDERS; i++) {
        senders[i].mailbox = mailbox;
        senders[i].loop = loop;
        senders[i].total = &total;
        threads[i] = thread_start("sender", send_all, &senders[i], &err);
        assert_non_null(threads[i]);
    }
    loop_run(loop);
    for (int i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    assert_int_equal(total, SENDERS * EACH);
    mailbox_destroy(mailbox);
    loop_destroy(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailbox_delivers_all_in_order_per_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
