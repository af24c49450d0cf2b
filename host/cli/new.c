#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"

static const struct option_spec specs[] = {
    {"dir", OPTION_TEXT, "DIR", "controllers", NULL, "where the files go"},
    OPTIONS_END,
};

/* @NAME@ is the controller's name, @KIND@ its kind. */
static const char controller_text[] =
    "local moonlet = require \"moonlet\"\n"
    "local s = require \"moonlet.schema\"\n"
    "\n"
    "local @KIND@ = moonlet.resource {\n"
    "  group = \"example.com\", version = \"v1\", kind = \"@KIND@\",\n"
    "  spec = s.object {\n"
    "    message = s.string { required = true, max_length = 200, description = \"What to say\" },\n"
    "  },\n"
    "  status = s.object { written = s.string() },\n"
    "  columns = { Message = \".spec.message\" },\n"
    "}\n"
    "\n"
    "return moonlet.controller {\n"
    "  name = \"@NAME@\",\n"
    "  resource = @KIND@,\n"
    "  owns = { \"v1/ConfigMap\" },\n"
    "\n"
    "  reconcile = function(obj, ctx)\n"
    "    local map = ctx:apply {\n"
    "      apiVersion = \"v1\", kind = \"ConfigMap\",\n"
    "      metadata = { name = obj.metadata.name .. \"-message\" },\n"
    "      data = { message = obj.spec.message },\n"
    "    }\n"
    "    ctx:set_status { written = map.metadata.name }\n"
    "  end,\n"
    "}\n";

static const char example_text[] = "apiVersion: example.com/v1\n"
                                   "kind: @KIND@\n"
                                   "metadata:\n"
                                   "  name: example\n"
                                   "spec:\n"
                                   "  message: hello\n";

static const char test_text[] =
    "local t = require \"moonlet.test\"\n"
    "local controller = require \"@NAME@\"\n"
    "\n"
    "t.case(\"writes the message into a ConfigMap it owns\", function()\n"
    "  local run = t.call(controller, \"reconcile\", {\n"
    "    apiVersion = \"example.com/v1\", kind = \"@KIND@\",\n"
    "    metadata = { name = \"demo\", namespace = \"default\", uid = \"1\" },\n"
    "    spec = { message = \"hello\" },\n"
    "  })\n"
    "  t.equal(run.applied[1].data.message, \"hello\")\n"
    "  t.equal(run.status.written, \"demo-message\")\n"
    "end)\n";

static bool valid_name(const char *name) {
    size_t len = strlen(name);
    for (const char *at = name; *at; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-'))
            return false;
    return len > 0 && len <= 40 && name[0] >= 'a' && name[len - 1] != '-';
}

/* "my-app" -> "MyApp" */
static void kind_of(const char *name, char kind[64]) {
    bool up = true;
    for (; *name; name++) {
        if (*name != '-')
            *kind++ = (char)(up && *name >= 'a' ? *name - 32 : *name);
        up = *name == '-';
    }
    *kind = '\0';
}

static void fill(struct strbuf *out, const char *text, const char *name, const char *kind) {
    while (*text) {
        if (strncmp(text, "@NAME@", 6) == 0 || strncmp(text, "@KIND@", 6) == 0) {
            strbuf_adds(out, text[1] == 'N' ? name : kind);
            text += 6;
        } else {
            strbuf_addc(out, *text++);
        }
    }
}

/* Never overwrites. */
static int write_file(const char *path, const char *text, const char *name, const char *kind,
                      struct error *err) {
    struct strbuf out = {0};
    FILE *file = fopen(path, "wxe");
    if (file == NULL)
        return error_set(err, errno == EEXIST ? ERROR_EXISTS : ERROR_FORBIDDEN, "%s: %s", path,
                         strerror(errno));
    fill(&out, text, name, kind);
    size_t done = out.failed ? 0 : fwrite(out.data, 1, out.len, file);
    bool ok = !out.failed && done == out.len;
    ok = fclose(file) == 0 && ok;
    strbuf_finish(&out);
    if (ok)
        return 0;
    unlink(path);
    return error_set(err, ERROR_UNAVAILABLE, "%s: could not be written: %s", path, strerror(errno));
}

static int write_all(const char *dir, const char *name, struct error *err) {
    char kind[64];
    static const struct {
        const char *suffix, *text;
    } files[] = {{".lua", controller_text}, {"_test.lua", test_text}, {".yaml", example_text}};
    kind_of(name, kind);
    if (mkdir(dir, 0777) < 0 && errno != EEXIST)
        return error_set(err, ERROR_FORBIDDEN, "%s: %s", dir, strerror(errno));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        CLEANUP(mem_freep) char *path = mem_printf("%s/%s%s", dir, name, files[i].suffix);
        if (path == NULL)
            return error_set(err, ERROR_NOMEM, "no memory");
        int rc = write_file(path, files[i].text, name, kind, err);
        if (rc < 0)
            return rc;
        printf("%s\n", path);
    }
    return 0;
}

static int run(const struct command_context *context, struct options *options) {
    const char *dir = option_text(options, "dir");
    struct error err;
    (void)context;
    if (options->argument_count != 1) {
        error_set(&err, ERROR_INVALID, "one name expected: moonlet new hello");
        return cli_usage(options->command, &err);
    }
    const char *name = options->arguments[0];
    if (!valid_name(name)) {
        error_set(&err, ERROR_INVALID,
                  "\"%s\" is not a name: a-z, 0-9 and -, starting with a letter, at most 40", name);
        return cli_usage(options->command, &err);
    }
    if (write_all(dir, name, &err) < 0)
        return cli_fail(&err);
    printf("\nNext:\n  moonlet check %s\n"
           "  moonlet run %s    # against a cluster; without one: moonlet dev %s\n"
           "  kubectl apply -f %s/%s.yaml\n",
           dir, dir, dir, dir, name);
    return EXIT_OK;
}

const struct command command_new = {
    "new",
    "NAME",
    "Writes a controller to start from, with a test and an example object.",
    "The controller has a CRD of its own and owns a ConfigMap. Nothing is overwritten.",
    specs,
    run};
