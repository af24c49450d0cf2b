#ifndef MOONLET_LOOP_MAILBOX_H
#define MOONLET_LOOP_MAILBOX_H

#include "base/list.h"
#include "loop/loop.h"

/*
 * Mailbox: messages from any thread to the thread of one loop, in order per sender.
 *
 * Is:      an intrusive queue with a lock held for a few instructions and a wake-up (eventfd); in
 *          a loop in simulation, timers with drawn delays instead.
 * Is not:  bounded; who posts keeps count of what is under way.
 * Threads: mailbox_post from any; the rest from the loop's thread. Yields: never.
 */
struct message {
    struct list link; /* the mailbox's while posted */
    /* Runs in the receiver's loop, owns the message from then on. */
    void (*deliver)(struct message *message);
};

struct mailbox;
/* NULL: ERROR_NOMEM, or ERROR_UNAVAILABLE without a descriptor. */
struct mailbox *mailbox_create(struct loop *loop, struct error *err);
/* Hands the message over. Never fails; a message posted after mailbox_destroy() is a bug. */
void mailbox_post(struct mailbox *mailbox, struct message *message);
/* Delivers now what was posted. */
void mailbox_deliver(struct mailbox *mailbox);
/* Delivers what was posted, then frees. Call when no thread can post any more. NULL is fine. */
void mailbox_destroy(struct mailbox *mailbox);
/* Does an idle mailbox keep loop_run() from returning? Default: yes. */
void mailbox_keep_alive(struct mailbox *mailbox, bool keep);

#endif
