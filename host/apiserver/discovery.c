#include "apiserver/discovery.h"

#include <stdio.h>
#include <string.h>

#include "apiserver/discovery_internal.h"
#include "apiserver/document.h"
#include "base/mem.h"
#include "kube/base64.h"
#include "serve/mac.h"

static const char openapi_v2_type[] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/* Field 1 of gnostic's openapi.v2.Document, swagger: a text of three bytes. */
static const char openapi_v2_protobuf[] = "\x0a\x03"
                                          "2.0";
#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

/* Groups and versions */

static json_t *group_version(const char *group, const char *version) {
    return json_pack("{s:s++,s:s}", "groupVersion", group, *group ? "/" : "", version, "version",
                     version);
}

static void fill_group(struct discovery_maker *maker, json_t *into, const char *group) {
    struct discovery_names versions = {0};
    json_t *list = json_array();
    discovery_versions(maker, group, &versions);
    for (size_t i = 0; i < versions.count; i++)
        discovery_append(maker, list, group_version(group, versions.items[i]));
    discovery_put(maker, into, "name", json_string(group));
    discovery_put(maker, into, "versions", list);
    if (versions.count)
        discovery_put(maker, into, "preferredVersion", group_version(group, versions.items[0]));
    discovery_names_finish(&versions);
}

static json_t *core_versions(struct discovery_maker *maker) {
    (void)maker;
    return json_pack("{s:s,s:[s],s:[{s:s,s:s}]}", "kind", "APIVersions", "versions", "v1",
                     "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress", "");
}

static json_t *group_list(struct discovery_maker *maker) {
    json_t *made = json_pack("{s:s,s:s}", "kind", "APIGroupList", "apiVersion", "v1");
    json_t *list = json_array();
    struct discovery_names groups = {0};
    discovery_groups(maker, &groups);
    for (size_t i = 0; i < groups.count; i++) {
        if (*groups.items[i] == '\0')
            continue;
        json_t *one = json_object();
        fill_group(maker, one, groups.items[i]);
        discovery_append(maker, list, one);
    }
    discovery_names_finish(&groups);
    discovery_put(maker, made, "groups", list);
    return made;
}

static json_t *one_group(struct discovery_maker *maker, const char *group) {
    json_t *made = json_pack("{s:s,s:s}", "kind", "APIGroup", "apiVersion", "v1");
    fill_group(maker, made, group);
    return made;
}

/* Resources */

/* What the storage migrator tells versions by. */
static json_t *storage_hash(const struct api_resource *resource) {
    const struct api_kind *storage = resource->storage;
    const char *version = storage->version;
    unsigned char digest[MAC_BYTES];
    struct strbuf text = {0}, hash = {0};
    struct error err;
    if (kinds_is_builtin(resource, "customresourcedefinitions"))
        version = "v1beta1"; /* as the real server still has them in etcd */
    strbuf_printf(&text, "%s/%s/%s", storage->resource->group, version, storage->resource->kind);
    if (!text.failed && mac_digest(strbuf_view(&text), digest, &err) == 0)
        base64_encode(&hash, (const char *)digest, 8);
    json_t *made = hash.data && !hash.failed ? json_string(hash.data) : NULL;
    strbuf_finish(&text);
    strbuf_finish(&hash);
    return made;
}

static json_t *one_resource(struct discovery_maker *maker, const struct api_resource *resource) {
    json_t *made =
        json_pack("{s:s,s:s,s:b,s:s}", "name", resource->plural, "singularName", resource->singular,
                  "namespaced", resource->namespaced, "kind", resource->kind);
    discovery_put(maker, made, "verbs", discovery_texts(maker, discovery_verbs(resource)));
    if (resource->short_names[0])
        discovery_put(maker, made, "shortNames", discovery_texts(maker, resource->short_names));
    if (resource->categories[0])
        discovery_put(maker, made, "categories", discovery_texts(maker, resource->categories));
    if (!resource->virtual_)
        discovery_put(maker, made, "storageVersionHash", storage_hash(resource));
    return made;
}

static json_t *one_subresource(struct discovery_maker *maker, const struct api_resource *resource,
                               const struct discovery_subresource *sub) {
    json_t *made = json_pack("{s:s++,s:s,s:b}", "name", resource->plural, "/", sub->name,
                             "singularName", "", "namespaced", resource->namespaced);
    if (sub->kind && *sub->group) {
        discovery_put(maker, made, "group", json_string(sub->group));
        discovery_put(maker, made, "version", json_string(sub->version));
    }
    discovery_put(maker, made, "kind", json_string(sub->kind ? sub->kind : resource->kind));
    discovery_put(maker, made, "verbs", discovery_texts(maker, sub->verbs));
    return made;
}

