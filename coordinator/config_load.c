// SPDX-License-Identifier: Apache-2.0
// From a ZPL file to a checked configuration. The parser is CZMQ's. It does not remember lines, so
// they are counted here: its nodes stand in the order of the lines that say something. What it does
// not like it says on standard output; what it cannot hold it cuts without a word; so each line is
// looked at before, and the messages are ours.
#include <czmq.h>

#include <errno.h>
#include <limits.h>

#include "config.h"
#include "net/defaults.h"
#include "topics.h"

enum { FILE_BYTES_MAX = 1 << 20, LINE_BYTES_MAX = 1000, PATH_BYTES = 256, INDENT = 4 };

struct file {
    const char *path;
    struct buf text;
    size_t at;               // of the next line
    unsigned line;           // last line that said something, from 1
    unsigned long long seen; // bit n: key n was given
};

static int bad_line(const struct file *file, unsigned line, const char *what, assent_error *error)
{
    return error_set(error, ASSENT_CONFIG, "%s:%u: %s", file->path, line, what);
}

static int read_file(struct file *file, assent_error *error)
{
    FILE *in = fopen(file->path, "rb");
    if (!in)
        return error_set(error, ASSENT_CONFIG, "%s: %s", file->path, strerror(errno));
    char chunk[4096];
    size_t size;
    while ((size = fread(chunk, 1, sizeof chunk, in)) > 0 && buf_append(&file->text, chunk, size))
        ;
    int failed = ferror(in) ? errno : 0;
    fclose(in);
    if (failed)
        return error_set(error, ASSENT_CONFIG, "%s: %s", file->path, strerror(failed));
    if (file->text.failed && file->text.size + size > FILE_BYTES_MAX)
        return error_set(error, ASSENT_CONFIG, "%s: longer than %d bytes", file->path,
                         FILE_BYTES_MAX);
    if (file->text.failed)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    return ASSENT_OK;
}

