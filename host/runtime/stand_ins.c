#include "runtime/stand_ins.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/stand_ins_text.h"

enum { MOST = 32 };

static void finish_files(struct script_file *files, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(files[i].path);
        mem_free(files[i].module);
    }
}

/* "pods.lua" is module "stand-ins.pods", the entry "stand-ins" itself. */
static bool name_file(struct script_file *file, const char *path, bool entry) {
    file->path = mem_printf(STAND_INS "/%s", path);
    file->module = entry ? mem_strdup(STAND_INS)
                         : mem_printf(STAND_INS ".%.*s", (int)strcspn(path, "."), path);
    return file->path && file->module;
}

struct script_source *stand_ins_source(struct error *err) {
    struct script_file files[MOST] = {{0}};
    struct script_source *source = NULL;
    size_t count = 0;
    bool named = true;
    for (; named && count < MOST && stand_ins_text[count].path; count++) {
        const struct embedded_file *from = &stand_ins_text[count];
        files[count].text = (char *)from->text;
        files[count].len = from->len;
        named = name_file(&files[count], from->path, count == 0);
    }
    if (named)
        source = source_create(STAND_INS, files, count, err);
    else
        error_set(err, ERROR_NOMEM, "no memory for the stand-ins");
    finish_files(files, count);
    return source;
}
