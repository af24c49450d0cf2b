#ifndef MOONLET_TESTS_TESTBED_BENCH_H
#define MOONLET_TESTS_TESTBED_BENCH_H

#include "base/mem.h"
#include "testbed/testbed.h"

/* A testbed with short words for what its tests do over and over; every failure fails the test. */
struct bench {
    struct mem_stats before;
    struct testbed *testbed;
    struct log log;
    bool shared; /* with others, which see to the memory */
    bool told;   /* the host's lines and the trace are printed */
};
/* A file "copier": what v/ConfigMap "x" has in data.v, "x-copy" has, too. */
extern const char bench_copier[];

void bench_begin(struct bench *bench, uint64_t seed);
void bench_begin_with(struct bench *bench, const struct testbed_options *options);
/* Asserts that nothing is left in memory. */
void bench_end(struct bench *bench);

struct script_source *bench_source(const char *name, const char *text);
void bench_load(struct bench *bench, const char *name, const char *text);
/* The error of a load that has to fail. */
void bench_load_fails(struct bench *bench, const char *name, const char *text, struct error *ret);
void bench_settle(struct bench *bench);
void bench_advance(struct bench *bench, uint64_t ns);
/* Asserts the status. */
void bench_call(struct bench *bench, const char *method, const char *path, const char *body,
                int status);
/* v1/ConfigMap default/<name> with data {"v": value}: creates or merges. */
void bench_put(struct bench *bench, const char *name, const char *value);
/* What the object has at data.<field>; mem_free() it. NULL: no such object or field. */
char *bench_data(struct bench *bench, const char *name, const char *field);
void bench_expect(struct bench *bench, const char *name, const char *field, const char *value);
/* Asserts that the trace has that text so often. */
void bench_traced(struct bench *bench, const char *text, int times);

#endif
