#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_view.h"

struct stage {
    struct clock_fake clock;
    struct dev_view view;
    struct dag *dag;
    int pipe[2];
};

static void begin(struct stage *stage) {
    struct error err;
    clock_fake_init(&stage->clock, NS_PER_S, NS_PER_S);
    assert_int_equal(pipe(stage->pipe), 0);
    dev_view_init(&stage->view, &stage->clock.clock, stage->pipe[1], NULL);
    assert_false(stage->view.colour); /* it is no terminal */
    stage->dag = dag_create(&(struct dag_options){0}, &err);
}

static void end(struct stage *stage) {
    close(stage->pipe[0]);
    close(stage->pipe[1]);
    dag_destroy(stage->dag);
}

static void expect(struct stage *stage, const char *text) {
    char said[1024] = "";
    ssize_t len = 0;
    if (*text)
        len = read(stage->pipe[0], said, sizeof said - 1);
    said[len] = '\0';
    assert_string_equal(said, text);
}

static void show(struct stage *stage, const char *verb, const char *before, const char *after,
                 bool created) {
    struct error err;
    node_t a = before ? dag_parse(stage->dag, str_of(before), 0, &err) : NODE_NONE;
    node_t b = after ? dag_parse(stage->dag, str_of(after), 0, &err) : NODE_NONE;
    struct observed_write write = {.controller = "app",
                                   .key_ns = str_of("ns"),
                                   .key_name = str_of("a"),
                                   .verb = verb,
                                   .kind = "apps/v1/Deployment",
                                   .ns = str_of("ns"),
                                   .name = str_of("web"),
                                   .dag = stage->dag,
                                   .before = a,
                                   .after = b,
                                   .created = created};
    stage->view.observer.wrote(stage->view.observer.context, &write);
    node_unref(stage->dag, a);
    node_unref(stage->dag, b);
}

#define AT "00:00:01.000 app ns/a  "

static void view_shows_what_was_written(void **state) {
    (void)state;
    struct stage stage;
    begin(&stage);
    show(&stage, "apply", NULL, "{\"a\":1}", true);
    expect(&stage, AT "created Deployment ns/web\n");
    show(&stage, "apply", "{\"a\":1}", "{\"a\":2}", false);
    expect(&stage, AT "changed Deployment ns/web\n               ~ a: 1 -> 2\n");
    show(&stage, "set_status", NULL, "{\"a\":2}", false); /* what was there is not known */
    expect(&stage, AT "wrote the status of Deployment ns/web\n");
    show(&stage, "update", "{\"a\":2}", "{\"a\":2}", false); /* nothing: no line */
    show(&stage, "delete", "{\"a\":2}", NULL, false);
    expect(&stage, AT "deleted Deployment ns/web\n");
    end(&stage);
}

static void view_shows_what_was_worked_on(void **state) {
    (void)state;
    struct stage stage;
    struct observed_result result = {"app", "ns/a", "event", "success", 0.0123};
    begin(&stage);
    stage.view.observer.reconciled(&stage.view, &result);
    expect(&stage, AT "done in 12.3 ms (event)\n");
    result.result = "error"; /* the log says more */
    stage.view.observer.reconciled(&stage.view, &result);
    result.result = "success";
    result.controller = "stand-in-pods"; /* is nobody's work */
    stage.view.observer.reconciled(&stage.view, &result);
    result.controller = "app";
    result.result = "requeue_after";
    stage.view.colour = true;
    stage.view.observer.reconciled(&stage.view, &result);
    expect(&stage, "\033[2m00:00:01.000 \033[0m\033[1mapp\033[0m ns/a  "
                   "\033[2mgoes on later, after 12.3 ms (event)\033[0m\n");
    end(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_shows_what_was_written),
        cmocka_unit_test(view_shows_what_was_worked_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
