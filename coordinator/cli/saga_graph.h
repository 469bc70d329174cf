// SPDX-License-Identifier: Apache-2.0
// Draws a graph of steps as text, a row for each step, edges going down on the left:
//
//     o  0
//     |-+
//     | o  1
//     o |  2
//     |-+
//     o  3
#ifndef CLI_SAGA_GRAPH_H
#define CLI_SAGA_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRAPH_NODES_MAX = 64 };

struct graph_node {
    unsigned number;    // below 64, each once
    uint64_t after;     // bits: numbers of nodes that come before it; others are ignored
    const char *symbol; // one column wide
};

struct graph {
    size_t count;
    struct graph_node nodes[GRAPH_NODES_MAX];
    // by graph_arrange:
    unsigned
        layers[GRAPH_NODES_MAX];     // 0: comes after none; else one more than the lowest before it
    size_t order[GRAPH_NODES_MAX];   // indices of nodes: by layer, then by number
    uint64_t edges[GRAPH_NODES_MAX]; // indices of nodes that come right after it
};

// Fills in layers, order and edges. An edge that others imply is left out. What goes in a circle is
// taken as if it did not.
void graph_arrange(struct graph *graph);

// A row: what stands on its left, as wide in all rows, and the node (an index), or GRAPH_NO_NODE
// where only edges are drawn.
enum { GRAPH_NO_NODE = GRAPH_NODES_MAX };
typedef void graph_row(void *arg, const char *left, size_t node);
// Draws an arranged graph, with lines where `utf8`, else with ASCII characters.
void graph_draw(const struct graph *graph, bool utf8, graph_row *row, void *arg);

#endif
