// SPDX-License-Identifier: Apache-2.0
// log verify and log dump: a data directory (or a participant's journal) that nobody has open.
#include <inttypes.h>
#include <string.h>

#include "log_content.h"
#include "store/inspect.h"
#include "views.h"

enum { ID_BYTES = 20 };

// What could not be read is damage; anything else is in the way of looking.
static enum exit_code log_exit(int code)
{
    if (code == ASSENT_OK)
        return EXIT_OK;
    return code == ASSENT_CORRUPT || code == ASSENT_BEHIND ? EXIT_DAMAGED : EXIT_FAILED;
}

// A coordinator's, as in gtids; a participant's journal has one of 64 bits.
static const char *id_text(uint64_t id, char ret[ID_BYTES])
{
    if (id >> COORDINATOR_BITS)
        snprintf(ret, ID_BYTES, "%016" PRIx64, id);
    else
        coordinator_text(id, ret);
    return ret;
}

// ---- verify ----

struct verify {
    json_t *findings;
    bool failed;
};

static void verify_damage(void *arg, const char *text)
{
    struct verify *v = arg;
    char safe[CLEAN_BYTES];
    json_t *finding = json_string(format_clean(text, safe, sizeof safe));
    if (json_array_append_new(v->findings, finding) != 0)
        v->failed = true;
}

static json_t *summary_json(const struct inspect_summary *s)
{
    char id[ID_BYTES];
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:s}", "id",
                     id_text(s->id, id), "incarnation", (json_int_t)s->incarnation, "opened_at_ms",
                     (json_int_t)s->opened_ms, "first_seq", (json_int_t)s->first_seq, "last_seq",
                     (json_int_t)s->last_seq, "records", (json_int_t)s->records, "keys",
                     (json_int_t)s->keys, "open", (json_int_t)s->open, "horizon_at_ms",
                     (json_int_t)s->horizon, "witness_found", s->witness_found, "witness_seq",
                     (json_int_t)s->witness_seq, "tear", s->tear);
}

static enum exit_code verify_json(const struct cli *cli, const char *dir, const struct verify *v,
                                  const struct inspect_summary *s, const assent_error *error)
{
    bool ok = error->code == ASSENT_OK;
    json_t *result = json_pack("{s:s, s:b, s:O, s:o*}", "dir", clean(dir), "ok", ok, "findings",
                               v->findings, "log", ok ? summary_json(s) : NULL);
    if (result && !ok)
        json_object_set_new(result, "error",
                            json_pack("{s:s, s:s}", "code", assent_code_name(error->code),
                                      "message", clean(error->message)));
    enum exit_code exit = print_json(cli, result);
    return exit == EXIT_OK ? log_exit(error->code) : exit;
}

static void verify_sound(const struct cli *cli, const char *dir, const struct inspect_summary *s)
{
    char id[ID_BYTES], time[TIME_TEXT_BYTES];
    printf("%s%s: sound%s\n", paint(cli, PAINT_GOOD), clean(dir), unpaint(cli));
    printf("  log          %s, opened %" PRIu64 " time%s, last at %s\n", id_text(s->id, id),
           s->incarnation, s->incarnation == 1 ? "" : "s", format_time(s->opened_ms, time));
    printf("  records      %" PRIu64, s->records);
    if (s->records > 0)
        printf(", numbers %" PRIu64 " to %" PRIu64, s->first_seq, s->last_seq);
    putchar('\n');
    printf("  stand        %" PRIu64 ", of which %" PRIu64 " are unfinished\n", s->keys, s->open);
    if (s->horizon)
        printf("  horizon      %s: what ended before may have been collected\n",
               format_time(s->horizon, time));
    if (s->witness_found)
        printf("  witness      record %" PRIu64 "\n", s->witness_seq);
    else
        printf("  witness      missing: the next open makes it anew\n");
    if (*s->tear)
        printf("  torn end     %s (of a crash; nothing durable is in it, the next open cuts it "
               "off)\n",
               clean(s->tear));
}

static enum exit_code verify_print(const struct cli *cli, const char *dir, const struct verify *v,
                                   const struct inspect_summary *s, const assent_error *error)
{
    const json_t *finding;
    size_t i;
    if (error->code == ASSENT_OK)
        verify_sound(cli, dir, s);
    else if (log_exit(error->code) == EXIT_DAMAGED)
        printf("%s%s: DAMAGED%s\n", paint(cli, PAINT_BAD), clean(dir), unpaint(cli));
    json_array_foreach(v->findings, i, finding) printf("- %s\n", clean(json_string_value(finding)));
    fflush(stdout);
    if (error->code != ASSENT_OK)
        fprintf(stderr, "assent: %s\n", clean(error->message));
    return log_exit(error->code);
}

enum exit_code verb_log_verify(struct cli *cli)
{
    const char *dir = cli->words[0];
    struct verify v = {.findings = json_array()};
    struct inspect_summary summary = {0};
    assent_error error = {0};
    enum exit_code exit = EXIT_FAILED;
    int code = v.findings ? store_verify(dir, verify_damage, &v, &summary, &error) : ASSENT_NOMEM;
    if (!v.findings || v.failed)
        error_set(&error, ASSENT_NOMEM, "out of memory");
    else if (code == ASSENT_OK)
        error = (assent_error){0};
    exit = cli->json ? verify_json(cli, dir, &v, &summary, &error)
                     : verify_print(cli, dir, &v, &summary, &error);
    json_decref(v.findings);
    return exit;
}

// ---- dump ----

