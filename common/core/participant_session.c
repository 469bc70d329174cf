// SPDX-License-Identifier: Apache-2.0
// Greeting the coordinator, staying in touch with it, and which coordinator it is.
#include "core/participant_internal.h"

// A coordinator that refused us will do so again: ask, but rarely.
enum { REFUSED_PAUSE = 4 };

struct msg *part_send(struct participant *self, enum msg_type type, struct msg *spare)
{
    struct msg *msg = spare;
    // Before the welcome the coordinator would not know whose answer it is. Nothing is lost: when
    // it has welcomed us it sends again whatever it waits for, and branches in doubt ask.
    if (self->welcomed || type == MSG_HELLO) {
        self->sent_ms = self->now.mono_ms;
        msg = &effects_add(self->fx, EFFECT_SEND)->u.send.msg;
    }
    *msg = (struct msg){.type = type};
    return msg;
}

static void greet(struct participant *self)
{
    struct msg spare;
    part_send(self, MSG_HELLO, &spare)->u.hello = (struct msg_hello){
        .role = ROLE_PARTICIPANT,
        .version_min = WIRE_VERSION,
        .version_max = WIRE_VERSION,
        .peer_incarnation = self->config.incarnation,
        .journal = self->config.journal,
        .name = slice_text(self->config.resource),
        .address = slice_text(self->config.address),
    };
    uint64_t pause = self->config.silent_ms / 2 + 1;
    if (self->refused_code != ASSENT_OK)
        pause *= REFUSED_PAUSE;
    self->greet_due_ms = self->now.mono_ms + pause + rng_below(&self->rng, pause);
}

void part_connected(struct participant *self)
{
    self->linked = true;
    self->welcomed = false;
    greet(self);
}

void part_disconnected(struct participant *self)
{
    self->linked = self->welcomed = false;
    part_forsaken(self);
}

// Another coordinator answers: its log was made anew, or the endpoint is another's. Branches in
// doubt of the former one stay in doubt, and ask under its id; what this one asks for is new work.
static void change_coordinator(struct participant *self, const struct frame_header *header)
{
    self->heard = (struct part_coordinator){
        .id = header->coordinator,
        .incarnation = header->incarnation,
    };
    self->welcomed = false; // by the one before
    part_coordinator_changed(self);
}

static bool is_welcome(const struct participant *self, const struct msg *msg)
{
    return msg->type == MSG_WELCOME && self->linked &&
           msg->u.welcome.peer_incarnation == self->config.incarnation;
}

// False: the frame is of a coordinator that we have nothing to do with, or of an earlier run of
// ours, which no longer owns its log.
static bool place(struct participant *self, const struct frame_header *header,
                  const struct msg *msg)
{
    struct part_coordinator *heard = &self->heard;
    bool welcome = is_welcome(self, msg);
    if (header->coordinator != heard->id) {
        if (welcome)
            change_coordinator(self, header);
        return welcome || msg->type == MSG_REFUSED;
    }
    if (header->incarnation < heard->incarnation)
        return false;
    if (header->incarnation > heard->incarnation && self->welcomed) {
        self->welcomed = false; // it restarted, and knows us again only when it says so
        self->greet_due_ms = self->now.mono_ms;
    }
    heard->incarnation = header->incarnation;
    return true;
}

bool part_heard(struct participant *self, const struct frame_header *header, const struct msg *msg)
{
    if (!self->linked || !header->from_coordinator || !place(self, header, msg))
        return false;
    self->heard_ms = self->now.mono_ms;
    if (header->coordinator != self->heard.id)
        return true;
    if (header->log_seq > self->heard.log_seq) {
        self->heard.log_seq = header->log_seq;
        self->heard.seal = header->seal;
    }
    // A coordinator that does not know us cannot know what it may still ask of us.
    if (self->welcomed || is_welcome(self, msg))
        part_fence(self, header->fence);
    return true;
}

void part_welcome(struct participant *self, const struct msg_welcome *welcome)
{
    if (welcome->peer_incarnation != self->config.incarnation) {
        self->stats.stale++;
        return;
    }
    self->refused_code = ASSENT_OK;
    if (self->welcomed)
        return;
    self->welcomed = true;
    self->sent_ms = self->now.mono_ms;
    part_inquire_all(self);
}

void part_refused(struct participant *self, const struct msg_refused *refused)
{
    if (refused->about != MSG_HELLO) {
        // It does not know us (any more). Asked about a branch it would have named the gtid.
        if (self->welcomed && refused->gtid.size == 0) {
            self->welcomed = false;
            self->greet_due_ms = self->now.mono_ms + self->config.retry_min_ms;
        }
        return;
    }
    self->welcomed = false;
    self->refused_code = refused->code ? refused->code : ASSENT_DENIED;
    self->refused_size = refused->text.size < sizeof self->refused_text ? refused->text.size
                                                                        : sizeof self->refused_text;
    if (self->refused_size > 0)
        memcpy(self->refused_text, refused->text.data, self->refused_size);
    self->greet_due_ms =
        self->now.mono_ms + (uint64_t)REFUSED_PAUSE * self->config.silent_ms / 2 + 1;
}

static bool silent(const struct participant *self)
{
    return self->now.mono_ms - self->heard_ms >= self->config.silent_ms;
}

void part_session_tick(struct participant *self)
{
    if (!self->linked)
        return;
    if (self->welcomed && silent(self)) {
        self->welcomed = false;
        part_forsaken(self);
        self->greet_due_ms = self->now.mono_ms;
    }
    if (!self->welcomed) {
        if (self->now.mono_ms >= self->greet_due_ms)
            greet(self);
    } else if (self->now.mono_ms - self->sent_ms >= self->config.ping_ms) {
        struct msg spare;
        part_send(self, MSG_PING, &spare)->u.ping.stamp = self->now.mono_ms;
    }
}

uint64_t part_session_deadline(const struct participant *self)
{
    if (!self->linked)
        return UINT64_MAX;
    if (!self->welcomed)
        return self->greet_due_ms;
    uint64_t ping = self->sent_ms + self->config.ping_ms;
    uint64_t silence = self->heard_ms + self->config.silent_ms;
    return ping < silence ? ping : silence;
}
