// SPDX-License-Identifier: Apache-2.0
// Edges run in lanes. A lane leads down to one node, and all edges to that node share it, so there
// are never more lanes than nodes. Where a node's edges leave its own lane, a row is drawn below
// it.
#include "saga_graph.h"

#include <stdio.h>
#include <string.h>

enum { LANES_MAX = GRAPH_NODES_MAX, LEFT_BYTES = LANES_MAX * 2 * 4 + 1, FREE = GRAPH_NO_NODE };

// Where a line goes from the middle of a cell.
enum { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8 };

// ---- layers, order, edges ----

static size_t index_of(const struct graph *g, unsigned number)
{
    size_t i = 0;
    while (i < g->count && g->nodes[i].number != number)
        i++;
    return i;
}

// Those before each node, as indices; a node that goes before itself by some way is not counted.
static void find_before(const struct graph *g, uint64_t before[GRAPH_NODES_MAX])
{
    for (size_t i = 0; i < g->count; i++) {
        before[i] = 0;
        for (unsigned number = 0; number < GRAPH_NODES_MAX; number++) {
            size_t from = g->nodes[i].after >> number & 1 ? index_of(g, number) : g->count;
            if (from < g->count && from != i)
                before[i] |= UINT64_C(1) << from;
        }
    }
}

// Adds what comes before those, and so on.
static void close_before(const struct graph *g, uint64_t all[GRAPH_NODES_MAX])
{
    for (size_t over = 0; over < g->count; over++)
        for (size_t i = 0; i < g->count; i++)
            if (all[i] >> over & 1)
                all[i] |= all[over];
}

static void break_circles(const struct graph *g, uint64_t before[GRAPH_NODES_MAX])
{
    uint64_t all[GRAPH_NODES_MAX];
    memcpy(all, before, sizeof all);
    close_before(g, all);
    for (size_t i = 0; i < g->count; i++)
        if (all[i] >> i & 1)
            before[i] = 0;
}

static unsigned layer_of(const struct graph *g, size_t i, uint64_t before)
{
    unsigned layer = 0;
    for (size_t from = 0; from < g->count; from++)
        if (from != i && before >> from & 1 && g->layers[from] + 1 > layer)
            layer = g->layers[from] + 1;
    return layer;
}

static bool stands_before(const struct graph *g, size_t a, size_t b)
{
    if (g->layers[a] != g->layers[b])
        return g->layers[a] < g->layers[b];
    return g->nodes[a].number < g->nodes[b].number;
}

static void sort_order(struct graph *g)
{
    for (size_t i = 0; i < g->count; i++) {
        size_t at = i;
        for (; at > 0 && stands_before(g, i, g->order[at - 1]); at--)
            g->order[at] = g->order[at - 1];
        g->order[at] = i;
    }
}

void graph_arrange(struct graph *g)
{
    uint64_t before[GRAPH_NODES_MAX] = {0}, all[GRAPH_NODES_MAX];
    memset(g->layers, 0, sizeof g->layers);
    memset(g->edges, 0, sizeof g->edges);
    find_before(g, before);
    break_circles(g, before);
    memcpy(all, before, sizeof all);
    close_before(g, all);
    for (size_t round = 0; round < g->count; round++)
        for (size_t i = 0; i < g->count; i++)
            g->layers[i] = layer_of(g, i, before[i]);
    sort_order(g);
    for (size_t i = 0; i < g->count; i++) {
        uint64_t implied = 0;
        for (size_t from = 0; from < g->count; from++)
            if (before[i] >> from & 1)
                implied |= all[from];
        for (size_t from = 0; from < g->count; from++)
            if ((before[i] & ~implied) >> from & 1)
                g->edges[from] |= UINT64_C(1) << i;
    }
}

// ---- drawing ----

struct drawing {
    const struct graph *graph;
    bool utf8;
    graph_row *row; // NULL: only the width is wanted
    void *arg;
    size_t lanes[LANES_MAX]; // the node that each leads to; FREE
    size_t width;            // lanes that were ever in use
};

