// SPDX-License-Identifier: Apache-2.0
//
// What TX itself has no word for: why a function of the TX interface (assent/xopen/tx.h) did not
// return TX_OK. In libassent-tx.
#ifndef ASSENT_TX_ERROR_H
#define ASSENT_TX_ERROR_H

#include "assent/error.h"

#ifdef __cplusplus
extern "C" {
#endif

// What there was to say about this thread's last call of a tx_ function; "" where there was
// nothing. It names the resource manager, the call and its code, or the coordinator's gtid, and
// says what to do where that is known. Owned by the library, valid until this thread's next call of
// a tx_ function. Thread-safe. The same is written to standard error with TX_ERROR, TX_FAIL,
// TX_MIXED and TX_HAZARD, unless ASSENT_TX_QUIET is set in the environment.
ASSENT_API const char *assent_tx_error(void);

// "TX_OK", "TX_ROLLBACK_NO_BEGIN", ...; "?" for no code of the specification. Thread-safe,
// constant.
ASSENT_API const char *assent_tx_code_text(int code);

#ifdef __cplusplus
}
#endif
#endif
