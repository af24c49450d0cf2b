#include "support/oom_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"

bool oom_sweep_next(struct oom_sweep *sweep) {
    if (sweep->started) {
        bool failed = mem_fail_stop();
        assert_int_equal(mem_stats().blocks, sweep->blocks);
        if (failed)
            sweep->n++;
        else if (sweep->forever)
            return false;
        else {
            sweep->forever = true;
            sweep->n = 0;
        }
    }
    sweep->started = true;
    sweep->blocks = mem_stats().blocks;
    mem_fail_at(sweep->n, sweep->forever);
    return true;
}
