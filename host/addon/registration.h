#ifndef MOONLET_ADDON_REGISTRATION_H
#define MOONLET_ADDON_REGISTRATION_H

#include "addon/declaration.h"

/*
 * Registration: what tells the API server to call this host.
 *
 * Is:      MutatingWebhookConfiguration, ValidatingWebhookConfiguration and the conversion part of
 *          a CRD, made from a declaration.
 * Is not:  sent (runtime/registrar.h).
 * Threads: pure. Yields: never.
 */
struct registration_endpoint {
    const char *url;      /* "https://127.0.0.1:9443": out of the cluster; NULL: a Service */
    const char *service;  /* "namespace/name:port"; port may be left out: 443 */
    const char *ca;       /* PEM bundle, or NULL: the server's own trust, or somebody's injector */
    const char *cert;     /* PEM that is served; NULL: not known */
    const char *exclude;  /* namespace whose objects are never sent, so that this host cannot lock
                             itself out; NULL = none */
    const char *instance; /* label value: which installation of moonlet */
};
#define REGISTRATION_INSTANCE "moonlet.dev/instance"

/* Checks `service`: 0 or INVALID. */
int registration_check_service(const char *service, struct error *err);

/* "moonlet-<definition>" */
char *registration_name(const struct definition *definition); /* NULL: NOMEM; mem_free */

/* Appends the configuration with the definition's mutating or validating webhooks, in the order
 * declared. Returns how many there are (0: nothing appended), or NOMEM. */
int registration_write(const struct declaration *declaration, const struct definition *definition,
                       bool validating, const struct registration_endpoint *endpoint,
                       struct strbuf *out, struct error *err);

/* Appends what gives an installed configuration its caBundle, and nothing else. As above. */
int registration_write_bundle(const struct definition *definition, bool validating,
                              const struct registration_endpoint *endpoint, struct strbuf *out,
                              struct error *err);

/* Appends {"url"|"service", "caBundle"} for `path`. 0 or NOMEM. */
int registration_client_config(const struct registration_endpoint *endpoint, const char *path,
                               struct strbuf *out);
/* Appends the CRD with its conversion webhook's clientConfig filled in. 0, INVALID, NOMEM. */
int registration_crd(const struct declared_crd *crd, const struct registration_endpoint *endpoint,
                     struct strbuf *out, struct error *err);

#endif
