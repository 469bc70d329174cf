// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <stdlib.h>

static size_t *charged;

void memory_charge(size_t *blocks)
{
    charged = blocks;
}

// They take the place of the functions without the prefix, by the linker's --wrap.
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static void *count(void *memory)
{
    if (charged && memory)
        ++*charged;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return count(__real_malloc(size));
}

void *__wrap_calloc(size_t count_of, size_t size)
{
    return count(__real_calloc(count_of, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    void *moved = __real_realloc(memory, size);
    return memory ? moved : count(moved);
}

void __wrap_free(void *memory)
{
    if (charged && memory)
        --*charged;
    __real_free(memory);
}
