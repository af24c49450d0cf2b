#include "apiserver/support/rest/plane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void plane_open(struct plane *plane) {
    fake_transport_init(&plane->webhooks);
    api_init_webhooks(&plane->api, &plane->webhooks.base);
}

void plane_close(struct plane *plane) {
    assert_int_equal(fake_transport_waiting(&plane->webhooks), 0);
    api_finish(&plane->api);
}

json_t *plane_review(struct plane *plane) {
    struct str body = fake_transport_body(&plane->webhooks);
    json_t *review = json_loadb(body.data, body.len, 0, NULL);
    assert_non_null(review);
    return review;
}
