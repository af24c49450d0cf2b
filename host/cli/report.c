#include "cli/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "cli/tests.h"

void report_count(const struct report *report, size_t *ret_passed, size_t *ret_failed) {
    *ret_passed = *ret_failed = 0;
    for (size_t i = 0; i < report->count; i++)
        *(report->cases[i].result.failed ? ret_failed : ret_passed) += 1;
}

/* The command that runs this case again as it failed; quoted for a shell. */
static void write_replay(const struct report *report, const struct report_case *one,
                         struct strbuf *out) {
    strbuf_printf(out, "%s --case '", report->replay);
    for (const char *at = one->sentence; *at; at++)
        strbuf_adds(out, *at == '\'' ? "'\\''" : (char[]){*at, '\0'});
    strbuf_addc(out, '\'');
    if (one->chaos || report->only_seed)
        strbuf_printf(out, " --seed %" PRIu64, one->result.seed);
    if (one->result.faults)
        strbuf_printf(out, " --faults %s", one->result.faults);
}

static void write_failure(const struct report *report, const struct report_case *one,
                          struct strbuf *out) {
    const struct trial_result *result = &one->result;
    if (*one->sentence == '\0') { /* a file that cannot be run */
        strbuf_printf(out, "FAILED %s\n", result->problem ? result->problem : one->at);
        return;
    }
    strbuf_adds(out, "FAILED ");
    tests_describe(one->sentence, result->problem ? result->problem : "", out);
    strbuf_adds(out, "\n  again: ");
    write_replay(report, one, out);
    strbuf_addc(out, '\n');
    if (one->chaos && result->detail)
        strbuf_adds(out, result->detail);
}

static void put(struct strbuf *text, FILE *out) {
    fwrite(text->data ? text->data : "", 1, text->len, out);
    strbuf_finish(text);
}

void report_text(const struct report *report, FILE *out) {
    for (size_t i = 0; i < report->count; i++) {
        struct strbuf text = {0};
        const struct report_case *one = &report->cases[i];
        if (one->result.failed)
            write_failure(report, one, &text);
        else if (one->result.detail)
            strbuf_printf(&text, "passed %s: %s\n%s", one->at, one->sentence, one->result.detail);
        put(&text, out);
    }
}

void report_summary(const struct report *report, FILE *out) {
    size_t passed, failed;
    report_count(report, &passed, &failed);
    fprintf(out, "%zu passed, %zu failed\n", passed, failed);
}

static const char *path_of(const struct report *report, const struct report_case *one) {
    return report->suite->files[one->file].path;
}

void report_tap(const struct report *report, FILE *out) {
    fprintf(out, "TAP version 13\n1..%zu\n", report->count);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_case *one = &report->cases[i];
        CLEANUP(strbuf_finish) struct strbuf text = {0};
        fprintf(out, "%s %zu - %s: %s\n", one->result.failed ? "not ok" : "ok", i + 1,
                path_of(report, one), *one->sentence ? one->sentence : "it can be run");
        if (!one->result.failed)
            continue;
        write_failure(report, one, &text);
        fputs("# ", out);
        for (size_t at = 0; at < text.len; at++) {
            fputc(text.data[at], out);
            if (text.data[at] == '\n' && at + 1 < text.len)
                fputs("# ", out);
        }
    }
}

static void put_xml(const char *text, FILE *out) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '&')
            fputs("&amp;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else
            fputc(c < ' ' && c != '\n' && c != '\t' ? '?' : c, out);
    }
}

static void put_case(const struct report *report, const struct report_case *one, FILE *out) {
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    fputs("    <testcase classname=\"", out);
    put_xml(path_of(report, one), out);
    fputs("\" name=\"", out);
    put_xml(*one->sentence ? one->sentence : "it can be run", out);
    if (!one->result.failed) {
        fputs("\"/>\n", out);
        return;
    }
    fputs("\">\n      <failure message=\"", out);
    put_xml(one->result.problem ? one->result.problem : "", out);
    fputs("\">", out);
    write_failure(report, one, &text);
    put_xml(text.data ? text.data : "", out);
    fputs("</failure>\n    </testcase>\n", out);
}

static void put_suite(const struct report *report, size_t file, FILE *out) {
    size_t cases = 0, failed = 0;
    for (size_t i = 0; i < report->count; i++) {
        cases += report->cases[i].file == file;
        failed += report->cases[i].file == file && report->cases[i].result.failed;
    }
    if (cases == 0)
        return;
    fputs("  <testsuite name=\"", out);
    put_xml(report->suite->files[file].path, out);
    fprintf(out, "\" tests=\"%zu\" failures=\"%zu\">\n", cases, failed);
    for (size_t i = 0; i < report->count; i++)
        if (report->cases[i].file == file)
            put_case(report, &report->cases[i], out);
    fputs("  </testsuite>\n", out);
}

void report_junit(const struct report *report, FILE *out) {
    size_t passed, failed;
    report_count(report, &passed, &failed);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
    fprintf(out, "<testsuites tests=\"%zu\" failures=\"%zu\">\n", passed + failed, failed);
    for (size_t i = 0; i < report->suite->count; i++)
        put_suite(report, i, out);
    fputs("</testsuites>\n", out);
}