static json_t *resource_list(struct discovery_maker *maker, const char *group,
                             const char *version) {
    json_t *made = json_pack("{s:s,s:s,s:s++}", "kind", "APIResourceList", "apiVersion", "v1",
                             "groupVersion", group, *group ? "/" : "", version);
    json_t *list = json_array();
    for (size_t i = 0; i < kinds_count(maker->kinds); i++) {
        const struct api_resource *resource = kinds_at(maker->kinds, i);
        const struct api_kind *kind = discovery_kind(resource, group, version);
        if (kind == NULL)
            continue;
        discovery_append(maker, list, one_resource(maker, resource));
        const struct discovery_subresource *sub =
            resource->builtin ? discovery_subresources : discovery_custom_subresources;
        for (; sub->bit; sub++)
            if (kind->subresources & sub->bit)
                discovery_append(maker, list, one_subresource(maker, resource, sub));
    }
    discovery_put(maker, made, "resources", list);
    return made;
}

static json_t *version_info(void) {
#ifdef __aarch64__
    const char *platform = "linux/arm64";
#else
    const char *platform = "linux/amd64";
#endif
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "major", "1", "minor", "36",
                     "gitVersion", DISCOVERY_VERSION, "gitCommit", "", "gitTreeState", "clean",
                     "buildDate", "1970-01-01T00:00:00Z", "goVersion", "", "compiler", "",
                     "platform", platform);
}

/* Negotiation */

enum form { FORM_NONE, FORM_PLAIN, FORM_AGGREGATED };

