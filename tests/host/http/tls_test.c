#include "http/curl.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/*
 * TLS against a python3 server that speaks HTTP/1.1 only. It is certified for "localhost" and
 * "api.test" by a CA made for the run. Skipped aloud where openssl or python3 is missing.
 */
static const char make_certificates[] =
    "exec >/dev/null 2>&1; set -e; "
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
    "ca.pem -days 2 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE; "
    "for n in server client; do "
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.csr "
    "-subj /CN=$n; printf 'subjectAltName=DNS:localhost,DNS:api.test\\n' >$n.ext; "
    "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $n.ext "
    "-out $n.pem; done";

static const char server_script[] =
    "import http.server, ssl, sys\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    protocol_version = 'HTTP/1.1'\n"
    "    def log_message(self, *a): pass\n"
    "    def do_GET(self):\n"
    "        cert = self.connection.getpeercert()\n"
    "        who = dict(x[0] for x in cert['subject'])['commonName'] if cert else 'nobody'\n"
    "        text = (who + ' ' + self.headers['Host'].split(':')[0]).encode()\n"
    "        self.send_response(200)\n"
    "        stream = self.path == '/stream'\n"
    "        self.send_header('Content-Length', '1000000' if stream else str(len(text)))\n"
    "        if self.path != '/silent': self.end_headers(); self.wfile.write(text)\n"
    "        if self.path != '/': self.rfile.read(1)\n"
    "class S(http.server.ThreadingHTTPServer):\n"
    "    request_queue_size = 128\n"
    "    def handle_error(self, *a): pass\n"
    "    def finish_request(self, request, address):\n"
    "        request.do_handshake(); super().finish_request(request, address)\n"
    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
    "c.load_cert_chain('server.pem', 'server.key')\n"
    "c.load_verify_locations('ca.pem'); c.verify_mode = ssl.CERT_OPTIONAL\n"
    "s = S(('127.0.0.1', 0), H)\n"
    "s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)\n"
    "print(s.server_address[1], flush=True)\n"
    "s.serve_forever()\n";

static struct {
    char folder[64];
    pid_t server;
    int port;
    char *ca, *cert, *key;
} fixture;

