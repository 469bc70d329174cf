// SPDX-License-Identifier: Apache-2.0
// A manager on the scripted switch: one script after another.
#ifndef XA_STAGE_H
#define XA_STAGE_H

#include "unit.h"

#include <stdbool.h>

#include "assent/xa_manager.h"
#include "scripted.h"

enum { RMID = 7 };

#define GTID      "T1"
#define CALL_ID   "T1/0/0123abcd/1f"
#define RESOURCE  "123456789" // whose hash is the check value of CRC-32C
#define HASH      "e3069283"
#define CALL_XID  "T1|0/0123abcd/1f/" HASH
#define APP_XID   "T1|0/app/" HASH
#define CLOSE     "close 7 bye -> XA_OK\n"
#define OPEN      "open 7 -> XA_OK\n"
#define REOPENED  CLOSE OPEN
#define NONE_HELD "recover 128 TMSTARTRSCAN -> 0\nrecover 0 TMENDRSCAN -> 0\n"
#define HELD(xid) "recover 128 TMSTARTRSCAN -> 1 " xid "\nrecover 0 TMENDRSCAN -> 0\n"

struct stage {
    char *dir;
    unsigned scripts;
    char path[128];
    assent_xa *xa;
    assent_error error;
    assent_vote work_votes; // 0: there is no work
    const char *work_says;
};
extern struct stage stage;

int stage_setup(void **state);
int stage_teardown(void **state);

// The text, as by printf, becomes the script.
void stage_write(const char *format, ...) __attribute__((format(printf, 1, 2)));
void stage_options(assent_xa_options *ret); // for it
// Opens the manager, with "open 7 -> XA_OK" in front of the script.
void stage_open(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Closes it, and fails the test where the script was not followed to its end.
void stage_close(void);
// Likewise, of a manager that is closed already, or never was open. `about` is for the message.
void stage_check(const char *about);

const assent_branch *stage_call(unsigned tries);
const assent_branch *stage_enlisted(void);
const assent_branch *stage_unknown(void); // kind and id of a branch that nothing is known of

#endif