struct dump {
    const struct cli *cli;
    const char *gtid; // only this one; NULL: all
    uint64_t shown;
    bool failed;
};

// A participant's journal has keys "<gtid>/<branch>", a coordinator's register "<gtid>".
static bool of_journal(const struct inspect_record *r)
{
    return memchr(r->key.data, '/', r->key.size) != NULL;
}

// What a record says, read once.
struct content {
    bool forget, is_tx, is_branch; // none of them: it could not be read
    struct tx_record_storage storage;
    struct tx_record tx;
    struct branch_record branch;
    assent_error error;
};

static void content_read(const struct inspect_record *r, struct content *ret)
{
    ret->error = (assent_error){0};
    ret->forget = r->forget;
    ret->is_branch = !r->forget && of_journal(r) &&
                     record_decode_branch(r->value, &ret->branch, &ret->error) == ASSENT_OK;
    ret->is_tx = !r->forget && !of_journal(r) &&
                 record_decode_tx(r->value, &ret->storage, &ret->tx, &ret->error) == ASSENT_OK;
}

// In words, which are cut at `size`.
static void content_words(const struct content *c, char *words, size_t size)
{
    if (c->forget) {
        snprintf(words, size, "forgotten");
    } else if (c->is_branch) {
        snprintf(words, size, "%s, %s", content_journal_stage(c->branch.stage),
                 outcome_name((enum outcome)c->branch.outcome));
    } else if (c->is_tx) {
        const struct tx_record *tx = &c->tx;
        bool admitted = protocol_business(tx->protocol);
        snprintf(words, size, "%s%s%s, %s%s, %u branch%s",
                 admitted ? content_protocol(tx->protocol) : "", admitted ? ", " : "",
                 content_stage(tx), outcome_name((enum outcome)tx->outcome),
                 tx->mixed ? ", mixed" : "", (unsigned)tx->branch_count,
                 tx->branch_count == 1 ? "" : "es");
    } else {
        snprintf(words, size, "UNREADABLE: %s", c->error.message);
    }
}

static void set_content(json_t *row, const struct content *c)
{
    if (c->is_branch)
        json_object_set_new(row, "branch", content_journal(&c->branch));
    else if (c->is_tx)
        json_object_set_new(row, "transaction", content_tx(&c->tx));
    else if (!c->forget)
        json_object_set_new(row, "unreadable", json_string(c->error.message));
}

static json_t *row_json(const struct inspect_record *r, const struct content *content)
{
    json_t *row =
        json_pack("{s:I, s:s, s:I, s:b, s:b, s:b, s:I}", "seq", (json_int_t)r->seq, "file",
                  clean(r->file), "offset", (json_int_t)r->offset, "stands", r->stands, "open",
                  r->open, "carried", r->carried, "stamp", (json_int_t)r->stamp);
    if (r->key.size > 0) {
        json_object_set_new(row, "key", content_text(r->key));
        set_content(row, content);
    } else if (r->opened) {
        json_object_set_new(row, "incarnation", json_integer((json_int_t)r->incarnation));
        json_object_set_new(row, "opened_at_ms", json_integer((json_int_t)r->wall_ms));
    }
    return row;
}

static void dump_words(const struct inspect_record *r, const struct content *content)
{
    char words[400];
    content_words(content, words, sizeof words);
    printf("%.*s  %s%s%s%s\n", (int)r->key.size, (const char *)r->key.data, words,
           r->open ? ", open" : "", r->carried ? ", carried" : "", r->stands ? "" : ", superseded");
    if (content->is_tx) // what was admitted: all there is to be gone on with after a crash
        content_print(&content->tx);
}

static void dump_print(const struct inspect_record *r, const struct content *content)
{
    char time[TIME_TEXT_BYTES];
    printf("%10" PRIu64 "  %s:%" PRIu64 "  ", r->seq, clean(r->file), r->offset);
    if (r->key.size > 0)
        dump_words(r, content);
    else if (r->opened)
        printf("(the log was opened for the %" PRIu64 ". time, at %s)\n", r->incarnation,
               format_time(r->wall_ms, time));
    else
        printf("(the log's own)\n");
}

static int dump_visit(void *arg, const struct inspect_record *r)
{
    static struct content content;
    struct dump *d = arg;
    if (d->gtid) {
        size_t size = strlen(d->gtid);
        const char *key = r->key.data;
        if (r->key.size < size || memcmp(key, d->gtid, size) != 0 ||
            (r->key.size > size && key[size] != '/'))
            return 0;
    }
    d->shown++;
    if (r->key.size > 0)
        content_read(r, &content);
    if (!d->cli->json)
        dump_print(r, &content);
    else if (print_json(d->cli, row_json(r, &content)) != EXIT_OK)
        d->failed = true;
    d->failed = d->failed || ferror(stdout) != 0;
    return d->failed;
}

enum exit_code verb_log_dump(struct cli *cli)
{
    struct dump d = {.cli = cli, .gtid = cli->word_count > 1 ? cli->words[1] : NULL};
    assent_error error = {0};
    int code = store_dump(cli->words[0], 0, dump_visit, &d, NULL, &error);
    if (d.failed)
        return EXIT_FAILED;
    if (code == ASSENT_OK && d.gtid && d.shown == 0)
        return print_failed_as(cli, EXIT_NOT_FOUND, "UNKNOWN", "%s: the log has no record of it",
                               d.gtid);
    if (code == ASSENT_OK)
        return EXIT_OK;
    fflush(stdout);
    return print_failed_as(cli, log_exit(code), assent_code_name(code), "%s", error.message);
}
