#ifndef MOONLET_TESTS_SERVE_CLIENT_CERTIFICATE_H
#define MOONLET_TESTS_SERVE_CLIENT_CERTIFICATE_H

#include "serve/certificate.h"

/* A certificate for a client, valid for an hour; fails the test when it cannot be made. */
void client_certificate_make(const struct certificate_pair *ca, struct certificate_pair *ret);

#endif
