// SPDX-License-Identifier: Apache-2.0
#include "scripted.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/xa_manager.h"

#define EXPORT __attribute__((visibility("default")))

enum { LINES_MAX = 512, LINE_BYTES = 1024, THREADS_MAX = 16, TEXT_BYTES = 512 };

struct line {
    int thread;
    bool used;
    char call[LINE_BYTES], answer[LINE_BYTES];
};

static struct {
    pthread_mutex_t lock;
    char path[MAXINFOSIZE];
    struct line lines[LINES_MAX];
    int line_count;
    pthread_t threads[THREADS_MAX];
    int thread_count, rmid;
    char wrong[2 * LINE_BYTES];
} script = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- the file ----

static void line_read(char *text)
{
    struct line *line = &script.lines[script.line_count];
    char *arrow = strstr(text, " -> ");
    text[strcspn(text, "\n")] = '\0';
    if (!*text || *text == '#')
        return;
    if (!arrow || script.line_count == LINES_MAX) {
        snprintf(script.wrong, sizeof script.wrong, "not a line of a script: %.400s", text);
        return;
    }
    *arrow = '\0';
    memset(line, 0, sizeof *line);
    line->thread = 1;
    if (text[0] >= '1' && text[0] <= '9' && text[1] == ':') {
        line->thread = text[0] - '0';
        text += 2 + strspn(text + 2, " ");
    }
    snprintf(line->call, sizeof line->call, "%s", text);
    snprintf(line->answer, sizeof line->answer, "%s", arrow + 4);
    script.line_count++;
}

static void script_read(const char *path)
{
    char text[LINE_BYTES];
    if (strcmp(path, script.path) == 0)
        return;
    script.line_count = script.thread_count = 0;
    script.wrong[0] = '\0';
    snprintf(script.path, sizeof script.path, "%s", path);
    FILE *file = fopen(path, "r");
    if (!file)
        snprintf(script.wrong, sizeof script.wrong, "cannot open %s", path);
    while (file && fgets(text, sizeof text, file))
        line_read(text);
    if (file)
        fclose(file);
}

// ---- the play ----

static int thread_number(void)
{
    int i = 0;
    while (i < script.thread_count && !pthread_equal(script.threads[i], pthread_self()))
        i++;
    if (i == THREADS_MAX)
        abort();
    if (i == script.thread_count)
        script.threads[script.thread_count++] = pthread_self();
    return i + 1;
}

static void blame(const char *wanted, const char *came)
{
    if (!script.wrong[0])
        snprintf(script.wrong, sizeof script.wrong, "wanted '%s', came '%s'", wanted, came);
}

// The next line of this thread, when the call is what it says.
static struct line *next(const char *call)
{
    int thread = thread_number();
    for (int i = 0; i < script.line_count; i++) {
        struct line *line = &script.lines[i];
        if (line->thread != thread || line->used)
            continue;
        if (fnmatch(line->call, call, 0) != 0) {
            blame(line->call, call);
            return NULL;
        }
        line->used = true;
        return line;
    }
    blame("nothing more", call);
    return NULL;
}

static int code_of(const char *text)
{
    size_t size = strcspn(text, " ");
    for (int code = XAER_OUTSIDE; code <= XA_RBEND; code++) {
        const char *name = assent_xa_code_text(code);
        if (strlen(name) == size && memcmp(name, text, size) == 0)
            return code;
    }
    return atoi(text);
}

static int play(const char *call)
{
    pthread_mutex_lock(&script.lock);
    const struct line *line = next(call);
    int code = line ? code_of(line->answer) : SCRIPTED_WRONG;
    pthread_mutex_unlock(&script.lock);
    return code;
}

// ---- as text ----

static void flags_text(long flags, char ret[TEXT_BYTES])
{
    static const struct {
        long flag;
        const char *name;
    } names[] = {
#define FLAG(name) {name, #name}
        FLAG(TMASYNC),    FLAG(TMONEPHASE), FLAG(TMFAIL),    FLAG(TMNOWAIT),
        FLAG(TMRESUME),   FLAG(TMSUCCESS),  FLAG(TMSUSPEND), FLAG(TMSTARTRSCAN),
        FLAG(TMENDRSCAN), FLAG(TMMULTIPLE), FLAG(TMJOIN),    FLAG(TMMIGRATE),
#undef FLAG
    };
    size_t used = 0;
    snprintf(ret, TEXT_BYTES, "%s", flags ? "" : "TMNOFLAGS");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (flags & names[i].flag)
            used += (size_t)snprintf(ret + used, TEXT_BYTES - used, "%s%s", used ? "+" : "",
                                     names[i].name);
        flags &= ~names[i].flag;
    }
    if (flags)
        snprintf(ret + used, TEXT_BYTES - used, "+%lx", flags);
}

static int branch_call(const char *name, const XID *xid, int rmid, long flags)
{
    char call[LINE_BYTES], flag_names[TEXT_BYTES], format[32] = "";
    flags_text(flags, flag_names);
    if (xid->formatID != ASSENT_XA_FORMAT)
        snprintf(format, sizeof format, "%ld:", xid->formatID);
    snprintf(call, sizeof call, "%s%s %s%.*s|%.*s %s", name,
             rmid == script.rmid ? "" : "-elsewhere", format, (int)xid->gtrid_length, xid->data,
             (int)xid->bqual_length, xid->data + xid->gtrid_length, flag_names);
    return play(call);
}

