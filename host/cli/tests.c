#include "cli/tests.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/stage.h"

void tests_describe(const char *sentence, const char *problem, struct strbuf *out) {
    const char *at = strstr(problem, ": ");
    if (at)
        strbuf_printf(out, "%.*s: %s: %s", (int)(at - problem), problem, sentence, at + 2);
    else
        strbuf_printf(out, "%s: %s", sentence, problem);
}

/* Its controller did not load, which was said. */
static bool is_broken(const struct loader *loader, const struct suite_file *file) {
    for (size_t i = 0; i < loader_count(loader); i++) {
        const struct loaded *one = loader_at(loader, i);
        if (one->source && strcmp(one->source->name, file->owner) == 0)
            return one->error.code != 0;
    }
    return false;
}

static void count(struct tests_count *ret, const struct stage_case *one,
                  const struct stage_outcome *outcome) {
    if (outcome->passed_over) {
        ret->passed_over++;
    } else if (outcome->failed) {
        CLEANUP(strbuf_finish) struct strbuf text = {0};
        ret->failed++;
        tests_describe(one->sentence, outcome->problem ? outcome->problem : "", &text);
        fprintf(stderr, "%s\n", text.data ? text.data : one->sentence);
    } else {
        ret->passed++;
    }
}

static void run_file(const struct stage_options *options, const struct suite_file *file,
                     struct tests_count *ret) {
    static const struct stage_plan plan = {.seed = 1};
    struct error err;
    struct stage *stage = stage_open(options, file, &err);
    if (stage == NULL) {
        fprintf(stderr, "%s\n", err.message);
        ret->failed++;
        return;
    }
    for (size_t i = 0; i < stage_count(stage); i++) {
        struct stage_outcome outcome = {0};
        stage_run(stage, i, &plan, &outcome);
        count(ret, stage_at(stage, i), &outcome);
        stage_outcome_finish(&outcome);
    }
    stage_close(stage);
}

int tests_run(const struct command_context *context, const struct loader *loader,
              const char *const *folders, struct tests_count *ret, struct error *err) {
    struct stage_options options = {
        .engine = context->engine, .clock = context->clock, .config = loader_config(loader)};
    struct suite suite;
    *ret = (struct tests_count){0};
    if (suite_find(folders, &suite, err) < 0)
        return err->code;
    for (size_t i = 0; i < suite.count; i++)
        if (!is_broken(loader, &suite.files[i]))
            run_file(&options, &suite.files[i], ret);
    suite_finish(&suite);
    return 0;
}
