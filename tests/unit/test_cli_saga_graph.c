// SPDX-License-Identifier: Apache-2.0
// Graphs as text: pictures that a reviewer can look at, and what holds for all.
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "saga_graph.h"
#include "unit.h"

enum { PICTURE_BYTES = 1 << 16 };

struct picture {
    const struct graph *graph;
    char text[PICTURE_BYTES];
    size_t used;
    uint64_t drawn; // nodes, by index
    size_t width;
};

static void keep_row(void *arg, const char *left, size_t node)
{
    struct picture *p = arg;
    size_t size = strlen(left);
    if (p->width == 0)
        p->width = size;
    assert_int_equal(size, p->width); // of ASCII pictures; see below
    while (size > 0 && left[size - 1] == ' ')
        size--;
    p->used +=
        (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "%.*s", (int)size, left);
    if (node != GRAPH_NO_NODE) {
        assert_true(node < p->graph->count);
        assert_false(p->drawn >> node & 1);
        p->drawn |= UINT64_C(1) << node;
        p->used += (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, " %u",
                                    p->graph->nodes[node].number);
    }
    p->used += (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "\n");
    assert_true(p->used < sizeof p->text);
}

static void keep_utf8_row(void *arg, const char *left, size_t node)
{
    ((struct picture *)arg)->width = strlen(left); // bytes differ where columns do not
    keep_row(arg, left, node);
}

static void make(struct graph *g, size_t count, const uint64_t *after, const char *symbol)
{
    *g = (struct graph){.count = count};
    for (size_t i = 0; i < count; i++)
        g->nodes[i] = (struct graph_node){(unsigned)i, after[i], symbol};
    graph_arrange(g);
}

static void looks(size_t count, const uint64_t *after, const char *ascii, const char *utf8)
{
    static struct graph g;
    static struct picture p;
    make(&g, count, after, "o");
    p = (struct picture){.graph = &g};
    graph_draw(&g, false, keep_row, &p);
    assert_string_equal(p.text, ascii);
    p = (struct picture){.graph = &g};
    graph_draw(&g, true, keep_utf8_row, &p);
    assert_string_equal(p.text, utf8);
}

#define AFTER(...)                                                                                 \
    (const uint64_t[])                                                                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void test_pictures(void **state)
{
    (void)state;
    looks(3, AFTER(0, 1, 2), "o 0\no 1\no 2\n", "o 0\no 1\no 2\n");
    looks(3, AFTER(0, 0, 0), "o 0\no 1\no 2\n", "o 0\no 1\no 2\n");
    looks(4, AFTER(0, 1, 1, 6),
          "o 0\n"
          "|-+\n"
          "o | 1\n"
          "| o 2\n"
          "|-+\n"
          "o 3\n",
          "o 0\n"
          "├─╮\n"
          "o │ 1\n"
          "│ o 2\n"
          "├─╯\n"
          "o 3\n");
    looks(6, AFTER(0, 1, 1, 1, 2 | 8, 4 | 16),
          "o 0\n"
          "|-+-+\n"
          "o | | 1\n"
          "| o | 2\n"
          "| | o 3\n"
          "|-|-+\n"
          "o | 4\n"
          "+-|\n"
          "  o 5\n",
          "o 0\n"
          "├─┬─╮\n"
          "o │ │ 1\n"
          "│ o │ 2\n"
          "│ │ o 3\n"
          "├─│─╯\n"
          "o │ 4\n"
          "╰─┤\n"
          "  o 5\n");
}

static void test_layers(void **state)
{
    (void)state;
    static struct graph g;
    make(&g, 5, AFTER(8, 0, 2, 2, 1 | 4 | 2), "o"); // 0 comes after 3
    const unsigned layers[] = {2, 0, 1, 1, 3};
    const size_t order[] = {1, 2, 3, 0, 4};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(g.layers[i], layers[i]);
        assert_int_equal(g.order[i], order[i]);
    }
    // That 4 comes after 1 is implied by 2.
    assert_int_equal(g.edges[1], 4 | 8);
    assert_int_equal(g.edges[2], 16);
    assert_int_equal(g.edges[3], 1);
    assert_int_equal(g.edges[0], 16);
    assert_int_equal(g.edges[4], 0);
}

// Circles, themselves, nodes that are not there: everything is drawn all the same.
static void test_nonsense(void **state)
{
    (void)state;
    static struct graph g;
    static struct picture p;
    make(&g, 4, AFTER(2, 1, 4, ~UINT64_C(0)), "o");
    p = (struct picture){.graph = &g};
    graph_draw(&g, false, keep_row, &p);
    assert_int_equal(p.drawn, 15);
    make(&g, 0, AFTER(0), "o");
    p = (struct picture){.graph = &g};
    graph_draw(&g, false, keep_row, &p);
    assert_int_equal(p.used, 0);
}

// Each node once, after all that it comes after; rows equally wide; as deep as the layers say.
static void test_random_graphs(void **state)
{
    (void)state;
    static struct graph g;
    static struct picture p;
    struct rng rng;
    rng_seed(&rng, 5);
    for (int round = 0; round < 500; round++) {
        uint64_t after[GRAPH_NODES_MAX];
        size_t count = 1 + (size_t)rng_below(&rng, GRAPH_NODES_MAX), density = rng_below(&rng, 9);
        for (size_t i = 0; i < count; i++) {
            after[i] = 0;
            for (size_t from = 0; from < i; from++)
                if (rng_below(&rng, 10) < density)
                    after[i] |= UINT64_C(1) << from;
        }
        make(&g, count, after, "o");
        uint64_t before = 0;
        for (size_t i = 0; i < count; i++) {
            size_t node = g.order[i];
            assert_int_equal(after[node] & ~before, 0);
            before |= UINT64_C(1) << node;
            for (size_t to = 0; to < count; to++)
                assert_true(!(g.edges[node] >> to & 1) || g.layers[to] > g.layers[node]);
        }
        p = (struct picture){.graph = &g};
        graph_draw(&g, false, keep_row, &p);
        assert_int_equal(p.drawn, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests_name("cli_saga_graph", tests, NULL, NULL);
}
