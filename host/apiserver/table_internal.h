#ifndef MOONLET_APISERVER_TABLE_INTERNAL_H
#define MOONLET_APISERVER_TABLE_INTERNAL_H

#include "apiserver/document.h"
#include "apiserver/table.h"

/* What the files of table.h share. */

/* One row being written. */
struct row {
    struct json_writer *out;
    const json_t *object;
    int64_t now;
};

/* A kind's columns, by '|': "+Node" is shown only when wide, "#Desired" is an integer,
 * "?Suspend" a boolean; "Name" has the format name. `cells` writes as many. */
struct table_kind {
    const char *group, *plural;
    const char *columns;
    void (*cells)(struct row *row);
};
/* NULL: it has none of its own. */
const struct table_kind *table_kind_find(const char *group, const char *plural);

/* table_column.c: a CRD's columns. `columns` may be NULL. */
void table_custom_columns(struct json_writer *writer, const json_t *columns);
void table_custom_cells(struct row *row, const json_t *columns);
/* One value of columnDefinitions. */
void table_column(struct json_writer *writer, const char *name, const char *type,
                  const char *format, const char *description, int64_t priority);

/* table_cell.c: each writes one cell. */
void row_text(struct row *row, const char *text);   /* NULL is "" */
void row_buf(struct row *row, struct strbuf *text); /* finishes it */
void row_format(struct row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
void row_int(struct row *row, int64_t value);
void row_number(struct row *row, const char *path); /* an integer, 0 when absent */
void row_flag(struct row *row, const char *path, bool otherwise);
void row_string(struct row *row, const char *path, const char *otherwise);
void row_name(struct row *row);
void row_since(struct row *row, const char *time); /* "<unknown>" for "" */
void row_age(struct row *row);
void row_labels(struct row *row, const json_t *labels);
void row_selector(struct row *row, const json_t *selector, const char *otherwise);
void row_containers(struct row *row, const char *path); /* two: names, images */

/* Helpers of cells. */
int64_t row_at(const struct row *row, const char *path);   /* an integer, 0 when absent */
json_t *row_list(const struct row *row, const char *path); /* borrowed */
/* The condition of that type in a list; borrowed, NULL: there is none. */
const json_t *table_condition(const json_t *conditions, const char *type);
bool table_condition_is(const json_t *conditions, const char *type, const char *status);
/* Adds to a list kept in order; with `once`, only what is not in it. `list` NULL: nothing. */
void table_insert(json_t *list, const char *text, bool once);
void table_join(struct strbuf *out, const json_t *list, const char *separator);
/* "a,b,c + 2 more..." */
void table_join_some(struct strbuf *out, const json_t *list, size_t most);

/* The cells of kinds, by file. */
void cells_pod(struct row *row);
void cells_pod_template(struct row *row);
void cells_replica_set(struct row *row);
void cells_deployment(struct row *row);
void cells_stateful_set(struct row *row);
void cells_daemon_set(struct row *row);
void cells_controller_revision(struct row *row);
void cells_job(struct row *row);
void cells_cron_job(struct row *row);
void cells_autoscaler(struct row *row);
void cells_budget(struct row *row);
void cells_service(struct row *row);
void cells_endpoints(struct row *row);
void cells_endpoint_slice(struct row *row);
void cells_ingress(struct row *row);
void cells_ingress_class(struct row *row);
void cells_network_policy(struct row *row);
void cells_node(struct row *row);
void cells_event(struct row *row);
void cells_volume(struct row *row);
void cells_claim(struct row *row);
void cells_binding(struct row *row);
void cells_request(struct row *row);
void cells_quota(struct row *row);

#endif
