// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/logger.h"
#include "core/gtid.h"
#include "xa_internal.h"

// ---- the switch ----

static int switch_load(assent_xa *xa, const char *library, const char *symbol, assent_error *error)
{
    // It stays: threads that end later still call what it leaves to be called then. Functions that
    // the transaction manager would have to have (ax_reg) are missed only when they are called.
    xa->library = dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (!xa->library)
        return error_set(error, ASSENT_CONFIG, "cannot load the XA switch: %s", dlerror());
    xa->xa_switch = dlsym(xa->library, symbol);
    if (!xa->xa_switch)
        return error_set(error, ASSENT_CONFIG,
                         "%s has no '%s': the resource manager's documentation has the name of its "
                         "XA switch",
                         library, symbol);
    if ((uintptr_t)xa->xa_switch % _Alignof(struct xa_switch_t)) // a function, or a text
        return error_set(error, ASSENT_CONFIG, "this is no XA switch: '%s' of %s", symbol, library);
    return ASSENT_OK;
}

static bool switch_complete(const struct xa_switch_t *s)
{
    return s->xa_open_entry && s->xa_close_entry && s->xa_start_entry && s->xa_end_entry &&
           s->xa_rollback_entry && s->xa_prepare_entry && s->xa_commit_entry &&
           s->xa_recover_entry && s->xa_forget_entry;
}

// TMUSEASYNC and TMNOMIGRATE ask for nothing: no call is asynchronous here, and no association ever
// leaves its thread.
static int switch_check(assent_xa *xa, assent_error *error)
{
    const struct xa_switch_t *s = xa->xa_switch;
    if (s->version != 0 || !memchr(s->name, '\0', sizeof s->name) || !*s->name)
        return error_set(error, ASSENT_CONFIG,
                         "this is no XA switch: its version is %ld, where 0 is the only one, or it "
                         "has no name",
                         s->version);
    if (!switch_complete(s))
        return error_set(error, ASSENT_CONFIG,
                         "the XA switch '%s' is incomplete: one of its functions is missing",
                         s->name);
    if (s->flags & TMREGISTER)
        return error_set(error, ASSENT_CONFIG,
                         "the XA switch '%s' registers branches dynamically (TMREGISTER), which is "
                         "not supported: use the resource manager's switch for static registration",
                         s->name);
    memcpy(xa->switch_name, s->name, strlen(s->name) + 1);
    return ASSENT_OK;
}

// ---- options ----

static int string_copy(const char *what, const char *from, char to[MAXINFOSIZE],
                       assent_error *error)
{
    size_t size = from ? strlen(from) : 0;
    if (size >= MAXINFOSIZE)
        return error_set(error, ASSENT_INVALID,
                         "the %s string of an XA resource manager has %zu bytes; at most %d", what,
                         size, MAXINFOSIZE - 1);
    memcpy(to, from ? from : "", size + 1);
    return ASSENT_OK;
}

static int options_take(assent_xa *xa, const assent_xa_options *options, assent_error *error)
{
    struct slice resource = slice_text(options->resource);
    if (!gtid_valid(resource)) // names are spelled as gtids are
        return error_set(error, ASSENT_INVALID, "a resource has a name: 1..64 of [A-Za-z0-9._:-]");
    if (!options->xa_switch && !(options->library && options->symbol))
        return error_set(error, ASSENT_INVALID,
                         "an XA resource manager needs a switch, or a library and a symbol");
    slice_to_text(resource, xa->resource);
    assent_xid_resource_hash(xa->resource, xa->hash);
    xa->xa_switch = options->xa_switch;
    xa->rmid = options->rmid;
    xa->work = options->work;
    xa->context = options->context;
    int code = string_copy("open", options->open_string, xa->open_string, error);
    return code ? code : string_copy("close", options->close_string, xa->close_string, error);
}

// ---- life ----

static void xa_free(assent_xa *xa)
{
    if (xa->library)
        dlclose(xa->library);
    pthread_cond_destroy(&xa->scanned);
    pthread_mutex_destroy(&xa->lock);
    free(xa->held.xids);
    free(xa);
}

static int open_first(assent_xa *xa, assent_error *error)
{
    int answer;
    if (!xa_threads_init(xa))
        return error_set(error, ASSENT_NOMEM, "no more keys for threads' own data");
    if (xa_thread_ready(xa, &answer))
        return ASSENT_OK;
    xa_threads_free(xa);
    return error_set(error, ASSENT_UNAVAILABLE,
                     "the resource manager of '%s' cannot be opened: xa_open of '%s' answers %d "
                     "(%s); is it running, and is the open string right?",
                     xa->resource, xa->switch_name, answer, assent_xa_code_text(answer));
}

int assent_xa_open(const assent_xa_options *options, assent_xa **ret, assent_error *error)
{
    if (!options || !ret)
        return error_set(error, ASSENT_INVALID, "xa: there are no options");
    assent_xa *xa = calloc(1, sizeof *xa);
    if (!xa)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    pthread_mutex_init(&xa->lock, NULL);
    pthread_cond_init(&xa->scanned, NULL);
    int code = options_take(xa, options, error);
    if (!code && !xa->xa_switch)
        code = switch_load(xa, options->library, options->symbol, error);
    if (!code)
        code = switch_check(xa, error);
    if (!code)
        code = open_first(xa, error);
    if (code) {
        xa_free(xa);
        return code;
    }
    *ret = xa;
    return ASSENT_OK;
}

void assent_xa_close(assent_xa **xa_p)
{
    assent_xa *xa = *xa_p;
    if (!xa)
        return;
    xa_threads_free(xa);
    xa_free(xa);
    *xa_p = NULL;
}

// ---- what was answered ----

enum xa_deed xa_answered(const assent_xa *xa, enum xa_stage stage, int code, const XID *xid)
{
    enum xa_deed deed = xa_deed_of(stage, code);
    struct slice gtid = xid ? slice_of(xid->data, (size_t)xid->gtrid_length) : slice_text("");
    // Done, or an everyday refusal.
    if (deed == XA_GO_ON || deed == XA_NO || deed == XA_READ_ONLY || deed == XA_LOOK)
        return deed;
    log_event(LOG_WARN, "xa_answer", KV("resource", xa->resource), KV("call", xa_stage_name(stage)),
              KV("code", code), KV("name", assent_xa_code_text(code)), KV("gtid", gtid));
    return deed;
}
