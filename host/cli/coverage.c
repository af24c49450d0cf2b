#include "cli/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_LINES = 1 << 16 };
enum { NOTHING, COULD_RUN, RAN }; /* of a line */

struct covered {
    uint8_t *lines; /* by number */
    size_t count, cap;
};

static struct covered *covered_of(struct coverage *coverage, const char *path) {
    struct covered *file = map_get(&coverage->files, str_of(path));
    if (file)
        return file;
    file = mem_zalloc(sizeof *file);
    if (file && map_set(&coverage->files, str_of(path), file, NULL) == 0)
        return file;
    mem_free(file);
    return NULL;
}

static void mark(struct coverage *coverage, const char *path, int line, uint8_t what) {
    struct covered *file = covered_of(coverage, path);
    if (file == NULL || line < 1 || line > MOST_LINES)
        return;
    if ((size_t)line >= file->count) {
        if (mem_grow(&file->lines, &file->cap, (size_t)line + 1, 1) < 0)
            return;
        memset(file->lines + file->count, NOTHING, (size_t)line + 1 - file->count);
        file->count = (size_t)line + 1;
    }
    if (file->lines[line] < what)
        file->lines[line] = what;
}

static void on_line(void *context, const char *path, int line, bool ran) {
    if (!str_ends_with(str_of(path), "_test.lua"))
        mark(context, path, line, ran ? RAN : COULD_RUN);
}

void coverage_init(struct coverage *coverage) {
    *coverage = (struct coverage){.watcher = {on_line, coverage}};
}

void coverage_finish(struct coverage *coverage) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&coverage->files, &at));) {
        struct covered *file = entry->value;
        mem_free(file->lines);
        mem_free(file);
    }
    map_finish(&coverage->files);
}

/* A line for each file: the path, then a digit for each of its lines. */
void coverage_write(const struct coverage *coverage, struct strbuf *out) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&coverage->files, &at));) {
        const struct covered *file = entry->value;
        strbuf_printf(out, "%s\t", entry->key);
        for (size_t i = 0; i < file->count; i++)
            strbuf_addc(out, (char)('0' + file->lines[i]));
        strbuf_addc(out, '\n');
    }
}

void coverage_add(struct coverage *coverage, struct str text) {
    while (text.len) {
        const char *end = memchr(text.data, '\n', text.len);
        const char *tab = memchr(text.data, '\t', text.len);
        if (end == NULL || tab == NULL || tab > end)
            return;
        CLEANUP(mem_freep) char *path = mem_strndup(text.data, (size_t)(tab - text.data));
        for (const char *digit = tab + 1; path && digit < end; digit++)
            if (*digit > '0')
                mark(coverage, path, (int)(digit - tab - 1), (uint8_t)(*digit - '0'));
        text = str_n(end + 1, text.len - (size_t)(end + 1 - text.data));
    }
}

static void print_missed(const struct covered *file, FILE *out) {
    const char *before = "; not ";
    for (size_t i = 0; i < file->count; i++) {
        size_t last = i;
        if (file->lines[i] != COULD_RUN)
            continue;
        for (size_t k = i; k < file->count && file->lines[k] != RAN; k++)
            last = file->lines[k] == COULD_RUN ? k : last;
        fprintf(out, "%s%zu", before, i);
        if (last > i)
            fprintf(out, "-%zu", last);
        before = ", ";
        i = last;
    }
}

static int compare(const void *a, const void *b) {
    return strcmp((*(struct map_entry *const *)a)->key, (*(struct map_entry *const *)b)->key);
}

static void print_file(const struct map_entry *entry, FILE *out) {
    const struct covered *file = entry->value;
    size_t all = 0, ran = 0;
    for (size_t i = 0; i < file->count; i++) {
        all += file->lines[i] != NOTHING;
        ran += file->lines[i] == RAN;
    }
    fprintf(out, "%s: %zu %% of %zu lines ran", entry->key, all ? 100 * ran / all : 100, all);
    print_missed(file, out);
    fputc('\n', out);
}

void coverage_print(const struct coverage *coverage, FILE *out) {
    size_t at = 0, count = 0;
    CLEANUP(mem_freep)
    struct map_entry **list = mem_calloc(coverage->files.count + 1, sizeof(struct map_entry *));
    if (list == NULL)
        return;
    for (struct map_entry *entry; (entry = map_next(&coverage->files, &at));)
        list[count++] = entry;
    qsort(list, count, sizeof *list, compare);
    for (size_t i = 0; i < count; i++)
        print_file(list[i], out);
}