static char *read_text(const char *name) {
    char path[128], text[8192];
    snprintf(path, sizeof path, "%s/%s", fixture.folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strdup(text);
}

static int start_server(void) {
    int pipes[2];
    char line[32] = "";
    if (pipe(pipes) < 0)
        return -1;
    fixture.server = fork();
    if (fixture.server == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        if (chdir(fixture.folder) == 0)
            execlp("python3", "python3", "-c", server_script, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    ssize_t got = read(pipes[0], line, sizeof line - 1);
    close(pipes[0]);
    fixture.port = atoi(line);
    return got > 0 && fixture.port ? 0 : -1;
}

static int set_up(void **state) {
    (void)state;
    char command[2048];
    strcpy(fixture.folder, "/tmp/moonlet-tls-XXXXXX");
    if (mkdtemp(fixture.folder) == NULL)
        return -1;
    snprintf(command, sizeof command, "cd %s; %s", fixture.folder, make_certificates);
    if (system(command) == 0 && start_server() == 0) {
        fixture.ca = read_text("ca.pem");
        fixture.cert = read_text("client.pem");
        fixture.key = read_text("client.key");
    } else {
        print_message("SKIPPED: TLS tests need openssl and python3\n");
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    if (fixture.server > 0) {
        kill(fixture.server, SIGKILL);
        waitpid(fixture.server, NULL, 0);
    }
    free(fixture.ca);
    free(fixture.cert);
    free(fixture.key);
    snprintf(command, sizeof command, "rm -r %s", fixture.folder);
    return system(command);
}

struct seen {
    int done, data;
    struct strbuf body;
    struct error err; /* code 0 = none */
};

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err) {
    struct seen *seen = context;
    (void)answer;
    seen->done++;
    if (body.len)
        strbuf_add(&seen->body, body.data, body.len);
    if (err)
        seen->err = *err;
}

static void on_data(void *context, const char *data, size_t len) {
    struct seen *seen = context;
    (void)data;
    seen->data += len > 0;
}

static void get(const struct http_tls *tls, const char *host, struct seen *seen) {
    char url[128];
    struct error err;
    struct loop *loop = loop_create(clock_real(), &err);
    struct http_transport *transport = http_curl_create(loop, &err);
    snprintf(url, sizeof url, "https://%s:%d/", host, fixture.port);
    struct http_request request = {
        .method = "GET", .url = url, .tls = tls, .proxy = "", .on_done = on_done, .context = seen};
    *seen = (struct seen){0};
    assert_non_null(transport->start(transport, &request, &err));
    loop_run(loop);
    assert_int_equal(seen->done, 1);
    transport->destroy(transport);
    loop_destroy(loop);
}

static void tls_trusts_nobody_but_the_given_ca(void **state) {
    (void)state;
    if (fixture.ca == NULL)
        skip();
    struct seen seen;
    struct http_tls nothing = {0}, ours = {.ca_pem = fixture.ca}, blind = {.insecure = true},
                    other = {.ca_pem = fixture.cert};
    get(&nothing, "localhost", &seen);
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
    assert_int_equal(seen.err.status, -1); /* it surely never left */
    get(&other, "localhost", &seen);
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
    get(&ours, "127.0.0.1", &seen); /* not in the certificate */
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
    get(&ours, "localhost", &seen);
    assert_string_equal(seen.body.data, "nobody localhost");
    strbuf_finish(&seen.body);
    get(&blind, "127.0.0.1", &seen);
    assert_string_equal(seen.body.data, "nobody 127.0.0.1");
    strbuf_finish(&seen.body);
}

static void tls_server_name_is_verified_instead_of_the_host(void **state) {
    (void)state;
    if (fixture.ca == NULL)
        skip();
    struct seen seen;
    struct http_tls tls = {.ca_pem = fixture.ca, .server_name = "api.test"};
    get(&tls, "127.0.0.1", &seen);
    assert_int_equal(seen.err.code, 0);
    assert_string_equal(seen.body.data, "nobody 127.0.0.1"); /* the Host header stays */
    strbuf_finish(&seen.body);
    tls.server_name = "other.test";
    get(&tls, "localhost", &seen);
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
}

static void tls_client_certificate_is_shown(void **state) {
    (void)state;
    if (fixture.ca == NULL)
        skip();
    struct seen seen;
    struct http_tls tls = {.ca_pem = fixture.ca, .cert_pem = fixture.cert, .key_pem = fixture.key};
    get(&tls, "localhost", &seen);
    assert_string_equal(seen.body.data, "client localhost");
    strbuf_finish(&seen.body);
    tls.key_pem = "not a key";
    get(&tls, "localhost", &seen);
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
    assert_int_equal(seen.err.status, -1);
}

/* R21: ALPN shows no HTTP/2 here, so each stream gets a connection; a first one whose answer does
 * not come holds the others for a moment only. */
static void tls_fifty_streams_on_http1_all_flow(void **state) {
    (void)state;
    if (fixture.ca == NULL)
        skip();
    enum { STREAMS = 50 };
    struct mem_stats before = mem_stats();
    struct error err;
    struct loop *loop = loop_create(clock_real(), &err);
    struct http_transport *transport = http_curl_create(loop, &err);
    struct http_tls tls = {.ca_pem = fixture.ca};
    struct seen seen[STREAMS + 1] = {{0}};
    char url[128];
    for (int i = 0; i <= STREAMS; i++) {
        snprintf(url, sizeof url, "https://localhost:%d/%s", fixture.port, i ? "stream" : "silent");
        struct http_request request = {.method = "GET",
                                       .url = url,
                                       .tls = &tls,
                                       .proxy = "",
                                       .stream = true,
                                       .on_data = on_data,
                                       .on_done = on_done,
                                       .context = &seen[i]};
        assert_non_null(transport->start(transport, &request, &err));
    }
    int flowing = 0;
    for (int turn = 0; turn < 50000000 && flowing < STREAMS; turn++) {
        loop_poll(loop);
        flowing = 0;
        for (int i = 1; i <= STREAMS; i++)
            flowing += seen[i].data > 0;
    }
    assert_int_equal(flowing, STREAMS);
    transport->destroy(transport);
    loop_destroy(loop);
    assert_int_equal(mem_stats().blocks, before.blocks);
}

static void tls_held_calls_go_when_the_first_is_cancelled_or_fails(void **state) {
    (void)state;
    if (fixture.ca == NULL)
        skip();
    struct http_tls good = {.ca_pem = fixture.ca}, bad = {.ca_pem = fixture.cert};
    for (int cancelled = 0; cancelled <= 1; cancelled++) {
        struct mem_stats before = mem_stats();
        struct error err;
        struct loop *loop = loop_create(clock_real(), &err);
        struct http_transport *transport = http_curl_create(loop, &err);
        struct seen seen[4] = {{0}};
        struct http_call *calls[4];
        char url[128];
        snprintf(url, sizeof url, "https://localhost:%d/", fixture.port);
        for (int i = 0; i < 4; i++) {
            struct http_request request = {.method = "GET",
                                           .url = url,
                                           .tls = i || cancelled ? &good : &bad,
                                           .proxy = "",
                                           .on_done = on_done,
                                           .context = &seen[i]};
            calls[i] = transport->start(transport, &request, &err);
            assert_non_null(calls[i]);
        }
        if (cancelled)
            transport->cancel(transport, calls[0]);
        transport->cancel(transport, calls[1]); /* while it is held */
        loop_run(loop);
        assert_int_equal(seen[0].done, !cancelled);
        assert_int_equal(seen[0].err.code, cancelled ? 0 : ERROR_UNAVAILABLE);
        assert_int_equal(seen[1].done, 0);
        for (int i = 2; i < 4; i++) {
            assert_string_equal(seen[i].body.data, "nobody localhost");
            strbuf_finish(&seen[i].body);
        }
        transport->destroy(transport);
        loop_destroy(loop);
        assert_int_equal(mem_stats().blocks, before.blocks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_trusts_nobody_but_the_given_ca),
        cmocka_unit_test(tls_server_name_is_verified_instead_of_the_host),
        cmocka_unit_test(tls_client_certificate_is_shown),
        cmocka_unit_test(tls_held_calls_go_when_the_first_is_cancelled_or_fails),
        cmocka_unit_test(tls_fifty_streams_on_http1_all_flow),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
