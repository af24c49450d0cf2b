#ifndef MOONLET_BASE_CLOCK_H
#define MOONLET_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Clock: monotonic time for waiting, wall time for what people read. Injected everywhere; only
 * clock_real() asks the system. Threads: any. Yields: never.
 */
#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

struct clock {
    uint64_t (*mono)(const struct clock *clock); /* ns, never goes back */
    int64_t (*wall)(const struct clock *clock);  /* ns since the epoch, may jump */
};

const struct clock *clock_real(void);

static inline uint64_t clock_now(const struct clock *clock) {
    return clock->mono(clock);
}
static inline int64_t clock_wall(const struct clock *clock) {
    return clock->wall(clock);
}

/* A clock that moves only when told; for tests and simulation. `clock` is the first member. */
struct clock_fake {
    struct clock clock;
    uint64_t mono_ns;
    int64_t wall_ns;
};
void clock_fake_init(struct clock_fake *fake, uint64_t mono_ns, int64_t wall_ns);
void clock_fake_advance(struct clock_fake *fake, uint64_t ns); /* both clocks */

/* RFC 3339 in UTC, "2026-01-02T03:04:05Z"; with 6 digits of fraction when `micros`. */
#define CLOCK_TEXT 32
void clock_format(int64_t wall_ns, int micros, char text[CLOCK_TEXT]);
/* Parses RFC 3339 with optional fraction and offset. 0 or ERROR_INVALID. */
int clock_parse(const char *text, int64_t *ret_wall_ns);

/* "1h30m", "500ms", "10s", "2d" is not one (Go's time.ParseDuration without signs); whole text.
 * 0 or ERROR_INVALID. */
int clock_parse_duration(const char *text, size_t len, uint64_t *ret_ns);

#endif
