#ifndef MOONLET_TESTS_APISERVER_PLANE_H
#define MOONLET_TESTS_APISERVER_PLANE_H

#include "apiserver/support/rest/api.h"
#include "kube/support/fake_transport.h"

/* An API server, its client, and the webhooks that it calls. */
struct plane {
    struct fake_transport webhooks;
    struct api_client api;
};

void plane_open(struct plane *plane);
void plane_close(struct plane *plane); /* fails the test when a webhook was not answered */
/* The body of the oldest call that waits; a new reference. */
json_t *plane_review(struct plane *plane);

#endif
