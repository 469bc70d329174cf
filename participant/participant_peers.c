// SPDX-License-Identifier: Apache-2.0
#include "participant_peers.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/logger.h"
#include "net/cert.h"
#include "net/net.h"
#include "wire/wire.h"

enum {
    WORDS_MAX = 4096, // waiting in one direction
    LINKS_MAX = 128,
    TURN_FRAMES = 64,
    PEERS_MAX = 1024,
    QUEUE_BYTES = 1 << 20,     // to one
    FRAME_BYTES = 1 << 20,     // no message of theirs comes near
    HOLD_MS = 1000,            // for a link that is being opened
    LINK_IDLE_MS = 60000,      // then it is closed
    HEARD_MS = 60000,          // so long an address that its participant has said counts most
    LINK_LOOK_MS = 2,          // while something waits for a link
    IDLE_LOOK_MS = 1000,       // else
    AUTHORIZED_LOOK_MS = 10000 // the directory is read anew
};

// To one participant; dialled when something is to be said there.
struct link {
    struct list node; // the one that was used last is the last
    struct net_peer *net;
    uint64_t used_ms;
    uint64_t heard_until_ms; // until then the address is what the participant itself has said
    char address[LIMIT_ADDRESS_BYTES + 1], resource[LIMIT_NAME_BYTES + 1];
};

struct peers {
    assent_participant *participant;
    struct net_server *server;
    pthread_t thread;
    bool running;
    int bell;
    bool tcp;                   // the door; to others of the same kind only is spoken
    char certificate[PATH_MAX]; // empty: none

    pthread_mutex_t lock; // of the next three
    struct list to_tell;
    unsigned to_tell_count;
    bool closing;

    // of the thread alone
    struct list links;
    unsigned link_count;
    uint64_t looked_ms;
    struct wire_reader reader;
    struct log_limit log_limit;
};

// ---- where it is ----

static bool over_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp:", 4) == 0;
}

static const char *told(const char *option, const char *variable)
{
    return option ? option : getenv(variable);
}

// Where the coordinator is reached over ipc the others are on this machine, too.
static void default_endpoint_of(const assent_participant *p, const char *journal_dir, char *ret,
                                size_t size)
{
    char path[PATH_MAX];
    ret[0] = '\0';
    if (!over_tcp(p->place.endpoint) && realpath(journal_dir, path) &&
        (size_t)snprintf(ret, size, "ipc://%s.peers", path) >= size)
        ret[0] = '\0';
}

static bool wildcard(const char *endpoint)
{
    return strncmp(endpoint, "tcp://0.0.0.0:", 14) == 0 || strncmp(endpoint, "tcp://*", 7) == 0 ||
           strncmp(endpoint, "tcp://[::]:", 11) == 0;
}

// The endpoint, and the key that is spoken there where one is.
static int address_make(const struct peers *peers, const char *endpoint,
                        char ret[LIMIT_ADDRESS_BYTES + 1], assent_error *error)
{
    struct cert_keys keys = {0};
    bool key = peers->certificate[0] && over_tcp(endpoint);
    for (const char *c = endpoint; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return error_set(error, ASSENT_INVALID,
                             "peers: %s: an address is of printable ASCII without blanks",
                             endpoint);
    }
    if (wildcard(endpoint))
        return error_set(error, ASSENT_CONFIG,
                         "peers: nobody can connect to %s: say in peer_address which name or "
                         "address of this machine the others are to use",
                         endpoint);
    int code = key ? cert_load_secret(peers->certificate, &keys, error) : ASSENT_OK;
    if (code == ASSENT_OK && snprintf(ret, LIMIT_ADDRESS_BYTES + 1, "%s%s%s", endpoint,
                                      key ? " " : "", keys.public_key) > LIMIT_ADDRESS_BYTES)
        code = error_set(error, ASSENT_INVALID, "peers: the address %s is too long", endpoint);
    explicit_bzero(&keys, sizeof keys);
    return code;
}

static int door_open(struct peers *peers, const char *endpoint, const char *address,
                     const assent_participant_options *options, char *ret_address,
                     assent_error *error)
{
    const char *const endpoints[] = {endpoint, NULL};
    const char *certificate = peers->certificate[0] ? peers->certificate : NULL;
    peers->tcp = over_tcp(endpoint);
    const struct net_server_options door = {
        .endpoints = endpoints,
        .certificate = peers->tcp ? certificate : NULL,
        .authorized_dir = told(options->peer_authorized_dir, "ASSENT_PEER_AUTHORIZED_DIR"),
        .allow_loopback = !certificate,
        .peer_queue_bytes = QUEUE_BYTES,
        .frame_bytes_max = FRAME_BYTES,
        .peers_max = PEERS_MAX,
    };
    int code = net_server_open(&door, &peers->server, error);
    if (code == ASSENT_OK)
        code = address_make(peers,
                            address && *address ? address : net_server_endpoint(peers->server, 0),
                            ret_address, error);
    return code;
}

