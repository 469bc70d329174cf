// SPDX-License-Identifier: Apache-2.0
#ifndef KIT_PAUSE_H
#define KIT_PAUSE_H

#include <stdint.h>

void pause_ms(int64_t ms);

#endif
