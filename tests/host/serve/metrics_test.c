#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "serve/metrics.h"

static void metrics_are_written_as_prometheus_reads_them(void **state) {
    (void)state;
    static const char *const labels[] = {"name", NULL};
    const char *const value[] = {"a\"b\\c\nd", NULL}, *const none[] = {NULL};
    struct error err = {0};
    struct strbuf text = {0};
    struct metrics *metrics = metrics_create(&err);
    struct metric *count =
        metric_register(metrics, METRIC_COUNTER, "adds_total", "Adds.", labels, &err);
    struct metric *times =
        metric_register(metrics, METRIC_HISTOGRAM, "seconds", "Times.", NULL, &err);
    assert_null(metric_register(metrics, METRIC_GAUGE, "adds_total", "", labels, &err));
    assert_null(metric_register(metrics, METRIC_GAUGE, "1x", "", NULL, &err));
    metric_record(count, 2, value);
    metric_record(times, 0.2, none);
    metrics_write(metrics, &text);
    assert_non_null(strstr(text.data, "adds_total{name=\"a\\\"b\\\\c\\nd\"} 2\n"));
    assert_non_null(strstr(text.data, "seconds_bucket{le=\"0.15\"} 0\n"));
    assert_non_null(strstr(text.data, "seconds_bucket{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(text.data, "seconds_count 1\n"));
    strbuf_finish(&text);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_written_as_prometheus_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
