#include "loop/mailbox.h"

#include <pthread.h>

#include "base/mem.h"
#include "loop/internal.h"

struct mailbox {
    uv_async_t wake; /* first: freed through it */
    pthread_mutex_t lock;
    struct list posted; /* guarded by lock */
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

static void on_wake(uv_async_t *wake) {
    deliver((struct mailbox *)wake);
}

struct mailbox *mailbox_create(struct loop *loop, struct error *err) {
    struct mailbox *mailbox = mem_zalloc(sizeof *mailbox);
    if (mailbox == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a mailbox");
        return NULL;
    }
    int rc = uv_async_init(&loop->uv, &mailbox->wake, on_wake);
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
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = list_empty(&mailbox->posted);
    list_append(&mailbox->posted, &message->link);
    /* Inside the lock, so that mailbox_destroy() cannot free the handle under our feet. */
    if (was_empty)
        uv_async_send(&mailbox->wake);
    pthread_mutex_unlock(&mailbox->lock);
}

static void free_mailbox(uv_handle_t *handle) {
    struct mailbox *mailbox = (struct mailbox *)handle;
    pthread_mutex_destroy(&mailbox->lock);
    mem_free(mailbox);
}

void mailbox_destroy(struct mailbox *mailbox) {
    if (mailbox == NULL)
        return;
    deliver(mailbox);
    uv_close((uv_handle_t *)&mailbox->wake, free_mailbox);
}

void mailbox_keep_alive(struct mailbox *mailbox, bool keep) {
    if (keep)
        uv_ref((uv_handle_t *)&mailbox->wake);
    else
        uv_unref((uv_handle_t *)&mailbox->wake);
}
