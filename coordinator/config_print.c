// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "config.h"

enum { WIDTH = 92 };

// The section of a path, with its '/'; 0: none.
static size_t section_size(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static void print_wrapped(FILE *out, const char *margin, const char *text)
{
    size_t used = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (used == 0 || used + 1 + word > WIDTH) {
            fprintf(out, "%s%s# ", used ? "\n" : "", margin);
            used = 0;
        } else {
            fputc(' ', out);
            used++;
        }
        fwrite(text, 1, word, out);
        used += word;
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_bounds(FILE *out, const char *margin, const struct config_key *key)
{
    if (key->type == CONFIG_NUMBER)
        fprintf(out, "%s# %" PRIu64 "..%" PRIu64 "%s%s, default %s%s\n", margin, key->min, key->max,
                *key->unit ? " " : "", key->unit, key->fallback,
                key->reloadable ? "; reloadable" : "");
    else
        fprintf(out, "%s# %s%sdefault %s%s\n", margin, key->choices ? key->choices : "",
                key->choices ? ", " : "", *key->fallback ? key->fallback : "empty",
                key->reloadable ? "; reloadable" : "");
}

static void print_pair(FILE *out, const char *margin, const char *name, const char *value)
{
    char quote = strchr(value, '"') ? '\'' : '"';
    fprintf(out, "%s%s = %c%s%c\n", margin, name, quote, value, quote);
}

static void print_value(const struct config *c, FILE *out, const char *margin,
                        const struct config_key *key)
{
    const char *name = key->path + section_size(key->path);
    if (key->type == CONFIG_LIST) {
        const struct config_list *list = (const void *)((const char *)c + key->offset);
        for (size_t i = 0; i < list->count; i++)
            print_pair(out, margin, name, list->items[i]);
        if (list->count == 0)
            fprintf(out, "%s# %s = \"\"\n", margin, name);
        return;
    }
    struct buf text;
    buf_init(&text, CONFIG_VALUE_BYTES + 1);
    config_text(c, key, &text);
    buf_append(&text, "", 1);
    print_pair(out, margin, name, (const char *)text.data);
    buf_free(&text);
}

void config_print(const struct config *c, FILE *out)
{
    fprintf(out, "# assentd's configuration: all keys, with the values that apply. See "
                 "assentd.conf(5).\n");
    size_t section = 0;
    const char *last = "";
    for (const struct config_key *key = config_keys(); key->path; last = key->path, key++) {
        size_t size = section_size(key->path);
        fputc('\n', out);
        if (size > 0 && (size != section || strncmp(last, key->path, size) != 0))
            fprintf(out, "%.*s\n", (int)size - 1, key->path);
        section = size;
        const char *margin = size > 0 ? "    " : "";
        print_wrapped(out, margin, key->about);
        print_bounds(out, margin, key);
        print_value(c, out, margin, key);
    }
}

static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
}

void config_print_markdown(FILE *out)
{
    fprintf(out, "| key | default | values | reload | what it is for |\n"
                 "|---|---|---|---|---|\n");
    for (const struct config_key *key = config_keys(); key->path; key++) {
        fprintf(out, "| `%s` | %s%s%s | ", key->path, *key->fallback ? "`" : "", key->fallback,
                *key->fallback ? "`" : "");
        if (key->type == CONFIG_NUMBER)
            fprintf(out, "%" PRIu64 "..%" PRIu64 "%s%s", key->min, key->max, *key->unit ? " " : "",
                    key->unit);
        else if (key->type == CONFIG_CHOICE)
            print_cell(out, key->choices);
        else
            fprintf(out, "%s", key->type == CONFIG_BOOL ? "yes, no" : "text");
        fprintf(out, " | %s | ", key->reloadable ? "yes" : "no");
        print_cell(out, key->about);
        fprintf(out, " |\n");
    }
}
