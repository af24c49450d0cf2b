#include "apiserver/fieldset_known.h"

#include <string.h>

#include "apiserver/document.h"
#include "base/map.h"
#include "base/mem.h"

/* A text of 2 KB comes with a document of some 16 KB and a set of some 8. */
enum { MOST_BYTES = 128 << 10 };

struct known_form {
    struct fieldset_form form; /* the document is a reference, the text the struct's */
    node_t node;               /* a reference; NODE_NONE: not asked for */
    struct fieldset_pool pool; /* of the set */
    bool read;                 /* whether it is one is known */
    uint64_t hash;             /* of the set; 0: it is not found by it */
    char text[];
};
struct fieldset_known {
    struct dag *dag;
    struct map texts, documents, nodes, sets; /* to the same forms, which hold the keys */
    size_t bytes;                             /* of texts */
};

static struct str document_key(json_t *const *document) {
    return str_n((const char *)document, sizeof *document);
}

static struct str node_key(const node_t *node) {
    return str_n((const char *)node, sizeof *node);
}

static struct str hash_key(const uint64_t *hash) {
    return str_n((const char *)hash, sizeof *hash);
}

static void borrow_keys(struct fieldset_known *known) {
    map_borrow(&known->texts);
    map_borrow(&known->documents);
    map_borrow(&known->nodes);
    map_borrow(&known->sets);
}

struct fieldset_known *fieldset_known_create(struct dag *dag, struct error *err) {
    struct fieldset_known *known = mem_zalloc(sizeof *known);
    if (known == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for known field sets");
        return NULL;
    }
    known->dag = dag;
    borrow_keys(known);
    return known;
}

static void form_destroy(struct fieldset_known *known, struct known_form *form) {
    node_unref(known->dag, form->node);
    json_decref(form->form.document);
    schema_unref(form->form.fits);
    fieldset_pool_finish(&form->pool);
    mem_free(form);
}

static void forget_all(struct fieldset_known *known) {
    const struct map_entry *entry;
    for (size_t at = 0; (entry = map_next(&known->texts, &at));)
        form_destroy(known, entry->value);
    map_finish(&known->texts);
    map_finish(&known->documents);
    map_finish(&known->nodes);
    map_finish(&known->sets);
    known->bytes = 0;
    borrow_keys(known);
}

void fieldset_known_destroy(struct fieldset_known *known) {
    if (known == NULL)
        return;
    forget_all(known);
    mem_free(known);
}

void fieldset_known_trim(struct fieldset_known *known) {
    if (known->bytes > MOST_BYTES)
        forget_all(known);
}

static struct known_form *find(const struct fieldset_known *known, const json_t *document) {
    json_t *key = (json_t *)document;
    return known ? map_get(&known->documents, document_key(&key)) : NULL;
}

struct str fieldset_known_text(const struct fieldset_known *known, const json_t *document) {
    const struct known_form *form = find(known, document);
    return form ? form->form.text : (struct str){0};
}

struct str fieldset_known_node_text(const struct fieldset_known *known, node_t fields) {
    const struct known_form *form = known ? map_get(&known->nodes, node_key(&fields)) : NULL;
    return form ? form->form.text : (struct str){0};
}

node_t fieldset_known_node(const struct fieldset_known *known, const json_t *document) {
    const struct known_form *form = find(known, document);
    return form ? form->node : NODE_NONE;
}

static void bind_node(struct fieldset_known *known, struct known_form *form, node_t node) {
    if (node == NODE_NONE || form->node != NODE_NONE)
        return;
    form->node = node;
    if (map_set(&known->nodes, node_key(&form->node), form, NULL) < 0)
        form->node = NODE_NONE;
    else
        node_ref(known->dag, node);
}

void fieldset_known_bind(struct fieldset_known *known, const json_t *document, node_t node) {
    struct known_form *form = find(known, document);
    if (form)
        bind_node(known, form, node);
}

static void read_set(struct known_form *form) {
    struct fieldset_builder builder = {.pool = &form->pool};
    struct error unused;
    int rc = fieldset_parse(&builder, form->form.document, &form->form.set, &unused);
    fieldset_builder_finish(&builder);
    form->read = !form->pool.failed;
    if (rc < 0 || form->pool.failed) {
        fieldset_pool_finish(&form->pool);
        form->form.set = NULL;
    }
}