static void peers_free(struct peers *peers)
{
    net_server_close(&peers->server);
    if (peers->bell >= 0)
        close(peers->bell);
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

int peers_open(assent_participant *p, const assent_participant_options *options,
               char ret_address[LIMIT_ADDRESS_BYTES + 1], assent_error *error)
{
    char endpoint[PATH_MAX + 64];
    const char *wanted = told(options->peer_endpoint, "ASSENT_PEER_ENDPOINT");
    const char *address = wanted ? told(options->peer_address, "ASSENT_PEER_ADDRESS") : NULL;
    int code = ASSENT_OK;
    ret_address[0] = '\0';
    if (wanted)
        code = shell_setting(options->peer_endpoint, "ASSENT_PEER_ENDPOINT", endpoint,
                             sizeof endpoint, error);
    else
        default_endpoint_of(p, options->journal_dir, endpoint, sizeof endpoint);
    if (code != ASSENT_OK || !endpoint[0])
        return code;
    struct peers *peers = calloc(1, sizeof *peers);
    if (!peers)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    peers->participant = p;
    pthread_mutex_init(&peers->lock, NULL);
    list_init(&peers->to_tell);
    list_init(&peers->links);
    peers->log_limit = (struct log_limit){.burst = 5, .per_ms = 10000};
    memcpy(peers->certificate, p->place.certificate, sizeof peers->certificate);
    peers->bell = shell_bell(error);
    code = peers->bell < 0 ? ASSENT_IO
                           : door_open(peers, endpoint, address, options, ret_address, error);
    if (code == ASSENT_OK) {
        p->peers = peers;
        return ASSENT_OK;
    }
    peers_free(peers);
    ret_address[0] = '\0';
    if (wanted)
        return code;
    log_event(LOG_WARN, "no_peers", KV("resource", p->resource), KV("why", error->message));
    return ASSENT_OK; // elections wait for the coordinator then
}

// ---- links ----

static bool log_allowed(struct peers *peers)
{
    uint64_t suppressed;
    return logger_on(LOG_WARN) &&
           log_limit_allow(&peers->log_limit, shell_now().mono_ms, &suppressed);
}

static void link_hang_up(struct link *link)
{
    net_peer_close(&link->net);
}

static void link_forget(struct peers *peers, struct link *link)
{
    list_remove(&link->node);
    link_hang_up(link);
    free(link);
    peers->link_count--;
}

// The key behind an endpoint, which is ended there; or NULL.
static char *key_cut(char *address)
{
    char *blank = strrchr(address, ' ');
    if (!blank || !over_tcp(address))
        return NULL;
    *blank = '\0';
    return blank + 1;
}

// A name is looked up by the I/O thread of the link's context, which may take long.
static bool has_name(const char *endpoint)
{
    const char *host = endpoint + strlen("tcp://");
    return over_tcp(endpoint) && *host != '[' && host[strspn(host, "0123456789.:")] != '\0';
}

// Only to whom the directory knows a participant is spoken over the network.
static int link_check(const struct peers *peers, const struct link *link, const char *endpoint,
                      const char *key, assent_error *error)
{
    if (over_tcp(endpoint) != peers->tcp)
        return error_set(error, ASSENT_DENIED, "its door is %s, and the one here is not",
                         peers->tcp ? "no tcp endpoint" : "no ipc endpoint");
    if (!peers->tcp || !peers->certificate[0])
        return ASSENT_OK;
    if (!key)
        return error_set(error, ASSENT_DENIED, "it has no certificate");
    if (!net_server_authorizes(peers->server, key, slice_text(link->resource)))
        return error_set(error, ASSENT_DENIED,
                         "no certificate among the authorized ones lets it speak for %s",
                         link->resource);
    return ASSENT_OK;
}

// Dials, unless that was done. The certificates are looked at again in any case.
static int link_raise(struct peers *peers, struct link *link, assent_error *error)
{
    char endpoint[LIMIT_ADDRESS_BYTES + 1];
    memcpy(endpoint, link->address, sizeof endpoint);
    const char *key = key_cut(endpoint);
    bool curve = peers->tcp && peers->certificate[0];
    int code = link_check(peers, link, endpoint, key, error);
    if (code != ASSENT_OK) {
        link_hang_up(link);
        return code;
    }
    const struct net_peer_options options = {
        .endpoint = endpoint,
        .certificate = curve ? peers->certificate : NULL,
        .server_key = curve ? key : NULL,
        .queue_bytes = QUEUE_BYTES,
        .frame_bytes_max = FRAME_BYTES,
        .hold_ms = HOLD_MS,
        .beside = has_name(endpoint) ? NULL : peers->server,
    };
    return link->net ? ASSENT_OK : net_peer_open(&options, &link->net, error);
}

// The one to that participant. When there are too many the one that was not used longest makes
// place. NULL: out of memory.
static struct link *link_to(struct peers *peers, const char *resource, uint64_t now_ms)
{
    struct link *link = NULL;
    for (struct list *node = peers->links.next; node != &peers->links && !link; node = node->next) {
        struct link *other = container_of(node, struct link, node);
        if (strcmp(other->resource, resource) == 0)
            link = other;
    }
    if (!link) {
        if (peers->link_count >= LINKS_MAX)
            link_forget(peers, container_of(peers->links.next, struct link, node));
        link = calloc(1, sizeof *link);
        if (!link)
            return NULL;
        snprintf(link->resource, sizeof link->resource, "%s", resource);
        list_init(&link->node);
        peers->link_count++;
    }
    list_remove(&link->node);
    list_append(&peers->links, &link->node);
    link->used_ms = now_ms;
    return link;
}

static void link_address(struct link *link, const char *address)
{
    if (strcmp(link->address, address) == 0)
        return;
    link_hang_up(link);
    snprintf(link->address, sizeof link->address, "%s", address);
}

static void link_news(struct link *link)
{
    while (link->net && net_peer_link(link->net) != NET_LINK_SAME)
        continue;
}

// What a participant says of its address itself, for a while counts more than what was recorded.
static void tell_one(struct peers *peers, const struct peer_word *word, uint64_t now_ms)
{
    struct link *link = link_to(peers, word->resource, now_ms);
    if (!link)
        return;
    if (now_ms > link->heard_until_ms)
        link_address(link, word->address);
    assent_error error;
    if (link_raise(peers, link, &error) == ASSENT_OK) {
        link_news(link); // or what is said would be lost with a connection that is no more
        net_peer_send(link->net, &word->msg);
    } else if (log_allowed(peers)) {
        log_event(LOG_WARN, "peer_unreachable", KV("resource", link->resource),
                  KV("address", link->address), KV("why", error.message));
    }
}

static void tell_all(struct peers *peers, uint64_t now_ms)
{
    pthread_mutex_lock(&peers->lock);
    while (!list_empty(&peers->to_tell)) {
        struct peer_word *word = container_of(peers->to_tell.next, struct peer_word, link);
        list_remove(&word->link);
        peers->to_tell_count--;
        pthread_mutex_unlock(&peers->lock);
        tell_one(peers, word, now_ms);
        free(word);
        pthread_mutex_lock(&peers->lock);
    }
    pthread_mutex_unlock(&peers->lock);
}

// True when something waits for a link.
static bool links_serve(struct peers *peers, uint64_t now_ms)
{
    static const struct frame_header header = {.version = WIRE_VERSION};
    struct slice frame;
    bool waits = false;
    for (struct list *node = peers->links.next, *next; node != &peers->links; node = next) {
        next = node->next;
        struct link *link = container_of(node, struct link, node);
        link_news(link);
        while (link->net && net_peer_receive(link->net, &frame)) // nothing is said on this side
            continue;
        if (link->net) {
            net_peer_flush(link->net, &header);
            waits |= net_peer_waits(link->net);
        }
        if (now_ms - link->used_ms > LINK_IDLE_MS)
            link_forget(peers, link);
    }
    return waits;
}

// ---- the door ----

// Handed to the engine. `frame`: who said it.
static void hear(struct peers *peers, const struct net_frame *frame, const struct msg *msg)
{
    assent_participant *p = peers->participant;
    const struct msg_quorum *m = &msg->u.quorum;
    bool quorum = msg->type == MSG_ASK || msg->type == MSG_STATE || msg->type == MSG_TRY ||
                  msg->type == MSG_DECIDE;
    if (!quorum || m->resource.size == 0 || !net_grant_resource(frame->grant, m->resource)) {
        if (log_allowed(peers))
            log_event(LOG_WARN, "peer_denied", KV("principal", frame->principal),
                      KV("address", frame->address), KV("message", msg_name(msg->type)));
        return;
    }
    struct peer_word *word = malloc(sizeof *word);
    if (!word)
        return;
    word->msg = *msg;
    word->msg.u.quorum.resource = slice_to_text(m->resource, word->resource);
    word->msg.u.quorum.address = slice_to_text(m->address, word->address);
    uint64_t now_ms = shell_now().mono_ms;
    struct link *link = m->address.size > 0 ? link_to(peers, word->resource, now_ms) : NULL;
    if (link) {
        link_address(link, word->address);
        link->heard_until_ms = now_ms + HEARD_MS;
    }
    pthread_mutex_lock(&p->lock);
    if (p->heard_count < WORDS_MAX) {
        list_append(&p->heard, &word->link);
        p->heard_count++;
        engine_wake(p);
        word = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    free(word);
}

static bool door_serve(struct peers *peers)
{
    struct net_frame frame;
    struct frame_header header;
    struct msg msg;
    for (unsigned i = 0; i < TURN_FRAMES; i++) {
        if (!net_server_receive(peers->server, &frame))
            return false;
        int code = wire_open(&peers->reader, frame.data, &header, NULL);
        while (code == ASSENT_OK && wire_next(&peers->reader, &msg, &code, NULL))
            hear(peers, &frame, &msg);
    }
    return true;
}

static void no_header(void *arg, peer_t peer, struct frame_header *ret)
{
    (void)arg, (void)peer;
    *ret = (struct frame_header){.version = WIRE_VERSION};
}

static void look_after(struct peers *peers, uint64_t now_ms)
{
    peer_t gone;
    do
        net_server_flush(peers->server, no_header, NULL, &gone);
    while (gone);
    if (now_ms - peers->looked_ms < AUTHORIZED_LOOK_MS)
        return;
    peers->looked_ms = now_ms;
    assent_error error;
    if (net_server_reload(peers->server, &error) != ASSENT_OK && log_allowed(peers))
        log_event(LOG_WARN, "peers_authorized", KV("why", error.message));
}

static bool closing(struct peers *peers)
{
    pthread_mutex_lock(&peers->lock);
    bool yes = peers->closing;
    pthread_mutex_unlock(&peers->lock);
    return yes;
}

static void *peers_run(void *arg)
{
    struct peers *peers = arg;
    peers->looked_ms = shell_now().mono_ms;
    while (!closing(peers)) {
        uint64_t now_ms = shell_now().mono_ms;
        tell_all(peers, now_ms);
        bool waits = links_serve(peers, now_ms);
        bool more = door_serve(peers);
        look_after(peers, now_ms);
        struct pollfd bell = {.fd = peers->bell, .events = POLLIN};
        net_server_wait(peers->server, &bell, 1, more ? 0 : waits ? LINK_LOOK_MS : IDLE_LOOK_MS);
        if (bell.revents)
            shell_silence(peers->bell);
    }
    while (!list_empty(&peers->links))
        link_forget(peers, container_of(peers->links.next, struct link, node));
    return NULL;
}

// ---- for the engine ----

int peers_start(assent_participant *p, assent_error *error)
{
    if (!p->peers)
        return ASSENT_OK;
    int code = shell_thread(&p->peers->thread, peers_run, p->peers, error);
    p->peers->running = code == ASSENT_OK;
    return code;
}

static void words_drop(struct list *words)
{
    while (!list_empty(words)) {
        struct peer_word *word = container_of(words->next, struct peer_word, link);
        list_remove(&word->link);
        free(word);
    }
}

void peers_close(assent_participant *p)
{
    struct peers *peers = p->peers;
    if (!peers)
        return;
    if (peers->running) {
        pthread_mutex_lock(&peers->lock);
        peers->closing = true;
        pthread_mutex_unlock(&peers->lock);
        shell_ring(peers->bell);
        pthread_join(peers->thread, NULL);
    }
    words_drop(&peers->to_tell);
    words_drop(&p->heard);
    peers_free(peers);
    p->peers = NULL;
}

void peers_tell(assent_participant *p, const struct effect_tell *tell)
{
    struct peers *peers = p->peers;
    struct peer_word *word = peers && tell->address.size > 0 ? malloc(sizeof *word) : NULL;
    if (!word)
        return;
    word->msg = tell->msg; // its texts are the core's own configuration
    slice_to_text(tell->resource, word->resource);
    slice_to_text(tell->address, word->address);
    pthread_mutex_lock(&peers->lock);
    bool room = peers->to_tell_count < WORDS_MAX;
    bool first = room && peers->to_tell_count++ == 0;
    if (room)
        list_append(&peers->to_tell, &word->link);
    pthread_mutex_unlock(&peers->lock);
    if (!room)
        free(word);
    if (first)
        shell_ring(peers->bell);
}

void peers_take(assent_participant *p)
{
    for (unsigned left = p->heard_count; left > 0; left--) { // what comes meanwhile has to wait
        struct peer_word *word = container_of(p->heard.next, struct peer_word, link);
        list_remove(&word->link);
        p->heard_count--;
        pthread_mutex_unlock(&p->lock);
        struct event event = {.type = EVENT_TOLD};
        event.u.told.msg = &word->msg;
        engine_step(p, &event);
        free(word);
        pthread_mutex_lock(&p->lock);
    }
}