// "[FORMAT:]GTRID|BQUAL", up to a blank. The end of it, or NULL.
static const char *xid_of(const char *text, XID *ret)
{
    size_t size = strcspn(text, " ");
    const char *bar = memchr(text, '|', size), *gtrid = text;
    char *colon;
    memset(ret, 0, sizeof *ret);
    ret->formatID = strtol(text, &colon, 10);
    if (colon > text && *colon == ':')
        gtrid = colon + 1;
    else
        ret->formatID = ASSENT_XA_FORMAT;
    if (!bar || size - 1 > XIDDATASIZE)
        return NULL;
    ret->gtrid_length = bar - gtrid;
    ret->bqual_length = text + size - bar - 1;
    memcpy(ret->data, gtrid, (size_t)ret->gtrid_length);
    memcpy(ret->data + ret->gtrid_length, bar + 1, (size_t)ret->bqual_length);
    return text + size;
}

// ---- the switch ----

static int do_open(char *info, int rmid, long flags)
{
    char call[LINE_BYTES], flag_names[TEXT_BYTES];
    pthread_mutex_lock(&script.lock);
    script_read(info);
    script.rmid = rmid;
    pthread_mutex_unlock(&script.lock);
    flags_text(flags, flag_names);
    snprintf(call, sizeof call, "open %d%s", rmid, flags ? flag_names : "");
    return play(call);
}

static int do_close(char *info, int rmid, long flags)
{
    char call[LINE_BYTES], flag_names[TEXT_BYTES];
    flags_text(flags, flag_names);
    snprintf(call, sizeof call, "close %d %s%s", rmid, info, flags ? flag_names : "");
    return play(call);
}

static int do_start(XID *xid, int rmid, long flags)
{
    return branch_call("start", xid, rmid, flags);
}

static int do_end(XID *xid, int rmid, long flags)
{
    return branch_call("end", xid, rmid, flags);
}

static int do_rollback(XID *xid, int rmid, long flags)
{
    return branch_call("rollback", xid, rmid, flags);
}

static int do_prepare(XID *xid, int rmid, long flags)
{
    return branch_call("prepare", xid, rmid, flags);
}

static int do_commit(XID *xid, int rmid, long flags)
{
    return branch_call("commit", xid, rmid, flags);
}

static int do_forget(XID *xid, int rmid, long flags)
{
    return branch_call("forget", xid, rmid, flags);
}

static int do_recover(XID *xids, long count, int rmid, long flags)
{
    char call[LINE_BYTES], flag_names[TEXT_BYTES];
    flags_text(flags, flag_names);
    snprintf(call, sizeof call, "recover%s %ld %s", rmid == script.rmid ? "" : "-elsewhere", count,
             flag_names);
    pthread_mutex_lock(&script.lock);
    const struct line *line = next(call);
    int answer = line ? code_of(line->answer) : SCRIPTED_WRONG;
    const char *at = line ? strchr(line->answer, ' ') : NULL;
    for (long i = 0; at && i < answer && i < count; i++) {
        const char *end = xid_of(at + 1, &xids[i]);
        if (!end)
            blame("an XID", at);
        at = end && *end ? end : at;
    }
    pthread_mutex_unlock(&script.lock);
    return answer;
}

static int do_complete(int *handle, int *retval, int rmid, long flags)
{
    (void)handle, (void)retval, (void)rmid, (void)flags;
    return play("complete");
}

// ---- exported ----

#define SWITCH(called, flag_bits, number, recover_function)                                        \
    {                                                                                              \
        .name = (called), .flags = (flag_bits), .version = (number), .xa_open_entry = do_open,     \
        .xa_close_entry = do_close, .xa_start_entry = do_start, .xa_end_entry = do_end,            \
        .xa_rollback_entry = do_rollback, .xa_prepare_entry = do_prepare,                          \
        .xa_commit_entry = do_commit, .xa_recover_entry = (recover_function),                      \
        .xa_forget_entry = do_forget, .xa_complete_entry = do_complete                             \
    }

extern EXPORT struct xa_switch_t scripted_xa, scripted_dynamic, scripted_incomplete,
    scripted_version, scripted_nameless;
struct xa_switch_t scripted_xa = SWITCH("scripted", TMNOMIGRATE | TMUSEASYNC, 0, do_recover);
struct xa_switch_t scripted_dynamic = SWITCH("dynamic", TMREGISTER, 0, do_recover);
struct xa_switch_t scripted_incomplete = SWITCH("incomplete", TMNOFLAGS, 0, NULL);
struct xa_switch_t scripted_version = SWITCH("version", TMNOFLAGS, 1, do_recover);
struct xa_switch_t scripted_nameless = SWITCH("", TMNOFLAGS, 0, do_recover);

EXPORT scripted_note_function scripted_note;
int scripted_note(const char *word)
{
    return play(word);
}

EXPORT scripted_end_function scripted_end;
const char *scripted_end(void)
{
    pthread_mutex_lock(&script.lock);
    for (int i = 0; i < script.line_count; i++) {
        if (!script.lines[i].used)
            blame(script.lines[i].call, "nothing");
    }
    script.path[0] = '\0';
    pthread_mutex_unlock(&script.lock);
    return script.wrong;
}