struct fieldset_form *fieldset_known_form(struct fieldset_known *known, const json_t *document) {
    struct known_form *form = find(known, document);
    if (form && !form->read)
        read_set(form);
    return form && form->form.set ? &form->form : NULL;
}

void fieldset_form_fits(struct fieldset_form *form, const struct schema *schema) {
    schema_unref(form->fits);
    form->fits = schema_ref(schema);
}

/* Takes the document; a new reference to it, whether or not there is memory to know it. */
static json_t *learn(struct fieldset_known *known, struct str text, json_t *document,
                     struct known_form **ret) {
    struct known_form *form = document ? mem_zalloc(sizeof *form + text.len) : NULL;
    if (form == NULL)
        return document;
    memcpy(form->text, text.data, text.len);
    form->form.text = str_n(form->text, text.len);
    form->form.document = document;
    if (map_set(&known->documents, document_key(&form->form.document), form, NULL) < 0) {
        mem_free(form);
        return document;
    }
    if (map_set(&known->texts, form->form.text, form, NULL) < 0) {
        map_remove(&known->documents, document_key(&form->form.document));
        mem_free(form);
        return document;
    }
    known->bytes += text.len;
    *ret = form;
    return json_incref(document);
}

json_t *fieldset_known_of_text(const struct fieldset_known *known, struct str text) {
    const struct known_form *form = known ? map_get(&known->texts, text) : NULL;
    return form ? json_incref(form->form.document) : NULL;
}

static json_t *print_set(struct fieldset_known *known, const struct fieldset *set,
                         struct known_form **ret) {
    struct strbuf text = {0};
    json_t *document = NULL;
    fieldset_write(set, &text);
    if (!text.failed && (*ret = map_get(&known->texts, strbuf_view(&text))))
        document = json_incref((*ret)->form.document);
    else if (!text.failed)
        document = learn(known, strbuf_view(&text), fieldset_json(set), ret);
    strbuf_finish(&text);
    return document;
}

json_t *fieldset_known_of_set(struct fieldset_known *known, const struct fieldset *set) {
    uint64_t hash = known ? fieldset_hash(set) : 0;
    struct known_form *form = known ? map_get(&known->sets, hash_key(&hash)) : NULL;
    if (known == NULL)
        return fieldset_json(set);
    if (form && fieldset_equal(form->form.set, set))
        return json_incref(form->form.document);
    bool first = form == NULL;
    json_t *document = print_set(known, set, &form);
    if (document && first && form && form->hash == 0 && fieldset_known_form(known, document)) {
        form->hash = hash;
        map_set(&known->sets, hash_key(&form->hash), form, NULL);
    }
    return document;
}

/* As document_of(), but what is empty is `leaf`. */
static json_t *fields_of(const struct dag *dag, node_t fields, json_t *leaf) {
    if (node_type(dag, fields) != NODE_OBJECT)
        return document_of(dag, fields);
    if (node_count(dag, fields) == 0)
        return json_incref(leaf);
    json_t *object = json_object();
    for (size_t i = 0; object && i < node_count(dag, fields); i++) {
        struct str key = node_key_at(dag, fields, i);
        if (json_object_setn_new_nocheck(object, key.data, key.len,
                                         fields_of(dag, node_at(dag, fields, i), leaf)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *decode(struct fieldset_known *known, node_t fields, struct known_form **ret) {
    struct strbuf text = {0};
    struct json_writer writer;
    json_t *document = NULL, *leaf = json_object();
    json_writer_init(&writer, &text);
    node_write(known->dag, fields, &writer);
    if (!text.failed && (*ret = map_get(&known->texts, strbuf_view(&text))))
        document = json_incref((*ret)->form.document);
    else if (!text.failed && leaf)
        document = learn(known, strbuf_view(&text), fields_of(known->dag, fields, leaf), ret);
    json_decref(leaf);
    strbuf_finish(&text);
    return document;
}

json_t *fieldset_known_of_node(struct fieldset_known *known, node_t fields) {
    struct known_form *form = map_get(&known->nodes, node_key(&fields));
    if (form)
        return json_incref(form->form.document);
    json_t *document = decode(known, fields, &form);
    if (document && form)
        bind_node(known, form, fields);
    return document;
}
