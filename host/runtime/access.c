#include "runtime/access.h"

#include <string.h>

#include "addon/rules.h"
#include "base/mem.h"
#include "json/write.h"

/* One review per rule and verb; MOST_AT_ONCE under way. */
enum { MOST_AT_ONCE = 8 };

struct access_check;
struct review {
    struct access_check *check;
    struct kube_call *call;
    size_t rule;
    unsigned verb; /* bit number */
};

struct access_check {
    struct host *host;
    struct rules rules;
    size_t at_rule;
    unsigned at_verb;
    struct review reviews[MOST_AT_ONCE];
    unsigned under_way;
    unsigned *missing; /* per rule: the verbs that were refused */
    bool any_missing;
    struct error failure; /* of a review that was not answered; code 0 = none */
    struct loop_timer begin;
    void (*done)(void *context, const struct error *err);
    void *context;
};

static void write_review(struct strbuf *body, const struct rule *rule, const char *verb) {
    struct json_writer writer;
    const char *slash = strchr(rule->resource, '/');
    json_writer_init(&writer, body);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "apiVersion", str_of("authorization.k8s.io/v1"));
    json_write_key_string(&writer, "kind", str_of("SelfSubjectAccessReview"));
    json_write_key(&writer, str_of("spec"));
    json_write_object_begin(&writer);
    json_write_key(&writer, str_of("resourceAttributes"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "verb", str_of(verb));
    json_write_key_string(&writer, "group", str_of(rule->group));
    json_write_key_string(&writer, "resource",
                          slash ? str_n(rule->resource, (size_t)(slash - rule->resource))
                                : str_of(rule->resource));
    if (slash)
        json_write_key_string(&writer, "subresource", str_of(slash + 1));
    if (rule->name)
        json_write_key_string(&writer, "name", str_of(rule->name));
    if (rule->ns)
        json_write_key_string(&writer, "namespace", str_of(rule->ns));
    json_write_object_end(&writer);
    json_write_object_end(&writer);
    json_write_object_end(&writer);
}

/* The rules to add, as they stand in a Role. */
static void describe(const struct access_check *check, struct strbuf *text) {
    for (size_t i = 0; i < check->rules.count; i++) {
        const struct rule *rule = &check->rules.items[i];
        bool first = true;
        if (check->missing[i] == 0)
            continue;
        strbuf_printf(text, "\n- apiGroups: [\"%s\"]\n  resources: [\"%s\"]\n", rule->group,
                      rule->resource);
        if (rule->name)
            strbuf_printf(text, "  resourceNames: [\"%s\"]\n", rule->name);
        strbuf_adds(text, "  verbs: [");
        for (unsigned v = 0; v < 7; v++)
            if (check->missing[i] & 1u << v) {
                strbuf_printf(text, "%s\"%s\"", first ? "" : ", ", rule_verb_names[v]);
                first = false;
            }
        strbuf_addc(text, ']');
        if (rule->ns)
            strbuf_printf(text, " # in namespace %s", rule->ns);
    }
}

static void conclude(struct access_check *check) {
    struct error err;
    struct strbuf text = {0};
    if (check->failure.code != 0) { /* nobody said that it is allowed */
        err = check->failure;
        error_prefix(&err, "the server does not say whether what the file declares is allowed");
        check->done(check->context, &err);
        return;
    }
    if (!check->any_missing) {
        check->done(check->context, NULL);
        return;
    }
    describe(check, &text);
    error_set(&err, ERROR_FORBIDDEN, "the server does not allow what the file declares; add:%s",
              text.data ? text.data : "");
    strbuf_finish(&text);
    check->done(check->context, &err);
}

static void fill(struct access_check *check);

/* No more questions: the whole check is tried again later. */
static void give_up(struct access_check *check, const struct error *err) {
    if (check->failure.code == 0)
        check->failure = *err;
    check->at_rule = check->rules.count;
}

