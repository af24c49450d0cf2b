#include "runtime/script_engine.h"

#include "base/mem.h"

struct script_request *script_request_create(enum script_op op) {
    struct script_request *request = mem_zalloc(sizeof *request);
    if (!request)
        return NULL;
    list_init(&request->message.link);
    request->op = op;
    request->force = request->owner = request->create = -1;
    request->grace_s = -1;
    return request;
}

void script_request_destroy(struct script_request *request) {
    if (!request)
        return;
    mem_free(request->kind);
    mem_free(request->ns);
    mem_free(request->name);
    mem_free(request->key);
    mem_free(request->subresource);
    strbuf_finish(&request->body);
    object_unpin(request->base);
    mem_free(request->manager);
    mem_free(request->propagation);
    mem_free(request->precondition_uid);
    mem_free(request->precondition_version);
    mem_free(request->labels);
    mem_free(request->fields);
    mem_free(request->method);
    mem_free(request->url);
    mem_free(request->headers);
    object_unpin(request->object);
    strbuf_finish(&request->text);
    mem_free(request->headers_out);
    mem_free(request);
}

void script_note_destroy(struct script_note *note) {
    if (!note)
        return;
    mem_free(note->a);
    mem_free(note->b);
    mem_free(note->c);
    mem_free(note->ref);
    mem_free(note);
}

void script_result_finish(struct script_result *result) {
    mem_free(result->traceback);
    mem_free(result->keys);
    strbuf_finish(&result->answer);
    *result = (struct script_result){0};
}
