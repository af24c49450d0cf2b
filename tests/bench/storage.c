/* Pods of two containers through the storage: bench_storage TEMPLATE PODS FOLDER. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apiserver/journal.h"
#include "apiserver/storage.h"
#include "base/mem.h"

enum { NAMESPACES = 50, SYNCED = 2000 };

struct bench {
    char *head, *middle; /* the template, cut at its metadata and its status */
    struct dag *dag;
    struct storage *storage;
    struct strbuf json;
    uint64_t bytes; /* of JSON, put so far */
};

static double now(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void say(const char *what, double value, const char *unit) {
    printf("%-52s %10.4g %s\n", what, value, unit);
}

static void die(const char *why) {
    fprintf(stderr, "bench_storage: %s\n", why);
    exit(1);
}

static void load(struct bench *bench, const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = mem_zalloc(1 << 20);
    if (file == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, file) == 0)
        die("no template");
    fclose(file);
    char *metadata = strstr(text, "\"generateName\""), *status = strstr(text, ",\"status\":{}");
    if (metadata == NULL || status == NULL)
        die("that is no template");
    status[-1] = '\0'; /* without the brace that ends its spec */
    bench->middle = mem_strdup(metadata);
    *metadata = '\0';
    bench->head = text;
}

/* As kubelet and scheduler leave it: two ready containers, unlike those of any other. */
static void add_status(struct strbuf *json, int i, int round) {
    static const char *const names[] = {"frontend", "metrics-proxy"};
    static const char *const conditions[] = {"PodReadyToStartContainers", "Initialized", "Ready",
                                             "ContainersReady", "PodScheduled"};
    int second = i % 60;
    strbuf_adds(json, ",\"status\":{\"phase\":\"Running\",\"conditions\":[");
    for (int c = 0; c < 5; c++)
        strbuf_printf(json,
                      "%s{\"type\":\"%s\",\"status\":\"True\",\"lastProbeTime\":null,"
                      "\"lastTransitionTime\":\"2026-01-01T%02d:%02d:%02dZ\"}",
                      c ? "," : "", conditions[c], i / 3600 % 24, (i / 60 + round) % 60, second);
    strbuf_printf(json,
                  "],\"hostIP\":\"10.0.0.%d\",\"podIP\":\"10.%d.%d.%d\","
                  "\"startTime\":\"2026-01-01T%02d:%02d:%02dZ\",\"containerStatuses\":[",
                  i % 200, 1 + i / 65536, i / 256 % 256, i % 256, i / 3600 % 24, i / 60 % 60,
                  second);
    for (int c = 0; c < 2; c++)
        strbuf_printf(json,
                      "%s{\"name\":\"%s\",\"state\":{\"running\":{\"startedAt\":"
                      "\"2026-01-01T%02d:%02d:%02dZ\"}},\"lastState\":{},\"ready\":true,"
                      "\"restartCount\":%d,\"image\":\"registry.example.com/shop/%s:v1.14.3\","
                      "\"imageID\":\"registry.example.com/shop/%s@sha256:0123456789abcdef\","
                      "\"containerID\":\"containerd://%016x%016x%016x%016x\",\"started\":true}",
                      c ? "," : "", names[c], i / 3600 % 24, i / 60 % 60, second, round, names[c],
                      names[c], i * 7919, i * 104729, i * 1299709, c + 1);
    strbuf_adds(json, "],\"qosClass\":\"Burstable\"}}");
}

static void put(struct bench *bench, int i, int round) {
    struct strbuf *json = &bench->json;
    struct error err;
    char ns[16], name[40];
    snprintf(ns, sizeof ns, "shop-%d", i % NAMESPACES);
    snprintf(name, sizeof name, "frontend-5d89f7c4b6-%05x", (unsigned)i * 40503 % 0xfffff);
    strbuf_clear(json);
    strbuf_adds(json, bench->head);
    strbuf_printf(json,
                  "\"name\":\"%s\",\"uid\":\"%08x-3a51-4a52-9d0b-%012x\","
                  "\"resourceVersion\":\"%llu\",",
                  name, (unsigned)i * 2654435761u, i,
                  (unsigned long long)storage_revision(bench->storage) + 1);
    strbuf_adds(json, bench->middle);
    strbuf_printf(json, ",\"nodeName\":\"node-%d\"}", i % 200);
    add_status(json, i, round);
    struct storage_key key = {.resource = 1, .ns = str_of(ns), .name = str_of(name)};
    if (storage_put(bench->storage, &key, strbuf_view(json), &err) < 0)
        die(err.message);
    bench->bytes += json->len;
}

