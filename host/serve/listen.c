#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len,
                         struct error *err) {
    const char *colon = strrchr(text, ':');
    char host[64] = "";
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (colon == NULL || end == colon + 1 || *end || port < 0 || port > 65535 || len >= sizeof host)
        return error_set(err, ERROR_INVALID, "\"%s\" is not an address such as 127.0.0.1:8080",
                         text);
    memcpy(host, text, len);
    if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        memmove(host, host + 1, len - 1);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) ==
        1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *ret_len = sizeof *v4;
        return 0;
    }
    if (*host == '\0' || inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6; /* "" is [::], which takes IPv4 too */
        v6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof *v6;
        return 0;
    }
    return error_set(err, ERROR_INVALID, "\"%s\" is not an IP address", host);
}

int listen_check(const char *text, struct error *err) {
    struct sockaddr_storage address;
    socklen_t len;
    return parse_address(text, &address, &len, err);
}

static int try_listen(struct sockaddr_storage *address, socklen_t len) {
    int on = 1, off = 0;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && address->ss_family == AF_INET6 &&
        memcmp(&((struct sockaddr_in6 *)address)->sin6_addr, &in6addr_any, 16) == 0) {
        uint16_t port = ((struct sockaddr_in6 *)address)->sin6_port; /* no IPv6 on this machine */
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = port};
        memcpy(address, &any, sizeof any);
        len = sizeof any;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (struct sockaddr *)address, len) == 0 && listen(fd, 128) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

int listen_open(const char *text, bool may_move, struct error *err) {
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (parse_address(text, &address, &len, err) < 0)
        return -1;
    int fd = try_listen(&address, len);
    if (fd < 0 && errno == EADDRINUSE && may_move) {
        if (address.ss_family == AF_INET)
            ((struct sockaddr_in *)&address)->sin_port = 0;
        else
            ((struct sockaddr_in6 *)&address)->sin6_port = 0;
        fd = try_listen(&address, len);
    }
    if (fd < 0)
        error_set(err, ERROR_UNAVAILABLE, "listen on %s: %s", text, strerror(errno));
    return fd;
}

void listen_name(int fd, char *ret, size_t size) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(ret, size, "%s:%u", host, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(ret, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}
