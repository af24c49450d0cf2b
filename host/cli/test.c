#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/coverage.h"
#include "cli/pool.h"
#include "cli/report.h"

enum { SEEDS = 100, SEEDS_AT_ONCE = 10 };

static const struct option_spec specs[] = {
    {"case", OPTION_TEXT, "PATTERN", NULL, NULL,
     "only cases whose sentence has this in it, or fits it (* and ?)"},
    {"seed", OPTION_NUMBER, "N", NULL, NULL, "only this seed; runs again what has failed"},
    {"faults", OPTION_TEXT, "LIST", NULL, NULL,
     "with --seed: exactly these of its faults happen, as a failure prints them"},
    {"seeds", OPTION_NUMBER, "N", NULL, NULL,
     "seeds of each t.chaos; else what it says itself, or 100"},
    {"jobs", OPTION_NUMBER, "N", NULL, NULL, "processes; else one for each CPU"},
    {"format", OPTION_TEXT, "FORMAT", "text", "text|tap|junit", "of what is printed"},
    {"junit", OPTION_TEXT, "FILE", NULL, NULL, "writes JUnit's XML to a file as well"},
    {"coverage", OPTION_FLAG, NULL, NULL, NULL, "says which lines of controllers did not run"},
    {"timeout", OPTION_DURATION, "TIME", "1m", NULL,
     "CPU time after which a case, or a seed of it, has failed"},
    {"list", OPTION_FLAG, NULL, NULL, NULL, "says which cases there are, and runs none"},
    OPTION_SET,
    OPTION_CONFIG,
    OPTIONS_END,
};

struct unit {
    size_t at; /* of report.cases */
    uint64_t seed, seeds;
};

struct testing {
    const struct options *options;
    struct stage_options how;
    struct fault_list faults; /* --faults */
    struct suite suite;
    struct report report;
    struct coverage coverage;
    struct strbuf replay;
    struct stage **stages; /* by file; opened when needed */
    struct unit *units;
    size_t unit_count, unit_cap;
};

/* Which cases there are */

static bool is_wanted(const struct testing *testing, const char *sentence) {
    const char *pattern = option_text(testing->options, "case");
    return pattern == NULL || strstr(sentence, pattern) || fnmatch(pattern, sentence, 0) == 0;
}

static struct report_case *add_case(struct testing *testing, size_t file, const char *sentence,
                                    const char *at) {
    struct report *report = &testing->report;
    if (mem_grow(&report->cases, &report->cap, report->count + 1, sizeof *report->cases) < 0)
        return NULL;
    struct report_case *one = &report->cases[report->count];
    *one = (struct report_case){
        .file = file, .sentence = mem_strdup(sentence), .at = mem_strdup(at), .seeds = 1};
    if (one->sentence == NULL || one->at == NULL)
        return NULL;
    report->count++;
    return one;
}

static uint64_t seeds_of(const struct testing *testing, const struct stage_case *of) {
    if (!of->chaos || option_given(testing->options, "seed"))
        return 1;
    if (option_given(testing->options, "seeds"))
        return option_number(testing->options, "seeds");
    return of->seeds ? of->seeds : SEEDS;
}

static int list_file(struct testing *testing, size_t file, struct error *err) {
    const struct suite_file *test = &testing->suite.files[file];
    struct error failure;
    struct stage *stage = stage_open(&testing->how, test, &failure);
    int rc = 0;
    if (stage == NULL) {
        struct report_case *one = add_case(testing, file, "", test->path);
        if (one) {
            one->result.failed = true;
            one->result.problem = mem_strdup(failure.message);
        }
        return one ? 0 : error_set(err, ERROR_NOMEM, "no memory");
    }
    for (size_t i = 0; rc == 0 && i < stage_count(stage); i++) {
        const struct stage_case *of = stage_at(stage, i);
        if (!is_wanted(testing, of->sentence))
            continue;
        struct report_case *one = add_case(testing, file, of->sentence, of->at);
        if (one == NULL) {
            rc = error_set(err, ERROR_NOMEM, "no memory");
            continue;
        }
        one->index = i;
        one->chaos = of->chaos;
        one->seeds = seeds_of(testing, of);
    }
    stage_close(stage);
    return rc;
}

static int list_units(struct testing *testing, struct error *err) {
    uint64_t first = testing->report.only_seed ? testing->report.only_seed : 1;
    for (size_t i = 0; i < testing->report.count; i++) {
        const struct report_case *one = &testing->report.cases[i];
        for (uint64_t done = 0; done < one->seeds && !one->result.failed; done += SEEDS_AT_ONCE) {
            uint64_t left = one->seeds - done;
            if (mem_grow(&testing->units, &testing->unit_cap, testing->unit_count + 1,
                         sizeof *testing->units) < 0)
                return error_set(err, ERROR_NOMEM, "no memory");
            testing->units[testing->unit_count++] =
                (struct unit){i, first + done, left < SEEDS_AT_ONCE ? left : SEEDS_AT_ONCE};
        }
    }
    return 0;
}

