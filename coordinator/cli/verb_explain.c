// SPDX-License-Identifier: Apache-2.0
#include "explain.h"
#include "show.h"
#include "views.h"

static void sentences(const struct cli *cli, const char *title, const json_t *array)
{
    const json_t *sentence;
    size_t i;
    if (json_array_size(array) == 0)
        return;
    printf("\n%s%s%s\n", paint(cli, PAINT_BOLD), title, unpaint(cli));
    json_array_foreach(array, i, sentence) printf("- %s\n", clean(member_text(sentence, "text")));
}

static void explain_print(const struct cli *cli, const json_t *reply, const json_t *story)
{
    const json_t *t = json_object_get(reply, "transaction");
    const json_t *verdict = json_object_get(reply, "verdict");
    printf("%s%s%s is ", paint(cli, PAINT_BOLD), clean(cli->words[0]), unpaint(cli));
    if (json_is_object(t))
        printf("%s%s%s\n", clean(member_text(t, "state")),
               member_bool(t, "in_doubt") ? ", and in doubt" : "",
               member_bool(t, "mixed") ? ", and mixed" : "");
    else
        printf("%s\n", clean(member_text(verdict, "outcome")));
    sentences(cli, "Why", json_object_get(story, "facts"));
    sentences(cli, "What can be done", json_object_get(story, "advice"));
}

static enum exit_code explain_json(const struct cli *cli, const json_t *reply, json_t *story)
{
    const json_t *t = json_object_get(reply, "transaction");
    json_object_set_new(story, "gtid", json_string(cli->words[0]));
    json_object_set_new(story, "finished",
                        json_boolean(json_is_object(t) && member_bool(t, "finished")));
    json_object_set(story, "verdict", json_object_get(reply, "verdict"));
    return print_json(cli, json_incref(story));
}

enum exit_code verb_explain(struct cli *cli)
{
    struct session *session = NULL;
    assent_error error;
    json_t *reply = NULL, *story = NULL;
    int code = session_open(cli, &session, &error);
    if (code == ASSENT_OK)
        code = show_ask(cli, session, &reply, &error);
    session_close(&session);
    if (code == ASSENT_OK && !(story = explain(cli->words[0], reply)))
        code = error_set(&error, ASSENT_NOMEM, "out of memory");
    if (code != ASSENT_OK) {
        json_decref(reply);
        return print_failed(cli, &error);
    }
    enum exit_code exit = EXIT_OK;
    if (cli->json)
        exit = explain_json(cli, reply, story);
    else
        explain_print(cli, reply, story);
    if (exit == EXIT_OK && !show_known(reply))
        exit = EXIT_NOT_FOUND;
    json_decref(story);
    json_decref(reply);
    return exit;
}
