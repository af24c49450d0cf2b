#ifndef MOONLET_CLI_FAULT_LIST_H
#define MOONLET_CLI_FAULT_LIST_H

#include "base/str.h"
#include "sim/sim.h"

/*
 * Fault list: which of the faults that a seed draws happen, by their number in its run.
 *
 * Is:      what `moonlet test --faults` takes and a failure prints: "conflict@3,status@17", or
 *          "none".
 * Is not:  drawing them (sim/sim.h).
 * Threads: one owner. Yields: never.
 */
struct fault_drawn {
    enum sim_fault fault;
    uint64_t number; /* the first that is drawn in a run, whether it happens or not, is 1 */
    uint64_t at_ns;  /* since the run began; 0 in a list that was read */
};
struct fault_list { /* by number; a zeroed one is empty */
    struct fault_drawn *items;
    size_t count, cap;
};
int fault_list_add(struct fault_list *list, const struct fault_drawn *fault); /* 0 or NOMEM */
bool fault_list_has(const struct fault_list *list, enum sim_fault fault, uint64_t number);
void fault_list_write(const struct fault_list *list, struct strbuf *out);
/* Fills a zeroed list. 0; INVALID says what is wrong with the text; NOMEM. A failure leaves it
 * empty. */
int fault_list_read(const char *text, struct fault_list *ret, struct error *err);
void fault_list_finish(struct fault_list *list);

/* The name that people give a fault: sim_fault_name() with _ for spaces. */
void fault_name(enum sim_fault fault, char ret[32]);
/* 0 or INVALID, which names the closest: unknown fault "lagg", did you mean "lag"? */
int fault_find(struct str name, enum sim_fault *ret, struct error *err);

#endif
