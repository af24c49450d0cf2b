#include "queue/bucket.h"

#include <math.h>

#include "base/clock.h"

int bucket_init(struct bucket *bucket, double rate, double burst, uint64_t now, struct error *err) {
    if (!(rate > 0) || !(burst >= 1)) /* this way round, NaN fails too */
        return error_set(err, ERROR_INVALID,
                         "a rate of %g per second with a burst of %g: the rate must be above 0 and "
                         "the burst at least 1",
                         rate, burst);
    *bucket = (struct bucket){.rate = rate, .burst = burst, .tokens = burst, .updated = now};
    return 0;
}

int bucket_take(struct bucket *bucket, uint64_t now, uint64_t *reterr_wait) {
    if (now > bucket->updated) {
        bucket->tokens += (double)(now - bucket->updated) / (double)NS_PER_S * bucket->rate;
        if (bucket->tokens > bucket->burst)
            bucket->tokens = bucket->burst;
        bucket->updated = now;
    }
    if (bucket->tokens < 1) {
        double wait = ceil((1 - bucket->tokens) / bucket->rate * (double)NS_PER_S);
        *reterr_wait = wait < 1.8e19 ? (uint64_t)wait : UINT64_MAX;
        return ERROR_THROTTLED;
    }
    bucket->tokens -= 1;
    return 0;
}
