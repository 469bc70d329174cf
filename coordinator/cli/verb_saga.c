// SPDX-License-Identifier: Apache-2.0
// saga show: the graph of a saga with how far each step is, as text, JSON or for Graphviz.
#include <inttypes.h>
#include <langinfo.h>
#include <string.h>

#include "saga_graph.h"
#include "show.h"
#include "views.h"

static bool is_one_of(const json_t *b, const char *const *progress)
{
    for (; *progress; progress++)
        if (is(b, "progress", *progress))
            return true;
    return false;
}

// ---- the graph ----

static const char *symbol_of(const json_t *b, bool utf8)
{
    static const char *const done[] = {"succeeded", "kept", NULL};
    static const char *const now[] = {"trying", "pausing", NULL};
    static const char *const back[] = {"compensating", "compensated", "to_compensate", NULL};
    static const char *const lost[] = {"refused", "forgotten", "unknown", NULL};
    if (is_one_of(b, done))
        return utf8 ? "●" : "*";
    if (is_one_of(b, now))
        return utf8 ? "▶" : ">";
    if (is_one_of(b, back))
        return utf8 ? "◀" : "<";
    return is_one_of(b, lost) ? utf8 ? "✗" : "x" : utf8 ? "○" : "o";
}

static uint64_t after_of(const json_t *b)
{
    const json_t *number;
    uint64_t after = 0;
    size_t i;
    json_array_foreach(json_object_get(b, "after"), i, number)
    {
        json_int_t n = json_integer_value(number);
        if (json_is_integer(number) && n >= 0 && n < GRAPH_NODES_MAX)
            after |= UINT64_C(1) << n;
    }
    return after;
}

// Whatever a coordinator says: numbers that are too large, or there twice, are left out.
static void graph_of(const json_t *t, bool utf8, struct graph *ret,
                     const json_t *branches[GRAPH_NODES_MAX])
{
    const json_t *b;
    uint64_t seen = 0;
    size_t i;
    ret->count = 0;
    json_array_foreach(json_object_get(t, "branches"), i, b)
    {
        uint64_t number = member_count(b, "branch");
        if (number >= GRAPH_NODES_MAX || seen >> number & 1)
            continue;
        seen |= UINT64_C(1) << number;
        branches[ret->count] = b;
        ret->nodes[ret->count++] =
            (struct graph_node){(unsigned)number, after_of(b), symbol_of(b, utf8)};
    }
    graph_arrange(ret);
}

// ---- as text ----

struct picture {
    const struct cli *cli;
    const struct graph *graph;
    const json_t **branches; // of the graph's nodes
    int name_width, words_width;
};

static void failures_text(const json_t *b, char *ret, size_t size)
{
    char age[AGE_TEXT_BYTES];
    size_t used =
        strlen(view_failed(member_count(b, "failures"), member_text(b, "trouble"), ret, size));
    if (member_present(b, "next_attempt_ms"))
        snprintf(ret + used, size - used, "%sagain in %s", used ? "; " : "",
                 format_age(member_count(b, "next_attempt_ms"), age));
}

// What is worth knowing of a step, behind its state.
static void details_text(const json_t *b, char *ret, size_t size)
{
    char text[CLEAN_BYTES], result[100];
    const char *parts[5];
    size_t count = 0;
    if (member_bool(b, "pivot"))
        parts[count++] = "pivot";
    if (member_bool(b, "kept") && !is(b, "progress", "kept"))
        parts[count++] = "no compensation";
    if (member_present(b, "result") || member_present(b, "result_hex"))
        parts[count++] = view_bytes(b, "result", "result_hex", result, sizeof result);
    failures_text(b, text, sizeof text);
    if (*text)
        parts[count++] = text;
    if (member_present(b, "connected") && !member_bool(b, "connected") && member_bool(b, "waiting"))
        parts[count++] = "not connected";
    ret[0] = '\0';
    for (size_t i = 0, used = 0; i < count && used < size; i++)
        used += (size_t)snprintf(ret + used, size - used, "%s%s", i ? ", " : "", parts[i]);
}

static void print_row(void *arg, const char *left, size_t node)
{
    const struct picture *p = arg;
    if (node == GRAPH_NO_NODE) {
        size_t size = strlen(left);
        while (size > 0 && left[size - 1] == ' ')
            size--;
        printf("%.*s\n", (int)size, left);
        return;
    }
    const json_t *b = p->branches[node];
    char words[PROGRESS_BYTES], text[PROGRESS_BYTES], details[CLEAN_BYTES];
    details_text(b, details, sizeof details);
    format_clean(view_progress_words(b, words), text, sizeof text);
    printf("%s%2u  %-*s  %s%s%s", left, p->graph->nodes[node].number, p->name_width,
           clean(member_text(b, "participant")), paint(p->cli, view_progress_paint(b)), text,
           unpaint(p->cli));
    if (*details)
        printf("%*s  %s", p->words_width - (int)strlen(text), "", clean(details));
    putchar('\n');
}

static const char *direction(const json_t *t)
{
    static const struct {
        const char *state, *words;
    } directions[] = {
        {"admitting", "not begun yet"},    {"preparing", "going forward"},
        {"deciding", "deciding"},          {"committing", "going forward, for good"},
        {"aborting", "being compensated"},
    };
    for (size_t i = 0; i < sizeof directions / sizeof *directions; i++)
        if (is(t, "state", directions[i].state))
            return directions[i].words;
    return is(t, "outcome", "committed") ? "done"
           : is(t, "outcome", "aborted") ? "compensated"
                                         : member_text(t, "state");
}

