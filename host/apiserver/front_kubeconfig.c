#include <errno.h>
#include <string.h>

#include "apiserver/front.h"
#include "base/fd.h"
#include "kube/base64.h"

static void write_text(const struct front *front, struct strbuf *text) {
    strbuf_printf(text,
                  "apiVersion: v1\nkind: Config\ncurrent-context: moonlet\n"
                  "clusters:\n- name: moonlet\n  cluster:\n    server: %s\n"
                  "    certificate-authority-data: ",
                  front_url(front));
    base64_encode(text, front_ca_pem(front), strlen(front_ca_pem(front)));
    strbuf_printf(text,
                  "\ncontexts:\n- name: moonlet\n  context:\n    cluster: moonlet\n"
                  "    user: moonlet\n    namespace: default\n"
                  "users:\n- name: moonlet\n  user:\n    token: %s\n",
                  front_token(front));
}

int front_write_kubeconfig(const struct front *front, const char *path, struct error *err) {
    struct strbuf text = {0};
    write_text(front, &text);
    int rc = 0;
    if (text.failed)
        rc = error_set(err, ERROR_NOMEM, "no memory for a kubeconfig");
    else if (fd_replace_file(path, text.data, text.len) < 0)
        rc = error_set(err, ERROR_UNAVAILABLE, "write %s: %s", path, strerror(errno));
    strbuf_finish(&text);
    return rc;
}