/* In a process of the pool */

static struct stage *stage_of(struct testing *testing, size_t file, struct error *err) {
    if (testing->stages[file] == NULL)
        testing->stages[file] = stage_open(&testing->how, &testing->suite.files[file], err);
    return testing->stages[file];
}

static void leave(void *context) {
    struct testing *testing = context;
    for (size_t i = 0; i < testing->suite.count; i++) {
        stage_close(testing->stages[i]);
        testing->stages[i] = NULL;
    }
}

static void work(void *context, size_t at, struct strbuf *ret) {
    struct testing *testing = context;
    const struct unit *unit = &testing->units[at];
    const struct report_case *one = &testing->report.cases[unit->at];
    struct trial_result result = {0};
    struct error err;
    struct stage *stage = stage_of(testing, one->file, &err);
    if (stage == NULL) {
        result.failed = true;
        result.problem = mem_strdup(err.message);
    } else if (one->chaos && option_given(testing->options, "faults")) {
        trial_replay(stage, one->index, unit->seed, &testing->faults, &result);
    } else if (one->result.failed) { /* known to fail: the least that makes it */
        trial_shrink(stage, one->index, unit->seed, &result);
    } else {
        trial_run(stage, one->index, unit->seed, unit->seeds, &result);
    }
    if (testing->how.coverage) {
        CLEANUP(strbuf_finish) struct strbuf lines = {0};
        coverage_write(&testing->coverage, &lines);
        result.coverage = strbuf_take(&lines);
    }
    trial_write(&result, ret);
    trial_finish(&result);
}

/* In this process */

static bool is_still_wanted(void *context, size_t at) {
    const struct testing *testing = context;
    const struct unit *unit = &testing->units[at];
    const struct trial_result *known = &testing->report.cases[unit->at].result;
    return !known->failed || unit->seed < known->seed;
}

static void read_result(struct str text, const char *how, const struct unit *unit,
                        struct trial_result *ret) {
    if (text.data && trial_read(text, ret) == 0)
        return;
    *ret = (struct trial_result){.failed = true,
                                 .seed = unit->seed,
                                 .problem = mem_strdup(how ? how : "its result was not readable")};
}

static void on_done(void *context, size_t at, struct str text, const char *how) {
    struct testing *testing = context;
    const struct unit *unit = &testing->units[at];
    struct report_case *one = &testing->report.cases[unit->at];
    struct trial_result result;
    read_result(text, how, unit, &result);
    coverage_add(&testing->coverage, str_of(result.coverage));
    one->passed += result.tried - (result.failed && result.tried > 0);
    bool first = result.failed && (!one->result.failed || result.seed < one->result.seed);
    if (first || (result.detail && !one->result.failed)) {
        trial_finish(&one->result);
        one->result = result;
        return;
    }
    trial_finish(&result);
}

/* What it takes for it to fail; what is known stays when the seed does not fail again. */
static void on_shrunk(void *context, size_t at, struct str text, const char *how) {
    struct testing *testing = context;
    struct trial_result *known = &testing->report.cases[testing->units[at].at].result, result;
    read_result(text, how, &testing->units[at], &result);
    if (result.failed && result.problem) {
        trial_finish(known);
        *known = result;
        return;
    }
    mem_free(known->detail);
    known->detail = result.detail;
    result.detail = NULL;
    trial_finish(&result);
}

static unsigned jobs_of(const struct options *options) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (option_given(options, "jobs"))
        return option_number(options, "jobs") ? (unsigned)option_number(options, "jobs") : 1;
    return cpus > 0 ? (unsigned)cpus : 1;
}

static int run_cases(struct testing *testing, struct error *err) {
    struct pool_options pool = {.jobs = jobs_of(testing->options),
                                .count = testing->unit_count,
                                .wanted = is_still_wanted,
                                .work = work,
                                .done = on_done,
                                .leave = leave,
                                .context = testing};
    if (pool_run(&pool, err) < 0)
        return err->code;
    if (option_given(testing->options, "faults"))
        return 0; /* they are the least already */
    testing->unit_count = 0;
    for (size_t i = 0; i < testing->report.count; i++)
        if (testing->report.cases[i].chaos && testing->report.cases[i].result.failed)
            testing->units[testing->unit_count++] =
                (struct unit){i, testing->report.cases[i].result.seed, 1};
    pool.count = testing->unit_count;
    pool.wanted = NULL;
    pool.done = on_shrunk;
    return testing->unit_count ? pool_run(&pool, err) : 0;
}

