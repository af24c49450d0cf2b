#include "runtime/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

enum { MOST_DEPTH = 5 };
#define QUIET_NS (5 * NS_PER_MS)
#define LONGEST_NS (50 * NS_PER_MS)
#define POLL_NS (2 * NS_PER_S)
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ATTRIB | IN_MODIFY)

struct folder_watch {
    struct loop *loop;
    const char *const *folders; /* borrowed */
    void (*changed)(void *context);
    void *context;
    int fd; /* -1: no inotify */
    struct loop_fd *readable;
    struct loop_timer quiet, poll;
    uint64_t first_ns; /* of the changes not yet told; 0 = none */
    bool missing;      /* a folder is not there: look for it */
};

static bool add(struct folder_watch *watch, const char *path) {
    return inotify_add_watch(watch->fd, path, EVENTS) >= 0;
}

/* Watches the folder and the folders in it, links resolved. Adding one again is free. */
static bool add_tree(struct folder_watch *watch, const char *path, int depth) {
    struct stat info;
    if (stat(path, &info) < 0 || !add(watch, path))
        return false;
    DIR *folder = S_ISDIR(info.st_mode) && depth < MOST_DEPTH ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        bool data = strncmp(entry->d_name, "..", 2) == 0 && entry->d_name[2] != '\0';
        if (entry->d_name[0] == '.' && !data)
            continue;
        CLEANUP(mem_freep) char *inner = mem_printf("%s/%s", path, entry->d_name);
        if (inner && stat(inner, &info) == 0 && S_ISDIR(info.st_mode))
            add_tree(watch, inner, depth + 1);
    }
    if (folder)
        closedir(folder);
    return true;
}

static void add_all(struct folder_watch *watch) {
    watch->missing = false;
    for (const char *const *folder = watch->folders; *folder; folder++)
        if (watch->fd < 0 || !add_tree(watch, *folder, 0))
            watch->missing = true;
    if (watch->missing && !loop_timer_active(&watch->poll))
        loop_timer_start(&watch->poll, POLL_NS);
}

static void on_quiet(struct loop_timer *timer) {
    struct folder_watch *watch = CONTAINER_OF(timer, struct folder_watch, quiet);
    watch->first_ns = 0;
    add_all(watch);
    watch->changed(watch->context);
}

static void on_poll(struct loop_timer *timer) {
    struct folder_watch *watch = CONTAINER_OF(timer, struct folder_watch, poll);
    add_all(watch);
    watch->changed(watch->context);
}

static void on_readable(void *context, int fd, int events) {
    struct folder_watch *watch = context;
    char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    (void)events;
    while (read(fd, buffer, sizeof buffer) > 0) {
        /* What changed does not matter: the scan compares contents. */
    }
    uint64_t now = loop_now(watch->loop);
    if (watch->first_ns == 0)
        watch->first_ns = now;
    uint64_t waited = now - watch->first_ns;
    loop_timer_start(&watch->quiet, waited + QUIET_NS > LONGEST_NS ? 0 : QUIET_NS);
}

struct folder_watch *folder_watch_create(struct loop *loop, const char *const *folders,
                                         void (*changed)(void *context), void *context,
                                         struct error *err) {
    struct folder_watch *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to watch folders");
        return NULL;
    }
    *watch = (struct folder_watch){
        .loop = loop, .folders = folders, .changed = changed, .context = context};
    loop_timer_init(loop, &watch->quiet, on_quiet);
    loop_timer_init(loop, &watch->poll, on_poll);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd >= 0) {
        watch->readable = loop_fd_open(loop, watch->fd, on_readable, watch, err);
        if (watch->readable == NULL || loop_fd_set(watch->readable, LOOP_READABLE, err) < 0) {
            folder_watch_destroy(watch);
            return NULL;
        }
    }
    add_all(watch);
    return watch;
}

void folder_watch_destroy(struct folder_watch *watch) {
    if (watch == NULL)
        return;
    loop_timer_stop(&watch->quiet);
    loop_timer_stop(&watch->poll);
    loop_fd_close(watch->readable);
    if (watch->fd >= 0)
        close(watch->fd);
    mem_free(watch);
}
