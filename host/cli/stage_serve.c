#include <string.h>

#include "base/mem.h"
#include "cli/stage_internal.h"

/* sim:http: the test's functions stand in for services that controllers ask. */

struct stage_service {
    struct stage_service *next;
    struct stage *stage;
    unsigned handler; /* its place in the case */
};

static char *describe(const struct stage_service *service, const char *method, const char *url,
                      const struct http_header *headers, struct str body) {
    json_t *all = json_object();
    for (; headers && headers->name; headers++)
        json_object_set_new(all, headers->name, json_string(headers->value));
    json_t *text = json_stringn(body.len ? body.data : "", body.len);
    json_t *request =
        json_pack("{s:i, s:s, s:s, s:o, s:o}", "handler", (int)service->handler, "method", method,
                  "url", url, "headers", all, "body", text ? text : json_string("(not UTF-8)"));
    return stage_json(request);
}

static void answer(struct testbed_fetch *fetch, const struct strbuf *said) {
    struct http_header headers[33] = {{0}};
    json_t *json = json_loadb(said->data ? said->data : "", said->len, 0, NULL), *value;
    json_t *body = json_object_get(json, "body");
    const char *name;
    size_t count = 0;
    json_object_foreach(json_object_get(json, "headers"), name, value) {
        if (count < 32 && json_is_string(value))
            headers[count++] = (struct http_header){name, json_string_value(value)};
    }
    int status = (int)json_number_value(json_object_get(json, "status"));
    testbed_answer_fetch(fetch, status ? status : 500, headers,
                         str_n(json_string_value(body), json_string_length(body)));
    json_decref(json);
}

static void on_fetch(void *context, struct testbed_fetch *fetch, const char *method,
                     const char *url, const struct http_header *headers, struct str body) {
    struct stage_service *service = context;
    struct stage *stage = service->stage;
    struct script_result result = {0};
    CLEANUP(mem_freep) char *request = describe(service, method, url, headers, body);
    struct script_call call = {.function = "test.http", .event = request, .reason = "event"};
    stage->serving = true;
    if (request)
        stage_call(stage, &call, &result);
    stage->serving = false;
    answer(fetch, &result.answer);
    script_result_finish(&result);
}

int stage_serve(struct stage *stage, const char *prefix, unsigned handler, struct error *err) {
    struct stage_service *service = mem_zalloc(sizeof *service);
    if (service == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    *service = (struct stage_service){stage->services, stage, handler};
    stage->services = service;
    struct testbed_handler how = {on_fetch, service};
    return testbed_http(stage->testbed, prefix, &how, err);
}

void stage_serve_end(struct stage *stage) {
    while (stage->services) {
        struct stage_service *next = stage->services->next;
        mem_free(stage->services);
        stage->services = next;
    }
}