static void print_head(const struct cli *cli, const json_t *t)
{
    char age[AGE_TEXT_BYTES], reason[CLEAN_BYTES];
    printf("%s%s%s is %s%s", paint(cli, PAINT_BOLD), clean(member_text(t, "gtid")), unpaint(cli),
           clean(direction(t)), member_bool(t, "mixed") ? ", and mixed" : "");
    if (!member_bool(t, "finished"))
        printf(", for %s so far", format_age(member_count(t, "age_ms"), age));
    if (member_present(t, "deadline_ms"))
        printf("; given up in %s", format_age(member_count(t, "deadline_ms"), age));
    view_reason(t, reason, sizeof reason);
    printf("%s%s\n\n", *reason ? ": " : "", clean(reason));
}

static void print_picture(const struct cli *cli, const json_t *t)
{
    static struct graph graph;
    const json_t *branches[GRAPH_NODES_MAX] = {NULL};
    struct picture p = {.cli = cli, .graph = &graph, .branches = branches};
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    char words[PROGRESS_BYTES];
    graph_of(t, utf8, &graph, branches);
    for (size_t i = 0; i < graph.count; i++) {
        int name = (int)strlen(clean(member_text(branches[i], "participant")));
        int word = (int)strlen(view_progress_words(branches[i], words));
        p.name_width = name > p.name_width ? name : p.name_width;
        p.words_width = word > p.words_width ? word : p.words_width;
    }
    print_head(cli, t);
    graph_draw(&graph, utf8, print_row, &p);
}

// ---- for Graphviz ----

static void print_quoted(const char *text)
{
    for (const char *at = clean(text); *at; at++)
        printf(*at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
}

static const char *dot_color(const json_t *b)
{
    switch (view_progress_paint(b)) {
    case PAINT_GOOD: return "forestgreen";
    case PAINT_WARN: return "orange";
    case PAINT_BAD: return "red";
    case PAINT_DIM: return "gray";
    case PAINT_NONE:
    case PAINT_BOLD: break;
    }
    return "black";
}

static void print_dot_step(const json_t *b, unsigned number)
{
    char words[PROGRESS_BYTES], failed[PROGRESS_BYTES];
    view_failed(member_count(b, "failures"), "", failed, sizeof failed);
    printf("  s%u [label=\"%u ", number, number);
    print_quoted(member_text(b, "participant"));
    printf("\\n");
    print_quoted(view_progress_words(b, words));
    if (*failed)
        printf(", %s", failed);
    printf("\", color=%s%s%s];\n", dot_color(b), member_bool(b, "pivot") ? ", peripheries=2" : "",
           member_bool(b, "kept") ? ", style=dashed" : "");
}

static void print_dot(const json_t *t)
{
    static struct graph graph;
    const json_t *branches[GRAPH_NODES_MAX] = {NULL};
    graph_of(t, false, &graph, branches);
    printf("digraph \"");
    print_quoted(member_text(t, "gtid"));
    printf("\" {\n  node [shape=box];\n");
    for (size_t i = 0; i < graph.count; i++)
        print_dot_step(branches[i], graph.nodes[i].number);
    for (size_t i = 0; i < graph.count; i++)
        for (size_t to = 0; to < graph.count; to++)
            if (graph.edges[i] >> to & 1)
                printf("  s%u -> s%u;\n", graph.nodes[i].number, graph.nodes[to].number);
    printf("}\n");
}

// ---- as JSON ----

// The reply, with the layer of each step.
static enum exit_code print_layers(const struct cli *cli, json_t *reply)
{
    static struct graph graph;
    const json_t *branches[GRAPH_NODES_MAX] = {NULL};
    graph_of(json_object_get(reply, "transaction"), false, &graph, branches);
    for (size_t i = 0; i < graph.count; i++)
        json_object_set_new((json_t *)branches[i], "layer", json_integer(graph.layers[i]));
    return print_json(cli, json_incref(reply));
}

static enum exit_code show_saga(const struct cli *cli, json_t *reply)
{
    const json_t *t = json_object_get(reply, "transaction");
    const json_t *verdict = json_object_get(reply, "verdict");
    if (!json_is_object(t))
        return print_failed_as(cli, EXIT_NOT_FOUND, "UNKNOWN", "%s: %s. %s", cli->words[0],
                               member_text(verdict, "outcome"), member_text(verdict, "text"));
    if (!is(t, "protocol", "saga"))
        return print_failed_as(cli, EXIT_NOT_FOUND, "UNKNOWN",
                               "%s is no saga, but of protocol %s: assent show %s", cli->words[0],
                               member_text(t, "protocol"), cli->words[0]);
    if (cli->json)
        return print_layers(cli, reply);
    if (cli->dot)
        print_dot(t);
    else
        print_picture(cli, t);
    return EXIT_OK;
}

enum exit_code verb_saga_show(struct cli *cli)
{
    struct session *session = NULL;
    assent_error error;
    json_t *reply = NULL;
    if (cli->json && cli->dot)
        return print_failed_as(cli, EXIT_USAGE, "INVALID", "--json or --dot: say one of them");
    int code = session_open(cli, &session, &error);
    if (code == ASSENT_OK)
        code = show_ask(cli, session, &reply, &error);
    session_close(&session);
    if (code != ASSENT_OK)
        return print_failed(cli, &error);
    enum exit_code exit = show_saga(cli, reply);
    json_decref(reply);
    return exit;
}