static struct str trim(struct str text) {
    while (text.len && (*text.data == ' ' || *text.data == '\t'))
        text = str_n(text.data + 1, text.len - 1);
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Cuts the part before `separator` off *text. */
static struct str cut(struct str *text, char separator) {
    const char *at = text->len ? memchr(text->data, separator, text->len) : NULL;
    size_t len = at ? (size_t)(at - text->data) : text->len;
    struct str part = trim(str_n(text->data, len));
    size_t skip = at ? len + 1 : len;
    *text = str_n(text->data + skip, text->len - skip);
    return part;
}

static enum form form_of(struct str wish) {
    struct str type = cut(&wish, ';');
    bool group = false, version = false, as = false, list = false;
    while (wish.len) {
        struct str parameter = cut(&wish, ';');
        group |= str_is(parameter, "g=apidiscovery.k8s.io");
        version |= str_is(parameter, "v=v2");
        list |= str_is(parameter, "as=APIGroupDiscoveryList");
        as |= str_starts_with(parameter, "as=");
    }
    if (!str_is(type, "application/json") && !str_is(type, "application/*") && !str_is(type, "*/*"))
        return FORM_NONE;
    if (as)
        return list && group && version ? FORM_AGGREGATED : FORM_NONE;
    return FORM_PLAIN;
}

/* The first form that the client names and we have. */
static enum form negotiate(const char *accept, bool can_aggregate) {
    struct str wishes = str_of(accept);
    if (wishes.len == 0)
        return FORM_PLAIN;
    while (wishes.len) {
        enum form form = form_of(cut(&wishes, ','));
        if (form == FORM_PLAIN || (form == FORM_AGGREGATED && can_aggregate))
            return form;
    }
    return FORM_NONE;
}

/* Routes */

/* "apps/v1" in two; each "" when absent. `core`: the group is "". */
struct place {
    char group[256], version[64];
    bool deeper; /* something follows */
};

static struct place place_of(struct str rest, bool core) {
    struct place place = {0};
    struct str group = core ? str_of("") : cut(&rest, '/'), version = cut(&rest, '/');
    snprintf(place.group, sizeof place.group, STR_FORMAT, STR_ARG(group));
    snprintf(place.version, sizeof place.version, STR_FORMAT, STR_ARG(version));
    place.deeper = rest.len > 0;
    return place;
}

static bool is_served(struct discovery_maker *maker, const struct place *place) {
    for (size_t i = 0; i < kinds_count(maker->kinds); i++) {
        const struct api_resource *resource = kinds_at(maker->kinds, i);
        if (*place->version ? discovery_kind(resource, place->group, place->version) != NULL
                            : strcmp(resource->group, place->group) == 0 && resource->kind_count)
            return true;
    }
    return false;
}

struct route {
    struct str rest; /* after the prefix and its slash */
    bool whole;      /* nothing follows the prefix */
};

static bool is_under(struct str path, const char *prefix, struct route *ret) {
    size_t len = strlen(prefix);
    if (!str_starts_with(path, prefix) || (path.len > len && path.data[len] != '/'))
        return false;
    ret->whole = path.len <= len + 1;
    ret->rest = ret->whole ? str_of("") : str_n(path.data + len + 1, path.len - len - 1);
    return true;
}

static json_t *failure(int code, const char *reason, const char *message) {
    return json_pack("{s:s,s:s,s:{},s:s,s:s,s:s,s:i}", "kind", "Status", "apiVersion", "v1",
                     "metadata", "status", "Failure", "message", message, "reason", reason, "code",
                     code);
}

static json_t *refuse(struct discovery_answer *answer, int status) {
    answer->status = status;
    answer->content_type = "application/json";
    return status == 406
               ? failure(406, "NotAcceptable",
                         "only the following media types are accepted: application/json")
               : failure(404, "NotFound", "the server could not find the requested resource");
}

static json_t *serve_groups(struct discovery_maker *maker, struct route route, bool core,
                            const char *accept, struct discovery_answer *answer) {
    enum form form = negotiate(accept, /* can_aggregate= */ route.whole);
    if (form == FORM_NONE)
        return refuse(answer, 406);
    if (form == FORM_AGGREGATED) {
        answer->content_type = AGGREGATED;
        return discovery_aggregated(maker, core);
    }
    if (route.whole)
        return core ? core_versions(maker) : group_list(maker);
    struct place place = place_of(route.rest, core);
    if (!is_served(maker, &place) || (!core && *place.group == '\0'))
        return refuse(answer, 404);
    return *place.version ? resource_list(maker, place.group, place.version)
                          : one_group(maker, place.group);
}

static json_t *serve_openapi(struct discovery_maker *maker, struct route route, const char *accept,
                             struct discovery_answer *answer) {
    struct route below;
    if (negotiate(accept, /* can_aggregate= */ false) == FORM_NONE)
        return refuse(answer, 406);
    if (route.whole)
        return discovery_openapi_index(maker);
    bool core = is_under(route.rest, "api", &below);
    if (!core && !is_under(route.rest, "apis", &below))
        return refuse(answer, 404);
    struct place place = place_of(below.rest, core);
    if (place.deeper || *place.version == '\0' || !is_served(maker, &place))
        return refuse(answer, 404);
    return discovery_openapi(maker, place.group, place.version);
}

/* Without definitions: kubectl reads it where v3 has no such kind, and only then says so. */
static json_t *serve_openapi_v2(const char *accept, struct discovery_answer *answer) {
    if (accept && strstr(accept, "application/com.github.proto-openapi.spec.v2"))
        answer->content_type = openapi_v2_type;
    else if (negotiate(accept, /* can_aggregate= */ false) == FORM_NONE)
        return refuse(answer, 406);
    return json_pack("{s:s,s:{s:s,s:s},s:{}}", "swagger", "2.0", "info", "title", "Kubernetes",
                     "version", DISCOVERY_VERSION, "paths");
}

/* *ret_made may be NULL for want of memory. */
static bool make(struct discovery_maker *maker, struct str path, const char *accept,
                 struct discovery_answer *answer, json_t **ret_made) {
    struct route route;
    bool core = is_under(path, "/api", &route);
    if (core || is_under(path, "/apis", &route)) {
        if (place_of(route.rest, core).deeper)
            return false;
        *ret_made = serve_groups(maker, route, core, accept, answer);
        return true;
    }
    if (is_under(path, "/openapi/v3", &route))
        *ret_made = serve_openapi(maker, route, accept, answer);
    else if (is_under(path, "/openapi/v2", &route))
        *ret_made = serve_openapi_v2(accept, answer);
    else if (is_under(path, "/version", &route) && route.whole)
        *ret_made = version_info();
    else
        return false;
    return true;
}

static void tag(struct discovery_answer *answer, const char *if_none_match) {
    struct str body = strbuf_view(&answer->body);
    snprintf(answer->etag, sizeof answer->etag, "\"%016llX%08zX\"",
             (unsigned long long)str_hash(body), body.len);
    if (if_none_match && strstr(if_none_match, answer->etag)) {
        answer->status = 304;
        strbuf_finish(&answer->body);
    }
}

bool discovery_serve(const struct kinds *kinds, struct str path, const char *accept,
                     const char *if_none_match, struct discovery_answer *ret, struct error *err) {
    struct discovery_maker maker = {.kinds = kinds};
    struct discovery_answer answer = {.status = 200, .content_type = "application/json"};
    json_t *made = NULL;
    if (!make(&maker, path, accept, &answer, &made))
        return false;
    if (made && !maker.failed && answer.content_type == openapi_v2_type)
        strbuf_adds(&answer.body, openapi_v2_protobuf);
    else if (made && !maker.failed)
        document_text(made, &answer.body);
    if (made == NULL || maker.failed || answer.body.failed) {
        strbuf_finish(&answer.body);
        answer.status = 500;
        error_set(err, ERROR_NOMEM, "no memory for " STR_FORMAT, STR_ARG(path));
    } else if (answer.status == 200)
        tag(&answer, if_none_match);
    json_decref(made);
    *ret = answer;
    return true;
}
