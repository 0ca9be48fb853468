/* Copyright: (c) 2026, the monitml.stack founders
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 *
 * A server that knows how long its answers took.
 *
 * Every request's time runs from the kernel's stamp of its arrival to the kernel's stamp of its
 * answer, as a clock read in this program would be off whenever it loses the processor. Answers take a lognormal time (median and sigma given), and on request the whole
 * server stands still for a while every so often. The times are written when it ends (SIGTERM),
 * one per line: arrival in ns since 1970, then the duration in ns.
 *
 * truth_server PORT LOG MEDIAN_US SIGMA STALL_MS STALL_EVERY_MS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 8192
#define MAX_LOG 4000000

static const char BODY[] =
    "{\"data\":{\"names\":[],\"ndarray\":[484713.5]},\"meta\":{\"requestPath\":{\"good\":\"housing-good:0.1\"}}}";
static char answer[512];
static int answer_length;

struct connection { int64_t came, due; int used; char data[16384]; };
static struct connection connections[MAX_FD];
struct wait { int64_t due; int fd; };
static struct wait heap[MAX_FD];
static int waiting;
static struct { int64_t came, took; } *logged;
static int logged_count;
static volatile sig_atomic_t ended;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t stamp_in(struct msghdr *message) {
    for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR(message, m))
        if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_TIMESTAMPING) {
            struct timespec *stamp = (void *)CMSG_DATA(m);
            return stamp->tv_sec * 1000000000LL + stamp->tv_nsec;
        }
    return 0;
}

/* When the answer just sent went out; 0 where the kernel does not tell. */
static int64_t went(int fd) {
    char control[512], byte;
    struct iovec part = {&byte, 0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    return recvmsg(fd, &message, MSG_ERRQUEUE) < 0 ? 0 : stamp_in(&message);
}

static void push(int64_t due, int fd) {
    int at = waiting++;
    while (at && heap[(at - 1) / 2].due > due) { heap[at] = heap[(at - 1) / 2]; at = (at - 1) / 2; }
    heap[at].due = due; heap[at].fd = fd;
}

static int pop(void) {
    int fd = heap[0].fd, at = 0, child;
    struct wait last = heap[--waiting];
    while ((child = 2 * at + 1) < waiting) {
        if (child + 1 < waiting && heap[child + 1].due < heap[child].due) child++;
        if (heap[child].due >= last.due) break;
        heap[at] = heap[child]; at = child;
    }
    heap[at] = last;
    return fd;
}

static double gauss(void) {
    double u = (random() + 1.0) / 2147483649.0, v = random() / 2147483648.0;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static void end(int number) { (void)number; ended = 1; }

/* Whether a whole request is in the buffer; takes it out. */
static int take(struct connection *c) {
    c->data[c->used] = 0;
    char *head = strstr(c->data, "\r\n\r\n");
    if (!head) return 0;
    char *field = strcasestr(c->data, "content-length:");
    int length = field && field < head ? atoi(field + 15) : 0;
    int whole = head + 4 - c->data + length;
    if (c->used < whole) return 0;
    memmove(c->data, c->data + whole, c->used - whole);
    c->used -= whole;
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    double median = atof(argv[3]) * 1000.0, sigma = atof(argv[4]);
    int64_t stall = atoll(argv[5]) * 1000000LL, every = atoll(argv[6]) * 1000000LL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY
                         | SOF_TIMESTAMPING_SOFTWARE;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) { perror("bind"); return 1; }
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    answer_length = snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", sizeof BODY - 1, BODY);
    logged = malloc(MAX_LOG * sizeof *logged);
    srandom(7);
    prctl(PR_SET_TIMERSLACK, 1);
    struct sigaction ending = {.sa_handler = end};
    sigaction(SIGTERM, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    int64_t next_stall = stall ? now() + every / 2 : INT64_MAX;
    while (!ended) {
        int64_t t = now();
        if (t >= next_stall) {
            struct timespec pause = {stall / 1000000000LL, stall % 1000000000LL};
            nanosleep(&pause, NULL);
            next_stall += every;
            t = now();
        }
        while (waiting && heap[0].due <= t) {
            int fd = pop();
            struct connection *c = &connections[fd];
            int64_t came = c->came, left = now(), stamp;
            if (send(fd, answer, answer_length, 0) < 0) continue;
            if ((stamp = went(fd)) >= left) left = stamp;
            if (logged_count < MAX_LOG) { logged[logged_count].came = came; logged[logged_count++].took = left - came; }
        }
        struct timespec limit = {0, 100000000};
        int64_t gap = (waiting ? heap[0].due : t + 100000000) - now();
        if (gap < 100000000) { limit.tv_nsec = gap > 0 ? gap : 0; }
        int count = epoll_pwait2(poller, events, 256, &limit, NULL);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
                    event.events = EPOLLIN; event.data.fd = fd;
                    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
                    connections[fd].used = 0;
                }
                continue;
            }
            struct connection *c = &connections[fd];
            char control[256];
            struct iovec part = {c->data + c->used, sizeof c->data - 1 - c->used};
            struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
            ssize_t got = recvmsg(fd, &message, 0);
            if (got <= 0) { if (got == 0 || errno != EAGAIN) close(fd); continue; }
            c->used += got;
            c->came = now();
            int64_t stamp = stamp_in(&message);
            if (stamp) c->came = stamp;
            if (take(c)) push(c->came + (int64_t)(median * exp(sigma * gauss())), fd);
        }
    }
    FILE *file = fopen(argv[2], "w");
    for (int i = 0; i < logged_count; i++)
        fprintf(file, "%lld %lld\n", (long long)logged[i].came, (long long)logged[i].took);
    fclose(file);
    return 0;
}
