#include "runtime/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

enum { MOST_DEPTH = 5, MOST_LINKS = 32 };
#define QUIET_NS (5 * NS_PER_MS)
#define LONGEST_NS (50 * NS_PER_MS)
#define OPEN_NS                                                                                    \
    (50 * NS_PER_MS) /* a file that was made or cut is still being written, perhaps                \
                      */
#define POLL_NS (2 * NS_PER_S)
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ATTRIB | IN_MODIFY)
#define LINK_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MASK_ADD)

struct mark { /* a folder that inotify watches */
    int wd;
    unsigned round; /* in which it was last wanted */
    char *name;     /* only what happens to this link in it matters; NULL: all */
};

struct folder_watch {
    struct loop *loop;
    const char *const *folders; /* borrowed */
    void (*changed)(void *context);
    void *context;
    int fd; /* -1: no inotify */
    struct loop_fd *readable;
    struct loop_timer quiet, poll;
    struct mark *marks;
    size_t count, cap;
    unsigned round;
    uint64_t first_ns; /* of the changes not yet told; 0 = none */
    bool missing;      /* a folder is not there: look for it */
    bool limited;      /* the system allows no more watches: look at all of them */
};

static struct mark *find(struct folder_watch *watch, int wd) {
    for (size_t i = 0; i < watch->count; i++)
        if (watch->marks[i].wd == wd)
            return &watch->marks[i];
    return NULL;
}

/* Watches a folder, for a link called `name` in it or (NULL) for everything. Again is free. */
static bool add(struct folder_watch *watch, const char *path, const char *name) {
    int wd = inotify_add_watch(watch->fd, path, name ? LINK_EVENTS : EVENTS);
    if (wd < 0) {
        watch->limited |= errno == ENOSPC || errno == ENOMEM;
        return false;
    }
    struct mark *mark = find(watch, wd);
    if (mark == NULL) {
        if (mem_grow(&watch->marks, &watch->cap, watch->count + 1, sizeof *mark) < 0) {
            watch->limited = true;
            return false;
        }
        mark = &watch->marks[watch->count++];
        *mark = (struct mark){.wd = wd, .name = mem_strdup(name)};
    } else if (mark->name && (name == NULL || strcmp(mark->name, name) != 0)) {
        mem_free(mark->name); /* wanted for two reasons */
        mark->name = NULL;
    }
    mark->round = watch->round;
    return true;
}

/* Forgets what is not wanted any more, such as where a link led before. */
static void sweep(struct folder_watch *watch) {
    size_t kept = 0;
    for (size_t i = 0; i < watch->count; i++) {
        struct mark *mark = &watch->marks[i];
        if (mark->round == watch->round) {
            watch->marks[kept++] = *mark;
            continue;
        }
        inotify_rm_watch(watch->fd, mark->wd);
        mem_free(mark->name);
    }
    watch->count = kept;
}

/* Watches the first link in a path where it stands; the path behind it, or NULL: there is none. */
static char *follow(struct folder_watch *watch, const char *path) {
    char target[PATH_MAX];
    for (size_t at = 1; path[at - 1]; at++) {
        if (path[at] != '/' && path[at] != '\0')
            continue;
        CLEANUP(mem_freep) char *prefix = mem_strndup(path, at);
        ssize_t len = prefix ? readlink(prefix, target, sizeof target) : -1;
        if (len < 0 || (size_t)len == sizeof target)
            continue;
        const char *slash = strrchr(prefix, '/'), *name = slash ? slash + 1 : prefix;
        CLEANUP(mem_freep)
        char *parent = slash == NULL     ? mem_strdup(".")
                       : slash == prefix ? mem_strdup("/")
                                         : mem_strndup(prefix, (size_t)(slash - prefix));
        if (parent == NULL)
            return NULL;
        add(watch, parent, name);
        return target[0] == '/' ? mem_printf("%.*s%s", (int)len, target, path + at)
                                : mem_printf("%s/%.*s%s", parent, (int)len, target, path + at);
    }
    return NULL;
}

static void add_links(struct folder_watch *watch, const char *folder) {
    char *path = mem_strdup(folder);
    for (int i = 0; path && i < MOST_LINKS; i++) {
        char *behind = follow(watch, path);
        mem_free(path);
        path = behind;
    }
    mem_free(path);
}

/* Watches the folder and the folders in it, links resolved. */
static bool add_tree(struct folder_watch *watch, const char *path, int depth) {
    struct stat info;
    if (stat(path, &info) < 0 || !add(watch, path, NULL))
        return false;
    DIR *folder = S_ISDIR(info.st_mode) && depth < MOST_DEPTH ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        bool data = strncmp(entry->d_name, "..", 2) == 0 && entry->d_name[2] != '\0';
        if (entry->d_name[0] == '.' && !data)
            continue;
        CLEANUP(mem_freep) char *inner = mem_printf("%s/%s", path, entry->d_name);
        if (inner && stat(inner, &info) == 0 && S_ISDIR(info.st_mode))
            add_tree(watch, inner, depth + 1); /* gone meanwhile, or `limited` */
    }
    if (folder)
        closedir(folder);
    return true;
}

static void add_all(struct folder_watch *watch) {
    watch->missing = watch->limited = false;
    watch->round++;
    for (const char *const *folder = watch->folders; *folder; folder++) {
        if (watch->fd >= 0)
            add_links(watch, *folder);
        if (watch->fd < 0 || !add_tree(watch, *folder, 0))
            watch->missing = true;
    }
    sweep(watch);
    if ((watch->missing || watch->limited) && !loop_timer_active(&watch->poll))
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

/* What changed does not matter, the scan compares contents; but of links only they themselves. */
static bool matters(struct folder_watch *watch, const struct inotify_event *event) {
    const struct mark *mark = find(watch, event->wd);
    if (event->mask & IN_IGNORED)
        return false;
    return event->mask & IN_Q_OVERFLOW ||
           (mark && (mark->name == NULL || (event->len && strcmp(mark->name, event->name) == 0)));
}

/* More is to come: the file is closed, or moved to where it belongs, when it is whole. */
static bool is_unfinished(struct folder_watch *watch, const struct inotify_event *event) {
    const struct mark *mark = find(watch, event->wd);
    return mark && mark->name == NULL && !(event->mask & ~(uint32_t)(IN_CREATE | IN_MODIFY));
}

static void on_readable(void *context, int fd, int events) {
    struct folder_watch *watch = context;
    char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false, unfinished = false;
    (void)events;
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
        for (char *at = buffer; at < buffer + got;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            if (matters(watch, event)) {
                any = true;
                unfinished = is_unfinished(watch, event);
            }
            at += sizeof *event + event->len;
        }
    if (!any)
        return;
    uint64_t now = loop_now(watch->loop);
    if (watch->first_ns == 0)
        watch->first_ns = now;
    uint64_t waited = now - watch->first_ns;
    uint64_t quiet = unfinished ? OPEN_NS : QUIET_NS,
             longest = quiet == OPEN_NS ? OPEN_NS : LONGEST_NS;
    loop_timer_start(&watch->quiet, waited + quiet > longest ? 0 : quiet);
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
    for (size_t i = 0; i < watch->count; i++)
        mem_free(watch->marks[i].name);
    mem_free(watch->marks);
    mem_free(watch);
}

bool folder_watch_polls(const struct folder_watch *watch) {
    return watch && (watch->fd < 0 || watch->limited);
}
