/* Writes every script of the library as C: its text, and the same compiled, which loads seven times
 * faster. `embed OUT.c DIR SCRIPT...`; "moonlet/http.lua" is module "moonlet.http", and
 * "moonlet/init.lua" is "moonlet". */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

struct code {
    unsigned char *data;
    size_t len;
};

static int add(lua_State *L, const void *data, size_t len, void *context) {
    struct code *code = context;
    (void)L;
    if (code->len + len > MOST)
        return 1;
    memcpy(code->data + code->len, data, len);
    code->len += len;
    return 0;
}

static void write_bytes(FILE *out, const char *kind, int number, const struct code *code) {
    fprintf(out, "static const unsigned char %s_%d[] = {", kind, number);
    for (size_t i = 0; i < code->len; i++)
        fprintf(out, "%s%u,", i % 24 ? "" : "\n", code->data[i]);
    fprintf(out, "0};\n");
}

static int read_text(const char *dir, const char *script, struct code *text) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, script);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return -1;
    text->len = fread(text->data, 1, MOST, in);
    int rc = ferror(in) || text->len == MOST ? -1 : 0;
    fclose(in);
    return rc;
}

/* As bindings/library.c loads it: the name of the chunk is part of the code. */
static int compile(lua_State *L, const char *script, const struct code *text, struct code *code) {
    code->len = 0;
    lua_pushfstring(L, "=%s", script);
    int rc = luaL_loadbuffer(L, (const char *)text->data, text->len, lua_tostring(L, -1));
    if (rc == 0)
        rc = lua_dump(L, add, code);
    else
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
    return rc;
}

static void write_row(FILE *out, const char *script, int number) {
    char module[256];
    size_t len = strlen(script) - strlen(".lua");
    snprintf(module, sizeof module, "%.*s", (int)len, script);
    if (len > 5 && strcmp(module + len - 5, "/init") == 0)
        module[len - 5] = '\0';
    for (char *at = module; *at; at++)
        if (*at == '/')
            *at = '.';
    fprintf(out,
            "    {\"%s\", \"%s\", text_%d, sizeof text_%d - 1, code_%d, sizeof code_%d - 1},\n",
            module, script, number, number, number, number);
}

static int write_all(lua_State *L, FILE *out, const char *dir, char **scripts, int count,
                     struct code *text, struct code *code) {
    fprintf(out, "/* Made by cmake/embed.c. */\n#include \"bindings/embedded.h\"\n\n");
    for (int i = 0; i < count; i++) {
        if (read_text(dir, scripts[i], text) < 0 || compile(L, scripts[i], text, code) != 0) {
            fprintf(stderr, "%s cannot be embedded\n", scripts[i]);
            return -1;
        }
        write_bytes(out, "text", i, text);
        write_bytes(out, "code", i, code);
    }
    fprintf(out, "\nconst struct embedded_script embedded_scripts[] = {\n");
    for (int i = 0; i < count; i++)
        write_row(out, scripts[i], i);
    fprintf(out, "    {0}};\n");
    return 0;
}

static void write_version(lua_State *L, FILE *out) {
    luaL_dostring(L, "return require('jit').version");
    fprintf(out, "const char embedded_version[] = \"%s\";\n",
            lua_isstring(L, -1) ? lua_tostring(L, -1) : "");
}

int main(int argc, char **argv) {
    FILE *out = argc > 3 ? fopen(argv[1], "w") : NULL;
    lua_State *L = luaL_newstate();
    struct code text = {malloc(MOST), 0}, code = {malloc(MOST), 0};
    int rc = -1;
    if (out && L && text.data && code.data) {
        luaL_openlibs(L);
        rc = write_all(L, out, argv[2], argv + 3, argc - 3, &text, &code);
        write_version(L, out);
        rc = ferror(out) ? -1 : rc;
    }
    if (L)
        lua_close(L);
    if (out && fclose(out) != 0)
        rc = -1;
    free(text.data);
    free(code.data);
    return rc < 0 ? 1 : 0;
}
