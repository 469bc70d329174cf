// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/defaults.h"
#include "net/net.h"
#include "wire/wire.h"

// Nobody listens, as far as one can see: a daemon that is being restarted is given so long.
enum { IMPATIENT_MS = 1500 };

enum phase { PHASE_CONNECTING, PHASE_GREETING, PHASE_ASKING };

struct session {
    struct net_peer *peer;
    char endpoint[512];
    uint64_t timeout_ms;
    bool patient;
    uint8_t role; // that it greets as
    uint64_t id;  // of the last request
    enum phase phase;
};

// A request while it waits.
struct exchange {
    struct session *session;
    const char *verb; // NULL: being welcomed is all that is wanted
    const char *text; // arguments
    bool order;       // changes something: not to be sent twice
    bool sent;
    json_t *reply;
    int code; // of the reply
    bool done;
};

uint64_t mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char *or_environment(const char *said, const char *variable)
{
    const char *value = said ? said : getenv(variable);
    return value && *value ? value : NULL;
}

int session_open(const struct cli *cli, struct session **ret, assent_error *error)
{
    struct session *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    self->timeout_ms = cli->timeout_ms;
    self->patient = cli->patient;
    self->role = ROLE_OPERATOR;
    int code = ASSENT_OK;
    if (cli->endpoint && strlen(cli->endpoint) >= sizeof self->endpoint)
        code = error_set(error, ASSENT_CONFIG, "the endpoint is too long");
    else if (cli->endpoint)
        strcpy(self->endpoint, cli->endpoint);
    else
        code = default_client_endpoint(self->endpoint, sizeof self->endpoint, error);
    if (code == ASSENT_OK) {
        struct net_peer_options options = {
            .endpoint = self->endpoint,
            .certificate = or_environment(cli->certificate, "ASSENT_CERTIFICATE"),
            .server_certificate =
                or_environment(cli->server_certificate, "ASSENT_SERVER_CERTIFICATE"),
        };
        code = net_peer_open(&options, &self->peer, error);
    }
    if (code != ASSENT_OK) {
        free(self);
        return code;
    }
    *ret = self;
    return ASSENT_OK;
}

void session_close(struct session **self_p)
{
    if (*self_p) {
        net_peer_close(&(*self_p)->peer);
        free(*self_p);
        *self_p = NULL;
    }
}

static void session_send(struct session *self, const struct msg *msg)
{
    struct frame_header header = {.version = WIRE_VERSION};
    net_peer_send(self->peer, msg);
    net_peer_flush(self->peer, &header);
}

static void session_greet(struct session *self)
{
    struct msg hello = {.type = MSG_HELLO};
    hello.u.hello.role = self->role;
    hello.u.hello.version_min = hello.u.hello.version_max = WIRE_VERSION;
    hello.u.hello.name = slice_text("assent");
    session_send(self, &hello);
    self->phase = PHASE_GREETING;
}

static void exchange_ask(struct exchange *x)
{
    struct msg ask = {.type = MSG_ADMIN};
    ask.u.admin.id = x->session->id;
    ask.u.admin.verb = slice_text(x->verb);
    ask.u.admin.json = slice_text(x->text);
    session_send(x->session, &ask);
    x->sent = true;
}

static int reply_error(const json_t *reply, int code, assent_error *error)
{
    const char *message = member_text(json_object_get(reply, "error"), "message");
    return error_set(error, code, "%s", *message ? message : assent_code_text(code));
}

static int exchange_reply(struct exchange *x, const struct msg_admin *admin, assent_error *error)
{
    if (admin->id != x->session->id)
        return ASSENT_OK; // of an earlier request that was given up
    x->reply = json_loadb(admin->json.data, admin->json.size, 0, NULL);
    if (!json_is_object(x->reply))
        return error_set(error, ASSENT_INTERNAL, "the coordinator's answer is not JSON");
    if (admin->code != ASSENT_OK)
        return reply_error(x->reply, admin->code, error);
    x->done = true;
    return ASSENT_OK;
}

static int exchange_message(struct exchange *x, const struct msg *msg, assent_error *error)
{
    struct session *self = x->session;
    if (msg->type == MSG_REFUSED)
        return error_set(error, msg->u.refused.code, "the coordinator refuses: %.*s",
                         (int)msg->u.refused.text.size, (const char *)msg->u.refused.text.data);
    if (msg->type == MSG_WELCOME && self->phase == PHASE_GREETING) {
        self->phase = PHASE_ASKING;
        if (x->verb)
            exchange_ask(x);
        x->done = !x->verb;
        return ASSENT_OK;
    }
    if (msg->type == MSG_ADMIN_REPLY)
        return exchange_reply(x, &msg->u.admin, error);
    return ASSENT_OK;
}

static int exchange_frame(struct exchange *x, struct slice frame, assent_error *error)
{
    struct wire_reader reader;
    struct frame_header header;
    struct msg msg;
    int code = wire_open(&reader, frame, &header, error);
    int read = code;
    while (code == ASSENT_OK && !x->done && wire_next(&reader, &msg, &read, error))
        code = exchange_message(x, &msg, error);
    if (read != ASSENT_OK)
        return error_prefix(error, "%s answers, but not as a coordinator would",
                            x->session->endpoint);
    return code;
}

