// SPDX-License-Identifier: Apache-2.0
#include "net/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"

enum { ROUTE_BYTES_MAX = 255 };

int peers_init(struct peers *p, assent_error *error)
{
    uint64_t seed; // peers choose their routing ids
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return error_set(error, ASSENT_INTERNAL, "net: getrandom: %s", strerror(errno));
    *p = (struct peers){.next_number = 1};
    map_init(&p->by_key, seed);
    map_init(&p->by_number, seed);
    list_init(&p->alive);
    list_init(&p->gone);
    list_init(&p->dirty);
    return ASSENT_OK;
}

static struct server_peer *member(struct list *node)
{
    return container_of(node, struct server_peer, member);
}

static struct slice key_of(const struct server_peer *peer)
{
    return slice_of(peer->key, peer->key_size);
}

static struct slice number_of(const peer_t *number)
{
    return slice_of(number, sizeof *number);
}

struct slice peers_route(const struct server_peer *peer)
{
    return slice_of(peer->key + 1, peer->key_size - 1);
}

struct server_peer *peers_find(const struct peers *p, uint8_t door, struct slice route)
{
    uint8_t key[1 + ROUTE_BYTES_MAX];
    if (route.size == 0 || route.size > ROUTE_BYTES_MAX)
        return NULL;
    key[0] = door;
    memcpy(key + 1, route.data, route.size);
    return map_get(&p->by_key, slice_of(key, 1 + route.size));
}

struct server_peer *peers_number(const struct peers *p, peer_t number)
{
    return map_get(&p->by_number, number_of(&number));
}

struct server_peer *peers_add(struct peers *p, uint8_t door, struct slice route)
{
    CHECK(route.size > 0 && route.size <= ROUTE_BYTES_MAX);
    struct server_peer *peer = calloc(1, sizeof *peer + 1 + route.size);
    if (!peer)
        return NULL;
    peer->number = p->next_number;
    peer->door = door;
    peer->key_size = 1 + route.size;
    peer->key[0] = door;
    memcpy(peer->key + 1, route.data, route.size);
    list_init(&peer->dirty);
    list_init(&peer->member);
    if (!map_insert(&p->by_key, key_of(peer), peer))
        goto free_peer;
    if (!map_insert(&p->by_number, number_of(&peer->number), peer))
        goto remove_key;
    list_append(&p->alive, &peer->member);
    p->next_number++;
    p->count++;
    return peer;
remove_key:
    map_remove(&p->by_key, key_of(peer));
free_peer:
    free(peer);
    return NULL;
}

void peers_alive(struct peers *p, struct server_peer *peer, uint64_t now_ms)
{
    peer->alive_ms = now_ms;
    list_remove(&peer->member);
    list_append(&p->alive, &peer->member);
}

static void unlink_peer(struct peers *p, struct server_peer *peer)
{
    map_remove(&p->by_key, key_of(peer));
    map_remove(&p->by_number, number_of(&peer->number));
    list_remove(&peer->dirty);
    list_remove(&peer->member);
    outbox_free(&peer->out);
}

void peers_lose(struct peers *p, struct server_peer *peer)
{
    unlink_peer(p, peer);
    list_append(&p->gone, &peer->member);
}

peer_t peers_take_gone(struct peers *p)
{
    if (list_empty(&p->gone))
        return 0;
    struct server_peer *peer = member(p->gone.next);
    peer_t number = peer->number;
    list_remove(&peer->member);
    free(peer);
    p->count--;
    return number;
}

void peers_remove(struct peers *p, struct server_peer *peer)
{
    unlink_peer(p, peer);
    free(peer);
    p->count--;
}

void peers_free(struct peers *p)
{
    while (!list_empty(&p->alive))
        peers_remove(p, member(p->alive.next));
    while (peers_take_gone(p) != 0)
        continue;
    map_free(&p->by_key);
    map_free(&p->by_number);
}
