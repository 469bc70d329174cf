// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *unit_text_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    char *text = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&text, &size);
    for (int c; (c = fgetc(file)) != EOF;)
        fputc(c, copy);
    fclose(copy);
    fclose(file);
    return text;
}

char *unit_dir_make(void)
{
    const char *base = getenv("TMPDIR");
    char path[64];
    snprintf(path, sizeof path, "%s/assent-unit-XXXXXX",
             base && strlen(base) < 32 ? base : "/tmp"); // short, for paths of sockets
    if (!mkdtemp(path))
        fail_msg("cannot make %s", path);
    return strdup(path);
}

void unit_dir_remove(char **dir_p)
{
    if (!*dir_p)
        return;
    FTS *tree = fts_open((char *[]){*dir_p, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree && (entry = fts_read(tree));)
        if (entry->fts_info != FTS_D)
            remove(entry->fts_accpath);
    if (tree)
        fts_close(tree);
    free(*dir_p);
    *dir_p = NULL;
}
