#include "http/curl.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* HTTP/2 against nghttpd, whose log tells which connection a request came by. Skipped aloud where
 * nghttpd (Debian: nghttp2-server) or openssl is missing. */

enum { STREAMS = 40, BIG = 1 << 20 };

static const char prepare[] =
    "exec >/dev/null 2>&1; set -e; command -v nghttpd; "
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem "
    "-out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost; "
    "echo hello >small; head -c 1048576 /dev/zero >big";

static struct {
    char folder[64];
    pid_t server;
    int port, keeper;
    char ca[4096];
} fixture;

/* A port that the system gives to nobody else while the keeper is open; nghttpd shares it. */
static void keep_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int on = 1;
    fixture.keeper = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fixture.keeper, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fixture.keeper, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fixture.keeper, (struct sockaddr *)&at, &len), 0);
    fixture.port = ntohs(at.sin_port);
}

static void start_server(const char *most_streams) {
    char port[16];
    keep_port();
    snprintf(port, sizeof port, "%d", fixture.port);
    fixture.server = fork();
    if (fixture.server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not stop it */
        if (chdir(fixture.folder) == 0 &&
            dup2(open("log", O_CREAT | O_TRUNC | O_WRONLY, 0600), STDOUT_FILENO) >= 0 &&
            dup2(STDOUT_FILENO, STDERR_FILENO) >= 0)
            execlp("nghttpd", "nghttpd", "-v", "--address=127.0.0.1", "-m", most_streams, port,
                   "key.pem", "cert.pem", (char *)NULL);
        _exit(127);
    }
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)fixture.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int connected = -1; connected < 0;) { /* until it listens */
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connected = connect(fd, (struct sockaddr *)&at, sizeof at);
        close(fd);
        assert_int_equal(waitpid(fixture.server, NULL, WNOHANG), 0);
        poll(NULL, 0, connected < 0 ? 10 : 0);
    }
}

static void stop_server(void) {
    kill(fixture.server, SIGKILL);
    waitpid(fixture.server, NULL, 0);
    close(fixture.keeper);
}

/* How many connections brought requests. */
static int connections(void) {
    char command[256];
    int count = -1;
    snprintf(command, sizeof command,
             "grep 'recv HEADERS frame' %s/log | grep -o '^\\[id=[0-9]*\\]' | sort -u | wc -l",
             fixture.folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static int set_up(void **state) {
    char command[1024], path[128];
    (void)state;
    strcpy(fixture.folder, "/tmp/moonlet-h2-XXXXXX");
    if (mkdtemp(fixture.folder) == NULL)
        return -1;
    snprintf(command, sizeof command, "cd %s; %s", fixture.folder, prepare);
    if (system(command) != 0) {
        print_message("SKIPPED: HTTP/2 tests need nghttpd and openssl\n");
        return 0;
    }
    snprintf(path, sizeof path, "%s/cert.pem", fixture.folder);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    fixture.ca[fread(fixture.ca, 1, sizeof fixture.ca - 1, file)] = '\0';
    fclose(file);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", fixture.folder);
    return system(command);
}

struct crowd { /* all that is under way */
    int begun, ended, most;
    uint64_t first_ns; /* when the first answer began */
};

struct seen {
    struct crowd *crowd;
    size_t bytes;
    struct error err; /* code 0 = none */
};

static void on_headers(void *context, const struct http_answer *answer) {
    struct crowd *crowd = ((struct seen *)context)->crowd;
    assert_int_equal(answer->status, 200);
    if (crowd->begun++ == 0)
        crowd->first_ns = clock_now(clock_real());
    if (crowd->begun - crowd->ended > crowd->most)
        crowd->most = crowd->begun - crowd->ended;
}

static void on_data(void *context, const char *data, size_t len) {
    (void)data;
    ((struct seen *)context)->bytes += len;
}

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err) {
    struct seen *seen = context;
    (void)answer;
    (void)body;
    seen->crowd->ended++;
    if (err)
        seen->err = *err;
}

static void start(struct http_transport *transport, struct seen *seen, struct crowd *crowd,
                  const char *name) {
    static struct http_tls tls;
    char url[64];
    struct error err;
    *seen = (struct seen){.crowd = crowd};
    tls.ca_pem = fixture.ca;
    snprintf(url, sizeof url, "https://localhost:%d/%s", fixture.port, name);
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .tls = &tls,
                                   .proxy = "",
                                   .stream = true,
                                   .timeout_ns = 60 * NS_PER_S,
                                   .on_headers = on_headers,
                                   .on_data = on_data,
                                   .on_done = on_done,
                                   .context = seen};
    assert_non_null(transport->start(transport, &request, &err));
}

/* STREAMS at once; what they were together. `first`: one request has shown HTTP/2 before. */
static struct crowd run_crowd(bool first) {
    struct mem_stats before = mem_stats();
    struct error err;
    struct crowd crowd = {0}, none = {0};
    struct seen seen[STREAMS], one;
    struct loop *loop = loop_create(clock_real(), &err);
    struct http_transport *transport = http_curl_create(loop, &err);
    assert_non_null(transport);
    if (first) {
        start(transport, &one, &none, "small");
        loop_run(loop);
        assert_int_equal(one.err.code, 0);
    }
    uint64_t begun_ns = clock_now(clock_real());
    for (int i = 0; i < STREAMS; i++)
        start(transport, &seen[i], &crowd, "big");
    loop_run(loop);
    crowd.first_ns -= begun_ns;
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(seen[i].err.code, 0);
        assert_int_equal(seen[i].bytes, BIG);
    }
    transport->destroy(transport);
    loop_destroy(loop);
    assert_int_equal(mem_stats().blocks, before.blocks);
    return crowd;
}

static void h2_streams_share_one_connection(void **state) {
    (void)state;
    if (fixture.ca[0] == '\0')
        return;
    start_server("100");
    struct crowd crowd = run_crowd(/* first= */ true);
    assert_int_equal(crowd.ended, STREAMS);
    assert_true(crowd.most > 1); /* side by side, not one after the other */
    assert_int_equal(connections(), 1);
    stop_server();
}

static void h2_streams_of_an_unknown_host_share_one_connection(void **state) {
    (void)state;
    if (fixture.ca[0] == '\0')
        return;
    for (bool in_time = false; !in_time;) { /* a busy machine may use the patience up */
        start_server("100");
        struct crowd crowd = run_crowd(/* first= */ false);
        assert_int_equal(crowd.ended, STREAMS);
        in_time = crowd.first_ns < 400 * NS_PER_MS;
        if (in_time)
            assert_int_equal(connections(), 1);
        stop_server();
    }
}

/* Who allows few streams on a connection gets more connections, not a queue (R21). */
static void h2_streams_above_the_servers_limit_all_flow(void **state) {
    (void)state;
    if (fixture.ca[0] == '\0')
        return;
    start_server("10");
    assert_int_equal(run_crowd(/* first= */ true).ended, STREAMS);
    int count = connections();
    assert_in_range(count, 1, 1 + STREAMS / 10);
    stop_server();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h2_streams_share_one_connection),
        cmocka_unit_test(h2_streams_of_an_unknown_host_share_one_connection),
        cmocka_unit_test(h2_streams_above_the_servers_limit_all_flow),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