static int exchange_link(struct exchange *x, assent_error *error)
{
    struct session *self = x->session;
    enum net_link link;
    while ((link = net_peer_link(self->peer)) != NET_LINK_SAME) {
        if (link == NET_LINK_UP) {
            session_greet(self);
            continue;
        }
        self->phase = PHASE_CONNECTING;
        if (x->order && x->sent)
            return error_set(error, ASSENT_UNAVAILABLE,
                             "the connection to %s was lost before the answer came: whether the "
                             "order was carried out is not known. Look with 'assent show'",
                             self->endpoint);
    }
    return ASSENT_OK;
}

// Why there is no connection, without the endpoint, which the message names already.
static const char *reason_of(const struct session *self, const assent_error *why)
{
    const char *at = strstr(why->message, self->endpoint);
    size_t length = strlen(self->endpoint);
    return at && strncmp(at + length, ": ", 2) == 0 ? at + length + 2 : why->message;
}

static int exchange_late(const struct exchange *x, assent_error *error)
{
    const struct session *self = x->session;
    assent_error why = {0};
    char age[AGE_TEXT_BYTES];
    if (x->sent && self->phase == PHASE_ASKING)
        return error_set(error, ASSENT_TIMEOUT,
                         "the coordinator at %s is there but did not answer within %s%s "
                         "(--timeout gives it longer)",
                         self->endpoint, format_age(self->timeout_ms, age),
                         x->order ? ": whether the order was carried out is not known. Look with "
                                    "'assent show'"
                                  : "");
    int code = net_peer_last_error(self->peer, &why);
    return error_set(error, ASSENT_UNAVAILABLE,
                     "no coordinator answers at %s%s%s. Is assentd running there? Another endpoint "
                     "is set with --endpoint or ASSENT_ENDPOINT",
                     self->endpoint, code ? ": " : "", code ? reason_of(self, &why) : "");
}

// When to give up, for an exchange that began at start_ms.
static uint64_t exchange_due(const struct exchange *x, uint64_t start_ms)
{
    const struct session *self = x->session;
    uint64_t most_ms = self->timeout_ms;
    bool nobody = self->phase == PHASE_CONNECTING && net_peer_last_error(self->peer, NULL);
    if (nobody && !self->patient && most_ms > IMPATIENT_MS)
        most_ms = IMPATIENT_MS;
    return start_ms + most_ms;
}

static int exchange_run(struct exchange *x, assent_error *error)
{
    struct session *self = x->session;
    uint64_t start_ms = mono_ms();
    int code = ASSENT_OK;
    if (self->phase == PHASE_ASKING)
        exchange_ask(x);
    while (code == ASSENT_OK && !x->done) {
        struct slice frame;
        code = exchange_link(x, error);
        while (code == ASSENT_OK && !x->done && net_peer_receive(self->peer, &frame))
            code = exchange_frame(x, frame, error);
        if (code != ASSENT_OK || x->done)
            break;
        uint64_t now_ms = mono_ms(), due_ms = exchange_due(x, start_ms);
        if (now_ms >= due_ms)
            return exchange_late(x, error);
        uint64_t left_ms = due_ms - now_ms;
        net_peer_wait(self->peer, NULL, 0, left_ms > 500 ? 500 : (int)left_ms);
    }
    return code;
}

static bool is_order(const char *verb)
{
    return strcmp(verb, "commit") == 0 || strcmp(verb, "abort") == 0 || strcmp(verb, "forget") == 0;
}

int session_ask(struct session *self, const char *verb, json_t *arguments, json_t **ret_reply,
                assent_error *error)
{
    char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : strdup("{}");
    json_decref(arguments);
    if (!text)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    struct exchange x = {.session = self, .verb = verb, .text = text, .order = is_order(verb)};
    self->id++;
    int code = exchange_run(&x, error);
    free(text);
    if (code != ASSENT_OK) {
        json_decref(x.reply);
        return code;
    }
    *ret_reply = x.reply;
    return ASSENT_OK;
}

int session_greet_as_client(struct session *self, assent_error *error)
{
    struct exchange x = {.session = self};
    self->role = ROLE_CLIENT;
    return exchange_run(&x, error);
}

void session_by(char *ret, size_t size)
{
    char host[40] = "?";
    const struct passwd *user = getpwuid(geteuid());
    const char *sudo = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
    gethostname(host, sizeof host);
    host[sizeof host - 1] = '\0';
    char number[24];
    snprintf(number, sizeof number, "uid %u", (unsigned)geteuid());
    const char *name = user ? user->pw_name : number;
    if (sudo && *sudo)
        snprintf(ret, size, "%.16s as %.8s@%s", sudo, name, host);
    else
        snprintf(ret, size, "%.20s@%s", name, host);
}
