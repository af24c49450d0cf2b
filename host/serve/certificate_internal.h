#ifndef MOONLET_SERVE_CERTIFICATE_INTERNAL_H
#define MOONLET_SERVE_CERTIFICATE_INTERNAL_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/error.h"

/* What certificate.c (reading) and certificate_make.c share; not for others. */

/* Returns `code`, or NOMEM when that is what GnuTLS says with `rc`: "what: why". */
int certificate_refuse(struct error *err, int code, int rc, const char *what);
int certificate_no_memory(struct error *err);
gnutls_datum_t certificate_datum(const char *text); /* borrowed */
/* Moves a text of GnuTLS into one of ours. 0 or NOMEM. */
int certificate_take_text(gnutls_datum_t *text, char **ret, struct error *err);
int certificate_export(gnutls_x509_crt_t crt, char **ret, struct error *err); /* as PEM */
/* An address as bytes, and their number; 0 when it is none. */
size_t certificate_address(const char *name, unsigned char bytes[16]);
/* 0, or INVALID when it is neither a DNS name nor an address. */
int certificate_check_name(const char *name, struct error *err);

#endif
