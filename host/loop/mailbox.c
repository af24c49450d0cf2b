#include "loop/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/internal.h"

/* Not uv_async: its receiver spins until the sender is back from the system call that woke it,
 * which takes long where both want one processor. */
struct mailbox {
    uv_poll_t wake; /* first: freed through it; of `fd` */
    int fd;         /* eventfd */
    pthread_mutex_t lock;
    struct list posted; /* guarded by lock */
    unsigned waking;    /* senders about to write to `fd`; atomic */
    struct loop *loop;
    struct loop_timer arrival; /* in simulation, instead of the wake-up: of the first message */
};

static void deliver(struct mailbox *mailbox) {
    struct list batch;
    list_init(&batch);
    pthread_mutex_lock(&mailbox->lock);
    if (!list_empty(&mailbox->posted)) {
        batch = mailbox->posted;
        batch.next->prev = batch.prev->next = &batch;
        list_init(&mailbox->posted);
    }
    pthread_mutex_unlock(&mailbox->lock);
    while (!list_empty(&batch)) {
        struct message *message = CONTAINER_OF(batch.next, struct message, link);
        list_remove(&message->link);
        message->deliver(message);
    }
}

static void on_wake(uv_poll_t *wake, int status, int events) {
    struct mailbox *mailbox = (struct mailbox *)wake;
    eventfd_t count;
    (void)status, (void)events;
    eventfd_read(mailbox->fd, &count); /* before what was posted is taken, so none is missed */
    deliver(mailbox);
}

static void expect_next(struct mailbox *mailbox) {
    struct loop *loop = mailbox->loop;
    if (!list_empty(&mailbox->posted) && !loop_timer_active(&mailbox->arrival))
        loop_timer_start(&mailbox->arrival, loop->delay_ns(loop->delay_context));
}

static void deliver_first(struct mailbox *mailbox) {
    struct message *message = CONTAINER_OF(mailbox->posted.next, struct message, link);
    list_remove(&message->link);
    mailbox->loop->messages--;
    message->deliver(message);
}

static void on_arrival(struct loop_timer *timer) {
    struct mailbox *mailbox = CONTAINER_OF(timer, struct mailbox, arrival);
    deliver_first(mailbox);
    expect_next(mailbox);
}

static int open_wake(struct mailbox *mailbox) {
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = mailbox->fd < 0 ? uv_translate_sys_error(errno)
                             : uv_poll_init(&mailbox->loop->uv, &mailbox->wake, mailbox->fd);
    if (rc == 0)
        uv_poll_start(&mailbox->wake, UV_READABLE, on_wake);
    else if (mailbox->fd >= 0)
        close(mailbox->fd);
    return rc;
}

struct mailbox *mailbox_create(struct loop *loop, struct error *err) {
    struct mailbox *mailbox = mem_zalloc(sizeof *mailbox);
    if (mailbox == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a mailbox");
        return NULL;
    }
    mailbox->loop = loop;
    loop_timer_init(loop, &mailbox->arrival, on_arrival);
    int rc = loop->delay_ns ? 0 : open_wake(mailbox);
    if (rc < 0) {
        loop_uv_error(err, rc, "mailbox");
        mem_free(mailbox);
        return NULL;
    }
    pthread_mutex_init(&mailbox->lock, NULL);
    list_init(&mailbox->posted);
    return mailbox;
}

void mailbox_post(struct mailbox *mailbox, struct message *message) {
    if (mailbox->loop->delay_ns) {
        list_append(&mailbox->posted, &message->link);
        mailbox->loop->messages++;
        expect_next(mailbox);
        return;
    }
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = list_empty(&mailbox->posted);
    list_append(&mailbox->posted, &message->link);
    if (was_empty) /* counted before the message can be delivered, for mailbox_destroy() */
        __atomic_add_fetch(&mailbox->waking, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mailbox->lock);
    if (!was_empty)
        return;
    eventfd_write(mailbox->fd, 1);
    __atomic_sub_fetch(&mailbox->waking, 1, __ATOMIC_RELEASE);
}

static void free_mailbox(uv_handle_t *handle) {
    struct mailbox *mailbox = (struct mailbox *)handle;
    if (mailbox->loop->delay_ns == NULL)
        close(mailbox->fd);
    pthread_mutex_destroy(&mailbox->lock);
    mem_free(mailbox);
}

void mailbox_destroy(struct mailbox *mailbox) {
    if (mailbox == NULL)
        return;
    mailbox_deliver(mailbox);
    if (mailbox->loop->delay_ns) {
        loop_timer_stop(&mailbox->arrival);
        free_mailbox((uv_handle_t *)&mailbox->wake);
        return;
    }
    while (__atomic_load_n(&mailbox->waking, __ATOMIC_ACQUIRE) > 0)
        sched_yield();
    uv_close((uv_handle_t *)&mailbox->wake, free_mailbox);
}

void mailbox_deliver(struct mailbox *mailbox) {
    if (mailbox->loop->delay_ns == NULL)
        deliver(mailbox);
    while (mailbox->loop->delay_ns && !list_empty(&mailbox->posted))
        deliver_first(mailbox);
}

void mailbox_keep_alive(struct mailbox *mailbox, bool keep) {
    if (mailbox->loop->delay_ns)
        return;
    if (keep)
        uv_ref((uv_handle_t *)&mailbox->wake);
    else
        uv_unref((uv_handle_t *)&mailbox->wake);
}