static const char *line(const struct drawing *d, unsigned ways)
{
    static const char *const lines[16] = {
        [0] = " ",
        [UP | DOWN] = "│",
        [LEFT | RIGHT] = "─",
        [UP | LEFT] = "╯",
        [UP | RIGHT] = "╰",
        [DOWN | LEFT] = "╮",
        [DOWN | RIGHT] = "╭",
        [UP | DOWN | LEFT] = "┤",
        [UP | DOWN | RIGHT] = "├",
        [LEFT | RIGHT | DOWN] = "┬",
        [LEFT | RIGHT | UP] = "┴",
        [UP | DOWN | LEFT | RIGHT] = "┼",
    };
    if (d->utf8)
        return lines[ways] ? lines[ways] : " ";
    bool across = ways & (LEFT | RIGHT), along = (ways & (UP | DOWN)) == (UP | DOWN);
    if (along && !((ways & LEFT) && (ways & RIGHT)))
        return "|";
    return !across ? " " : ways == (LEFT | RIGHT) ? "-" : "+";
}

struct left {
    char text[LEFT_BYTES];
    size_t used;
};

static void put(struct left *left, const char *text)
{
    size_t size = strlen(text);
    if (left->used + size >= sizeof left->text)
        return;
    memcpy(left->text + left->used, text, size + 1);
    left->used += size;
}

static void draw_node(const struct drawing *d, size_t lane, size_t node)
{
    struct left left = {.used = 0};
    for (size_t j = 0; j < d->width; j++) {
        put(&left, j == lane             ? d->graph->nodes[node].symbol
                   : d->lanes[j] != FREE ? line(d, UP | DOWN)
                                         : " ");
        put(&left, " ");
    }
    if (d->row)
        d->row(d->arg, left.text, node);
}

// Lines from the lane `from` to those in `joined`, which lead on, and `fresh`, which begin.
static void draw_edges(const struct drawing *d, size_t from, uint64_t joined, uint64_t fresh)
{
    struct left left = {.used = 0};
    uint64_t ends = joined | fresh | UINT64_C(1) << from;
    for (size_t j = 0; j < d->width; j++) {
        bool right = j + 1 < LANES_MAX && ends >> j >> 1, before = ends & ((UINT64_C(1) << j) - 1);
        bool end = ends >> j & 1, on = d->lanes[j] != FREE, across = right && before;
        unsigned ways = (end && right ? RIGHT : 0) | (end && before ? LEFT : 0);
        if (j == from)
            ways |= UP | (on ? DOWN : 0);
        else if (fresh >> j & 1)
            ways |= DOWN;
        else if (on)
            ways |= UP | DOWN; // joined, or crossed
        else if (across)
            ways = LEFT | RIGHT;
        put(&left, line(d, ways));
        put(&left, right && (before || end) ? line(d, LEFT | RIGHT) : " ");
    }
    if (d->row)
        d->row(d->arg, left.text, GRAPH_NO_NODE);
}

static size_t lane_to(const struct drawing *d, size_t node)
{
    size_t j = 0;
    while (j < LANES_MAX - 1 && d->lanes[j] != node)
        j++;
    return j;
}

static size_t lane_free(struct drawing *d)
{
    size_t j = lane_to(d, FREE);
    if (j + 1 > d->width)
        d->width = j + 1;
    return j;
}

static bool has_lane(const struct drawing *d, size_t node)
{
    return d->lanes[lane_to(d, node)] == node;
}

// The node's edges: the first that needs a lane takes the node's own.
static void lead_on(struct drawing *d, size_t lane, size_t node)
{
    uint64_t joined = 0, fresh = 0;
    for (size_t i = 0; i < d->graph->count; i++) {
        size_t to = d->graph->order[i];
        if (!(d->graph->edges[node] >> to & 1))
            continue;
        if (has_lane(d, to)) {
            joined |= UINT64_C(1) << lane_to(d, to);
        } else if (d->lanes[lane] == FREE) {
            d->lanes[lane] = to;
        } else {
            size_t other = lane_free(d);
            d->lanes[other] = to;
            fresh |= UINT64_C(1) << other;
        }
    }
    if (joined | fresh)
        draw_edges(d, lane, joined, fresh);
}

static void draw_all(struct drawing *d)
{
    for (size_t j = 0; j < LANES_MAX; j++)
        d->lanes[j] = FREE;
    for (size_t i = 0; i < d->graph->count; i++) {
        size_t node = d->graph->order[i];
        size_t lane = has_lane(d, node) ? lane_to(d, node) : lane_free(d);
        draw_node(d, lane, node);
        d->lanes[lane] = FREE;
        lead_on(d, lane, node);
    }
}

void graph_draw(const struct graph *graph, bool utf8, graph_row *row, void *arg)
{
    struct drawing d = {.graph = graph, .utf8 = utf8};
    draw_all(&d); // how wide it becomes
    d.row = row;
    d.arg = arg;
    draw_all(&d);
}