static void print_list(const struct testing *testing) {
    for (size_t i = 0; i < testing->report.count; i++) {
        const struct report_case *one = &testing->report.cases[i];
        const char *path = testing->suite.files[one->file].path, *line = strrchr(one->at, ':');
        if (*one->sentence == '\0')
            fprintf(stderr, "%s\n", one->result.problem);
        else if (one->chaos)
            printf("%s%s: %s (%" PRIu64 " seeds)\n", path, line ? line : "", one->sentence,
                   one->seeds);
        else
            printf("%s%s: %s\n", path, line ? line : "", one->sentence);
    }
}

static int write_junit(const struct testing *testing, const char *path, struct error *err) {
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    report_junit(&testing->report, file);
    if (fclose(file) != 0)
        return error_set(err, ERROR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    return 0;
}

static int print_report(const struct testing *testing, struct error *err) {
    const char *format = option_text(testing->options, "format");
    const char *junit = option_text(testing->options, "junit");
    if (strcmp(format, "tap") == 0)
        report_tap(&testing->report, stdout);
    else if (strcmp(format, "junit") == 0)
        report_junit(&testing->report, stdout);
    else
        report_text(&testing->report, stdout);
    if (testing->how.coverage)
        coverage_print(&testing->coverage, strcmp(format, "text") == 0 ? stdout : stderr);
    if (strcmp(format, "text") == 0)
        report_summary(&testing->report, stdout);
    return junit ? write_junit(testing, junit, err) : 0;
}

static int prepare(struct testing *testing, const char *const *folders, struct error *err) {
    if (suite_find(folders, &testing->suite, err) < 0)
        return err->code;
    testing->report.suite = &testing->suite;
    testing->report.only_seed = option_number(testing->options, "seed");
    strbuf_adds(&testing->replay, "moonlet test");
    for (; *folders; folders++)
        strbuf_printf(&testing->replay, " %s", *folders);
    testing->report.replay = testing->replay.data;
    testing->stages = mem_calloc(testing->suite.count + 1, sizeof(struct stage *));
    if (testing->stages == NULL || testing->replay.failed)
        return error_set(err, ERROR_NOMEM, "no memory");
    for (size_t i = 0; i < testing->suite.count; i++)
        if (list_file(testing, i, err) < 0)
            return err->code;
    if (testing->report.count == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no %s",
                         testing->suite.count ? "such case" : "*_test.lua beside a controller");
    return list_units(testing, err);
}

static int run(struct testing *testing, const char *const *folders) {
    struct error err;
    size_t passed, failed;
    if (prepare(testing, folders, &err) < 0)
        return cli_fail(&err);
    if (option_flag(testing->options, "list")) {
        print_list(testing);
    } else if (run_cases(testing, &err) < 0 || print_report(testing, &err) < 0) {
        return cli_fail(&err);
    }
    report_count(&testing->report, &passed, &failed);
    return failed ? EXIT_FAILED : EXIT_OK;
}

static int read_faults(const struct options *options, struct fault_list *ret, struct error *err) {
    if (!option_given(options, "faults"))
        return 0;
    if (!option_given(options, "seed"))
        return error_set(err, ERROR_INVALID, "--faults: of which --seed?");
    return fault_list_read(option_text(options, "faults"), ret, err) == 0
               ? 0
               : error_prefix(err, "--faults");
}

static int test(const struct command_context *context, struct options *options) {
    const char *const *folders = cli_folders(options);
    struct error err;
    if (folders == NULL)
        return EXIT_USAGE;
    CLEANUP(mem_freep) char *config = cli_script_config(options, &err);
    if (config == NULL)
        return cli_fail(&err);
    struct testing testing = {.options = options,
                              .how = {.engine = context->engine,
                                      .clock = context->clock,
                                      .config = config,
                                      .simulate = true,
                                      .cpu_ns = option_duration(options, "timeout")}};
    if (read_faults(options, &testing.faults, &err) < 0)
        return cli_usage(options->command, &err);
    coverage_init(&testing.coverage);
    if (option_flag(options, "coverage"))
        testing.how.coverage = &testing.coverage.watcher;
    int exit_code = run(&testing, folders);
    coverage_finish(&testing.coverage);
    fault_list_finish(&testing.faults);
    for (size_t i = 0; i < testing.report.count; i++) {
        mem_free(testing.report.cases[i].sentence);
        mem_free(testing.report.cases[i].at);
        trial_finish(&testing.report.cases[i].result);
    }
    mem_free(testing.report.cases);
    mem_free(testing.units);
    mem_free(testing.stages);
    strbuf_finish(&testing.replay);
    suite_finish(&testing.suite);
    return exit_code;
}

const struct command command_test = {
    "test",
    "DIR...",
    "Runs the tests of controllers in a simulated cluster.",
    "Runs each case of every *_test.lua beside a controller, with an API server of its\n"
    "own, in virtual time. A t.chaos runs once for each seed, which decides what goes\n"
    "wrong when; of one that fails it says how to run it again and which faults it\n"
    "takes. The last line says how many cases passed and how many failed.\n"
    "Exits 1 when one failed.",
    specs,
    test};
