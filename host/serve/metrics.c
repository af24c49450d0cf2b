#include "serve/metrics.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { MOST_LABELS = 6, MOST_SERIES = 1000, BUCKETS = 22 };

/* controller-runtime's controller_runtime_reconcile_time_seconds buckets. */
static const double bounds[BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25,
                                       0.3,   0.35, 0.4,   0.45, 0.5, 0.6,  0.7, 0.8,
                                       0.9,   1,    2,     5,    10,  60};

struct series {
    char *labels; /* `a="b",c="d"`, escaped; owned */
    double value; /* histogram: the sum */
    uint64_t count;
    uint64_t *buckets; /* histogram: BUCKETS, not cumulated */
};

struct metric {
    struct metrics *metrics;
    enum metric_type type;
    char *name, *help;
    char *labels[MOST_LABELS + 1];
    struct map series; /* label text -> struct series */
};

struct collector {
    void (*collect)(void *context);
    void *context;
};

struct metrics {
    struct map families; /* name -> struct metric */
    struct collector *collectors;
    size_t count, cap;
    struct strbuf labels; /* of the series looked for */
    uint64_t dropped;
};

struct metrics *metrics_create(struct error *err) {
    struct metrics *metrics = mem_zalloc(sizeof *metrics);
    if (metrics == NULL)
        error_set(err, ERROR_NOMEM, "no memory for metrics");
    return metrics;
}

static void series_destroy(struct series *series) {
    mem_free(series->labels);
    mem_free(series->buckets);
    mem_free(series);
}

void metric_clear(struct metric *metric) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&metric->series, &at));)
        series_destroy(entry->value);
    map_finish(&metric->series);
}

static void metric_destroy(struct metric *metric) {
    metric_clear(metric);
    for (int i = 0; i < MOST_LABELS; i++)
        mem_free(metric->labels[i]);
    mem_free(metric->name);
    mem_free(metric->help);
    mem_free(metric);
}

void metrics_destroy(struct metrics *metrics) {
    if (metrics == NULL)
        return;
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&metrics->families, &at));)
        metric_destroy(entry->value);
    map_finish(&metrics->families);
    mem_free(metrics->collectors);
    strbuf_finish(&metrics->labels);
    mem_free(metrics);
}

static bool is_name(const char *name) {
    for (const char *at = name; *at; at++)
        if (!isalpha((unsigned char)*at) && *at != '_' &&
            (at == name || (!isdigit((unsigned char)*at) && *at != ':')))
            return false;
    return *name != '\0';
}

static bool same_labels(const struct metric *metric, const char *const *labels) {
    size_t i = 0;
    for (; metric->labels[i] && labels && labels[i]; i++)
        if (strcmp(metric->labels[i], labels[i]) != 0)
            return false;
    return metric->labels[i] == NULL && (labels == NULL || labels[i] == NULL);
}

static struct metric *make(struct metrics *metrics, enum metric_type type, const char *name,
                           const char *help, const char *const *labels) {
    struct metric *metric = mem_zalloc(sizeof *metric);
    if (metric == NULL)
        return NULL;
    metric->metrics = metrics;
    metric->type = type;
    metric->name = mem_strdup(name);
    metric->help = mem_strdup(help);
    bool ok = metric->name && metric->help;
    for (size_t i = 0; ok && labels && labels[i]; i++)
        ok = (metric->labels[i] = mem_strdup(labels[i])) != NULL;
    if (ok && map_set(&metrics->families, str_of(name), metric, NULL) == 0)
        return metric;
    metric_destroy(metric);
    return NULL;
}

struct metric *metric_register(struct metrics *metrics, enum metric_type type, const char *name,
                               const char *help, const char *const *labels, struct error *err) {
    struct metric *metric = map_get(&metrics->families, str_of(name));
    size_t count = 0;
    bool valid = is_name(name);
    for (; valid && labels && labels[count]; count++)
        valid = is_name(labels[count]) && count < MOST_LABELS;
    if (!valid) {
        error_set(err, ERROR_INVALID, "\"%s\" is not a metric name, or a label of it is not", name);
        return NULL;
    }
    if (metric && (metric->type != type || !same_labels(metric, labels))) {
        error_set(err, ERROR_INVALID, "metric %s exists with another type or other labels", name);
        return NULL;
    }
    if (metric == NULL && (metric = make(metrics, type, name, help, labels)) == NULL)
        error_set(err, ERROR_NOMEM, "no memory for metric %s", name);
    return metric;
}

