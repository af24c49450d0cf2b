#include "cli/fault_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void fault_name(enum sim_fault fault, char ret[32]) {
    snprintf(ret, 32, "%s", sim_fault_name(fault));
    for (char *at = ret; *at; at++)
        if (*at == ' ')
            *at = '_';
}

int fault_find(struct str name, enum sim_fault *ret, struct error *err) {
    char names[SIM_FAULTS][32], asked[32];
    const char *known[SIM_FAULTS];
    for (int i = 0; i < SIM_FAULTS; i++) {
        fault_name((enum sim_fault)i, names[i]);
        known[i] = names[i];
        *ret = (enum sim_fault)i;
        if (str_is(name, names[i]))
            return 0;
    }
    snprintf(asked, sizeof asked, STR_FORMAT, STR_ARG(name));
    const char *near = str_nearest(asked, known, SIM_FAULTS);
    return error_set(err, ERROR_INVALID, "unknown fault \"%s\"%s%s%s", asked,
                     near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

int fault_list_add(struct fault_list *list, const struct fault_drawn *fault) {
    if (mem_grow(&list->items, &list->cap, list->count + 1, sizeof *list->items) < 0)
        return ERROR_NOMEM;
    list->items[list->count++] = *fault;
    return 0;
}

bool fault_list_has(const struct fault_list *list, enum sim_fault fault, uint64_t number) {
    for (size_t i = 0; i < list->count && list->items[i].number <= number; i++)
        if (list->items[i].number == number)
            return list->items[i].fault == fault;
    return false;
}

void fault_list_write(const struct fault_list *list, struct strbuf *out) {
    if (list->count == 0)
        strbuf_adds(out, "none");
    for (size_t i = 0; i < list->count; i++) {
        char name[32];
        fault_name(list->items[i].fault, name);
        strbuf_printf(out, "%s%s@%" PRIu64, i > 0 ? "," : "", name, list->items[i].number);
    }
}

/* "conflict@3" */
static int read_one(struct str text, struct fault_list *list, struct error *err) {
    uint64_t before = list->count ? list->items[list->count - 1].number : 0;
    const char *at = memchr(text.data, '@', text.len);
    struct str name = str_n(text.data, at ? (size_t)(at - text.data) : text.len);
    struct str number = at ? str_n(at + 1, text.len - name.len - 1) : str_of("");
    struct fault_drawn fault = {0};
    int64_t value;
    if (fault_find(name, &fault.fault, err) < 0)
        return err->code;
    if (!str_to_int64(number, &value) || value <= 0 || (uint64_t)value <= before)
        return error_set(err, ERROR_INVALID,
                         "\"" STR_FORMAT "\": a fault is written as conflict@3, with numbers that "
                         "rise",
                         STR_ARG(text));
    fault.number = (uint64_t)value;
    return fault_list_add(list, &fault) == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory");
}

int fault_list_read(const char *text, struct fault_list *ret, struct error *err) {
    if (strcmp(text, "none") == 0)
        return 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (read_one(str_n(text, len), ret, err) < 0) {
            fault_list_finish(ret);
            return err->code;
        }
        if (text[len] == '\0')
            return 0;
        text += len + 1;
    }
}

void fault_list_finish(struct fault_list *list) {
    mem_free(list->items);
    *list = (struct fault_list){0};
}
