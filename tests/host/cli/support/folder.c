#include "cli/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct script {
    char *text;
};

char fake_engine_seen[2048];

static struct script_engine *engine_open(const struct script_host *host, struct error *err) {
    (void)host;
    (void)err;
    return (struct script_engine *)&fake_engine_seen;
}

static void engine_close(struct script_engine *engine) {
    (void)engine;
}

static struct script *engine_load(struct script_engine *engine, const struct script_source *source,
                                  const struct script_limits *limits, const char *config,
                                  struct error *err) {
    (void)engine, (void)limits, (void)config;
    if (strstr(source->name, "_test")) {
        for (size_t i = 0; i < source->count; i++) {
            strcat(fake_engine_seen, source->files[i].module);
            strcat(fake_engine_seen, i + 1 < source->count ? " " : "\n");
        }
    }
    if (source->files[0].text[0] != '{') {
        error_set(err, ERROR_INVALID, "%s:1: it is broken", source->files[0].path);
        return NULL;
    }
    struct script *script = mem_alloc(sizeof *script);
    assert_non_null(script);
    script->text = mem_strdup(source->files[0].text);
    return script;
}

static const char *engine_declaration(const struct script *script) {
    return script->text;
}

static void engine_unload(struct script *script) {
    mem_free(script->text);
    mem_free(script);
}

/* A case's outcome is what the file says of it: its "run". */
static void engine_call(struct script *script, const struct script_call *call,
                        struct script_run **ret_run, struct script_result *ret) {
    json_t *json = json_loads(script->text, 0, NULL);
    json_t *one = json_array_get(json_object_get(json, "tests"), call->definition);
    char *text = json_dumps(json_object_get(one, "run"), JSON_COMPACT);
    *ret_run = NULL;
    ret->state = SCRIPT_DONE;
    strbuf_adds(&ret->answer, text);
    free(text);
    json_decref(json);
}

const struct script_engine_type fake_engine = {.name = "fake",
                                               .open = engine_open,
                                               .close = engine_close,
                                               .load = engine_load,
                                               .declaration = engine_declaration,
                                               .unload = engine_unload,
                                               .call = engine_call};

void folder_write(const struct folder *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

void folder_make(struct folder *folder) {
    strcpy(folder->path, "/tmp/moonlet-cli-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    fake_engine_seen[0] = '\0';
}

void folder_drop(struct folder *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder->path);
    assert_int_equal(system(command), 0);
}

void capture_begin(struct capture *capture, int fd) {
    *capture = (struct capture){.file = tmpfile(), .fd = fd};
    assert_non_null(capture->file);
    fflush(NULL);
    capture->kept = dup(fd);
    dup2(fileno(capture->file), fd);
}

void capture_end(struct capture *capture, char *ret, size_t size) {
    fflush(NULL);
    dup2(capture->kept, capture->fd);
    close(capture->kept);
    rewind(capture->file);
    ret[fread(ret, 1, size - 1, capture->file)] = '\0';
    fclose(capture->file);
}

int folder_run(struct folder *folder, char **env, char *const *words) {
    static char *const nothing[] = {NULL};
    struct command_context context = {
        .clock = clock_real(), .engine = &fake_engine, .env = env ? env : (char **)nothing};
    struct capture said, printed;
    char *argv[16] = {(char *)"moonlet"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    capture_begin(&printed, STDOUT_FILENO);
    capture_begin(&said, STDERR_FILENO);
    int exit_code = cli_main(&context, argc, argv);
    capture_end(&said, folder->said, sizeof folder->said);
    capture_end(&printed, folder->printed, sizeof folder->printed);
    return exit_code;
}