static void add_escaped(struct strbuf *buf, const char *text) {
    for (;;) {
        size_t plain = strcspn(text, "\n\"\\");
        strbuf_add(buf, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        strbuf_addc(buf, '\\');
        strbuf_addc(buf, *text == '\n' ? 'n' : *text);
        text++;
    }
}

static struct series *add_series(struct metric *metric, struct str labels) {
    struct series *series = mem_zalloc(sizeof *series);
    if (series == NULL)
        return NULL;
    series->labels = mem_strndup(labels.data, labels.len);
    if (metric->type == METRIC_HISTOGRAM)
        series->buckets = mem_calloc(BUCKETS, sizeof *series->buckets);
    if (series->labels && (metric->type != METRIC_HISTOGRAM || series->buckets) &&
        map_set(&metric->series, str_n(series->labels, labels.len), series, NULL) == 0)
        return series;
    series_destroy(series);
    return NULL;
}

static struct series *find_series(struct metric *metric, const char *const *values) {
    struct strbuf *labels = &metric->metrics->labels;
    strbuf_clear(labels);
    for (size_t i = 0; metric->labels[i]; i++) {
        if (i > 0)
            strbuf_addc(labels, ',');
        strbuf_adds(labels, metric->labels[i]);
        strbuf_adds(labels, "=\"");
        add_escaped(labels, values && values[i] ? values[i] : "");
        strbuf_addc(labels, '"');
    }
    struct series *series = labels->failed ? NULL : map_get(&metric->series, strbuf_view(labels));
    if (series == NULL && !labels->failed && metric->series.count < MOST_SERIES)
        series = add_series(metric, strbuf_view(labels));
    if (series == NULL)
        metric->metrics->dropped++;
    return series;
}

void metric_record(struct metric *metric, double value, const char *const *values) {
    struct series *series = metric ? find_series(metric, values) : NULL;
    if (series == NULL || isnan(value))
        return;
    series->value = metric->type == METRIC_GAUGE ? value : series->value + value;
    series->count++;
    for (int i = 0; series->buckets && i < BUCKETS; i++)
        if (value <= bounds[i]) {
            series->buckets[i]++;
            break;
        }
}

void metric_set(struct metric *metric, double value, const char *const *values) {
    struct series *series = metric ? find_series(metric, values) : NULL;
    if (series)
        series->value = value;
}

void metric_set_add(struct metric *metric, double value, const char *const *values) {
    struct series *series = metric ? find_series(metric, values) : NULL;
    if (series)
        series->value += value;
}

int metrics_add_collector(struct metrics *metrics, void (*collect)(void *context), void *context) {
    if (mem_grow(&metrics->collectors, &metrics->cap, metrics->count + 1,
                 sizeof *metrics->collectors) < 0)
        return ERROR_NOMEM;
    metrics->collectors[metrics->count++] = (struct collector){collect, context};
    return 0;
}

static void write_value(struct strbuf *buf, double value) {
    if (isinf(value))
        strbuf_adds(buf, value > 0 ? " +Inf\n" : " -Inf\n");
    else
        strbuf_printf(buf, " %.17g\n", value);
}

static void write_plain(struct strbuf *buf, const struct metric *metric,
                        const struct series *series) {
    const char *labels = series->labels ? series->labels : "";
    strbuf_adds(buf, metric->name);
    if (*labels)
        strbuf_printf(buf, "{%s}", labels);
    write_value(buf, series->value);
}

static void write_histogram(struct strbuf *buf, const struct metric *metric,
                            const struct series *series) {
    const char *labels = series->labels ? series->labels : "", *comma = *labels ? "," : "";
    uint64_t sum = 0;
    for (int i = 0; i < BUCKETS; i++) {
        sum += series->buckets[i];
        strbuf_printf(buf, "%s_bucket{%s%sle=\"%g\"} %llu\n", metric->name, labels, comma,
                      bounds[i], (unsigned long long)sum);
    }
    strbuf_printf(buf, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", metric->name, labels, comma,
                  (unsigned long long)series->count);
    strbuf_printf(buf, "%s_sum%s%s%s", metric->name, *labels ? "{" : "", labels,
                  *labels ? "}" : "");
    write_value(buf, series->value);
    strbuf_printf(buf, "%s_count%s%s%s %llu\n", metric->name, *labels ? "{" : "", labels,
                  *labels ? "}" : "", (unsigned long long)series->count);
}

static void write_family(struct strbuf *buf, const struct metric *metric) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    size_t at = 0;
    if (metric->series.count == 0)
        return;
    strbuf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                  types[metric->type]);
    for (struct map_entry *entry; (entry = map_next(&metric->series, &at));) {
        if (metric->type == METRIC_HISTOGRAM)
            write_histogram(buf, metric, entry->value);
        else
            write_plain(buf, metric, entry->value);
    }
}

void metrics_write(struct metrics *metrics, struct strbuf *buf) {
    size_t at = 0;
    for (size_t i = 0; i < metrics->count; i++)
        metrics->collectors[i].collect(metrics->collectors[i].context);
    for (struct map_entry *entry; (entry = map_next(&metrics->families, &at));)
        write_family(buf, entry->value);
    strbuf_printf(buf,
                  "# HELP moonlet_metrics_dropped_total Samples dropped for want of room.\n"
                  "# TYPE moonlet_metrics_dropped_total counter\n"
                  "moonlet_metrics_dropped_total %llu\n",
                  (unsigned long long)metrics->dropped);
}