static void take(struct access_check *check, const struct review *review, struct str body) {
    struct dag *dag = check->host->dag;
    struct error err;
    node_t root = dag_parse(dag, body, 0, &err);
    enum node_type allowed = node_type(dag, node_path(dag, root, "status.allowed"));
    if (root == NODE_NONE) {
        give_up(check, &err);
    } else if (allowed == NODE_FALSE) {
        check->missing[review->rule] |= 1u << review->verb;
        check->any_missing = true;
    } else if (allowed != NODE_TRUE) {
        error_set(&err, ERROR_PROTOCOL, "the answer has no status.allowed");
        give_up(check, &err);
    }
    node_unref(dag, root);
}

static void on_answer(void *context, const struct kube_answer *answer, const struct error *err) {
    struct review *review = context;
    struct access_check *check = review->check;
    review->call = NULL;
    check->under_way--;
    if (err)
        give_up(check, err);
    else
        take(check, review, answer->body);
    fill(check);
}

static bool next_question(struct access_check *check) {
    while (check->at_rule < check->rules.count) {
        while (check->at_verb < 7)
            if (check->rules.items[check->at_rule].verbs & 1u << check->at_verb++)
                return true;
        check->at_verb = 0;
        check->at_rule++;
    }
    return false;
}

static void ask(struct access_check *check, struct review *review) {
    struct strbuf body = {0};
    struct error err;
    review->check = check;
    review->rule = check->at_rule;
    review->verb = check->at_verb - 1;
    write_review(&body, &check->rules.items[review->rule], rule_verb_names[review->verb]);
    struct kube_request request = {.method = "POST",
                                   .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                   .body = strbuf_view(&body)};
    review->call = NULL;
    error_set(&err, ERROR_NOMEM, "no memory to check permissions");
    if (!body.failed)
        review->call = kube_call_start(check->host->client, &request, on_answer, review, &err);
    strbuf_finish(&body);
    if (review->call)
        check->under_way++;
    else
        give_up(check, &err);
}

static void fill(struct access_check *check) {
    for (int i = 0; i < MOST_AT_ONCE; i++)
        if (check->reviews[i].call == NULL && next_question(check))
            ask(check, &check->reviews[i]);
    if (check->under_way == 0)
        conclude(check);
}

static void on_begin(struct loop_timer *timer) {
    fill(CONTAINER_OF(timer, struct access_check, begin));
}

static int compute(struct rules *rules, const struct declaration *declaration,
                   char *const *namespaces, struct error *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < declaration->count; i++)
        rc =
            rules_for_definition(rules, declaration, &declaration->definitions[i], namespaces, err);
    return rc;
}

/* True when `checked` needed the same: there is nothing to ask. */
static bool known(const struct rules *rules, const struct declaration *checked,
                  char *const *namespaces) {
    struct rules before = {0};
    struct error err;
    bool same =
        checked && compute(&before, checked, namespaces, &err) == 0 && rules_equal(rules, &before);
    rules_finish(&before);
    return same;
}

struct access_check *access_start(struct host *host, const struct declaration *declaration,
                                  const struct declaration *checked,
                                  void (*done)(void *context, const struct error *err),
                                  void *context, struct error *err) {
    struct access_check *check = mem_zalloc(sizeof *check);
    if (check == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to check permissions");
        return NULL;
    }
    *check = (struct access_check){.host = host, .done = done, .context = context};
    loop_timer_init(host->loop, &check->begin, on_begin);
    if (compute(&check->rules, declaration, host->namespaces, err) == 0) {
        if (known(&check->rules, checked, host->namespaces))
            check->at_rule = check->rules.count;
        check->missing = mem_calloc(check->rules.count, sizeof *check->missing);
        if (check->missing && loop_timer_start(&check->begin, 0) == 0)
            return check;
        error_set(err, ERROR_NOMEM, "no memory to check permissions");
    }
    access_destroy(check);
    return NULL;
}

void access_destroy(struct access_check *check) {
    if (check == NULL)
        return;
    loop_timer_stop(&check->begin);
    for (int i = 0; i < MOST_AT_ONCE; i++)
        kube_call_cancel(check->reviews[i].call);
    rules_finish(&check->rules);
    mem_free(check->missing);
    mem_free(check);
}