static void open_storage(struct bench *bench, struct journal *journal) {
    struct error err;
    bench->dag = dag_create(NULL, &err);
    struct storage_options options = {.dag = bench->dag, .journal = journal};
    bench->storage = bench->dag ? storage_create(&options, &err) : NULL;
    if (bench->storage == NULL)
        die(err.message);
}

static void close_storage(struct bench *bench) {
    storage_destroy(bench->storage);
    dag_destroy(bench->dag);
}

static bool count_one(void *context, const struct storage_item *item) {
    (void)item;
    ++*(int *)context;
    return true;
}

static void measure_memory(struct bench *bench, int pods) {
    struct error err;
    uint64_t before = mem_stats().bytes;
    double since = now(CLOCK_PROCESS_CPUTIME_ID);
    open_storage(bench, NULL);
    for (int i = 0; i < pods; i++)
        put(bench, i, 0);
    say("JSON of a pod", (double)bench->bytes / pods, "bytes");
    say("create, with printing the JSON, CPU", (now(CLOCK_PROCESS_CPUTIME_ID) - since) / pods * 1e6,
        "us");
    say("memory of a pod, with the history of its creation",
        (double)(mem_stats().bytes - before) / pods, "bytes");
    since = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < pods; i++)
        put(bench, i, 1);
    say("update of its status, the same, CPU", (now(CLOCK_PROCESS_CPUTIME_ID) - since) / pods * 1e6,
        "us");
    say("memory of a pod, with 10,000 updates", (double)(mem_stats().bytes - before) / pods,
        "bytes");
    storage_compact(bench->storage, storage_revision(bench->storage));
    say("nodes of a pod, without history", (double)dag_stats(bench->dag).bytes / pods, "bytes");
    int listed = 0;
    since = now(CLOCK_PROCESS_CPUTIME_ID);
    storage_list(bench->storage, 1, (struct str){0}, NULL, 0, count_one, &listed, &err);
    say("list of all, a pod, CPU", (now(CLOCK_PROCESS_CPUTIME_ID) - since) / listed * 1e9, "ns");
    close_storage(bench);
}

static struct journal *open_journal(const char *folder) {
    struct error err;
    struct journal *journal = journal_open(&(struct journal_options){.folder = folder}, &err);
    if (journal == NULL)
        die(err.message);
    return journal;
}

static void measure_disk(struct bench *bench, const char *folder) {
    double since = now(CLOCK_MONOTONIC), longest = 0;
    struct journal *journal = open_journal(folder);
    open_storage(bench, journal);
    for (int i = 0; i < SYNCED; i++) {
        double before = now(CLOCK_MONOTONIC);
        put(bench, i, 0);
        double took = now(CLOCK_MONOTONIC) - before;
        longest = took > longest ? took : longest;
    }
    say("create, until it is on the disk", (now(CLOCK_MONOTONIC) - since) / SYNCED * 1e6, "us");
    say("the longest of them", longest * 1e3, "ms");
    close_storage(bench);
    journal_close(journal);
    since = now(CLOCK_MONOTONIC);
    journal = open_journal(folder);
    open_storage(bench, journal);
    say("start, a pod that is there", (now(CLOCK_MONOTONIC) - since) / SYNCED * 1e6, "us");
    close_storage(bench);
    journal_close(journal);
}

int main(int argc, char **argv) {
    struct bench bench = {0};
    int pods = argc == 4 ? atoi(argv[2]) : 0;
    if (pods <= 0)
        die("usage: bench_storage TEMPLATE PODS FOLDER");
    load(&bench, argv[1]);
    measure_memory(&bench, pods);
    measure_disk(&bench, argv[3]);
    mem_free(bench.head);
    mem_free(bench.middle);
    strbuf_finish(&bench.json);
    return 0;
}