// The next line, without its end; false after the last.
static bool next_line(struct file *file, struct slice *ret)
{
    if (file->at >= file->text.size)
        return false;
    const char *from = (const char *)file->text.data + file->at;
    const char *end = memchr(from, '\n', file->text.size - file->at);
    size_t size = end ? (size_t)(end - from) : file->text.size - file->at;
    file->at += size + 1;
    file->line++;
    *ret = slice_of(from, size);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static size_t skip_blanks(struct slice line, size_t i)
{
    const char *text = line.data;
    while (i < line.size && is_blank(text[i]))
        i++;
    return i;
}

// The end of the line at `i`: nothing, or a comment.
static bool ends_at(struct slice line, size_t i)
{
    i = skip_blanks(line, i);
    return i == line.size || ((const char *)line.data)[i] == '#';
}

static const char *check_bytes(struct slice line)
{
    const unsigned char *text = line.data;
    if (line.size > LINE_BYTES_MAX)
        return "the line is too long";
    for (size_t i = 0; i < line.size; i++) {
        bool end = text[i] == '\r' && i + 1 == line.size;
        if ((text[i] < ' ' && text[i] != '\t' && !end) || text[i] == 0x7f)
            return "the line has a control character";
    }
    return NULL;
}

// What stands behind '='.
static const char *check_value(struct slice line, size_t i)
{
    const char *text = line.data;
    i = skip_blanks(line, i);
    if (i == line.size || (text[i] != '"' && text[i] != '\''))
        return NULL;
    const char *end = memchr(text + i + 1, text[i], line.size - i - 1);
    if (!end)
        return "the quotes are not closed";
    return ends_at(line, (size_t)(end - text) + 1) ? NULL : "there is more behind the quotes";
}

// NULL, or what is wrong with the line. *depth: of the line before, then of this one.
static const char *check_line(struct slice line, size_t *depth)
{
    const char *text = line.data;
    const char *wrong = check_bytes(line);
    if (wrong || ends_at(line, 0))
        return wrong;
    size_t i = 0;
    while (text[i] == ' ')
        i++;
    if (text[i] == '\t' || i % INDENT != 0 || i / INDENT > *depth + 1)
        return "sections are indented by four spaces";
    *depth = i / INDENT;
    size_t name = i;
    while (i < line.size && ((text[i] >= 'a' && text[i] <= 'z') || text[i] == '-' ||
                             (text[i] >= '0' && text[i] <= '9')))
        i++;
    if (i == name)
        return "a key or a section was expected";
    if (ends_at(line, i))
        return NULL;
    i = skip_blanks(line, i);
    return text[i] == '=' ? check_value(line, i + 1) : "'=' was expected behind the key";
}

static int check_lines(struct file *file, assent_error *error)
{
    const char *wrong = NULL;
    size_t depth = 0;
    for (struct slice line; !wrong && next_line(file, &line);)
        wrong = check_line(line, &depth);
    if (wrong)
        return bad_line(file, file->line, wrong, error);
    file->at = 0;
    file->line = 0;
    return ASSENT_OK;
}

// Goes to the next line that says something.
static void next_said(struct file *file)
{
    for (struct slice line; next_line(file, &line);)
        if (!ends_at(line, 0))
            return;
}

static int parse(const struct file *file, zconfig_t **ret, assent_error *error)
{
    zchunk_t *chunk = zchunk_new(file->text.data, file->text.size);
    if (!chunk)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    zconfig_t *root = zconfig_chunk_load(chunk);
    zchunk_destroy(&chunk);
    if (!root)
        return error_set(error, ASSENT_CONFIG, "%s: not a valid ZPL file", file->path);
    *ret = root;
    return ASSENT_OK;
}

static bool is_section(const char *path)
{
    size_t size = strlen(path);
    for (const struct config_key *key = config_keys(); key->path; key++)
        if (strncmp(key->path, path, size) == 0 && key->path[size] == '/')
            return true;
    return false;
}

static int apply_key(struct config *c, struct file *file, const char *path, zconfig_t *node,
                     assent_error *error)
{
    const struct config_key *key = config_find(path);
    int code = ASSENT_OK;
    if (key) {
        unsigned long long bit = 1ULL << (key - config_keys());
        if (key->type != CONFIG_LIST && file->seen & bit)
            code = error_set(error, ASSENT_CONFIG, "%s: given twice", path);
        else if (zconfig_child(node))
            code = error_set(error, ASSENT_CONFIG, "%s: a key, not a section", path);
        else if (key->type == CONFIG_LIST && !(file->seen & bit))
            config_clear_list(c, key);
        file->seen |= bit;
    }
    if (!code)
        code = config_set(c, path, zconfig_value(node), error);
    if (!code) {
        char from[PATH_MAX + 32];
        snprintf(from, sizeof from, "file %s:%u", file->path, file->line);
        code = config_note(c, key, from, error);
    }
    return code;
}

static int apply_node(struct config *c, struct file *file, const char *section, zconfig_t *node,
                      assent_error *error)
{
    char path[PATH_BYTES];
    next_said(file);
    int size =
        snprintf(path, sizeof path, "%s%s%s", section, *section ? "/" : "", zconfig_name(node));
    if (size < 0 || (size_t)size >= sizeof path)
        return bad_line(file, file->line, "the name is too long", error);
    int code;
    if (!is_section(path))
        code = apply_key(c, file, path, node, error);
    else if (*zconfig_value(node))
        code = error_set(error, ASSENT_CONFIG, "%s: a section, it has no value", path);
    else
        code = ASSENT_OK;
    if (code == ASSENT_CONFIG)
        error_prefix(error, "%s:%u", file->path, file->line);
    // Only sections come this far with children, and sections do not nest.
    for (zconfig_t *child = zconfig_child(node); child && !code; child = zconfig_next(child))
        code = apply_node(c, file, path, child, error);
    return code;
}

static int apply_file(struct config *c, struct file *file, assent_error *error)
{
    zconfig_t *root = NULL;
    int code = read_file(file, error);
    if (!code)
        code = check_lines(file, error);
    if (!code && file->text.size > 0)
        code = parse(file, &root, error);
    for (zconfig_t *node = root ? zconfig_child(root) : NULL; node && !code;
         node = zconfig_next(node))
        code = apply_node(c, file, "", node, error);
    zconfig_destroy(&root);
    return code;
}

int config_load(struct config *c, const char *path, assent_error *error)
{
    assent_error spare;
    struct file file = {.path = path};
    buf_init(&file.text, FILE_BYTES_MAX);
    int code = apply_file(c, &file, error ? error : &spare);
    buf_free(&file.text);
    return code;
}

static int check_order(const char *low, uint64_t low_value, const char *high, uint64_t high_value,
                       assent_error *error)
{
    if (low_value <= high_value)
        return ASSENT_OK;
    return error_set(error, ASSENT_CONFIG, "%s (%llu) is more than %s (%llu)", low,
                     (unsigned long long)low_value, high, (unsigned long long)high_value);
}

// A topic that no message could be published under any more.
static int check_topics(const struct config *c, assent_error *error)
{
    struct slice name = slice_of(NULL, 0);
    size_t most = topics_most(&c->topics, &name);
    if (most < c->branches || most == 0)
        return ASSENT_OK;
    return error_set(error, ASSENT_CONFIG,
                     "topics/subscription: %zu participants subscribe to topic %.*s; with a sender "
                     "that is more than limits/branches (%llu)",
                     most, (int)name.size, (const char *)name.data,
                     (unsigned long long)c->branches);
}

int config_check(const struct config *c, assent_error *error)
{
    int code = check_order("timeouts/retry-min-ms", c->retry_min_ms, "timeouts/retry-max-ms",
                           c->retry_max_ms, error);
    if (!code)
        code =
            check_order("timeouts/default-ms", c->default_ms, "timeouts/max-ms", c->max_ms, error);
    if (!code)
        code = check_order("limits/frame-bytes", c->frame_bytes, "limits/peer-queue-bytes",
                           c->peer_queue_bytes, error);
    if (!code)
        code = check_topics(c, error);
    if (code)
        return code;
    if (*c->certificate && !*c->authorized_dir)
        return error_set(error, ASSENT_CONFIG,
                         "security/certificate is set, but not security/authorized-dir: nobody "
                         "could connect");
    if (!*c->certificate && *c->authorized_dir)
        return error_set(error, ASSENT_CONFIG,
                         "security/authorized-dir is set, but not security/certificate: it would "
                         "not be looked at");
    return ASSENT_OK;
}

int config_resolve(struct config *c, assent_error *error)
{
    char text[PATH_MAX];
    int code = ASSENT_OK;
    if (!*c->data_dir) {
        code = default_data_dir(text, sizeof text, error);
        if (!code)
            code = config_set(c, "data-dir", text, error);
    }
    if (!code && c->endpoints.count == 0) {
        code = default_endpoint(c->data_dir, text, sizeof text, error);
        if (!code)
            code = config_set(c, "listen/endpoint", text, error);
    }
    return code;
}
