// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include "assent/xa_manager.h"

static const struct {
    int code;
    const char *text;
} codes[] = {
#define CODE(name)                                                                                 \
    {                                                                                              \
        name, #name                                                                                \
    }
    CODE(XA_OK),         CODE(XA_RDONLY),     CODE(XA_RETRY),      CODE(XA_HEURMIX),
    CODE(XA_HEURRB),     CODE(XA_HEURCOM),    CODE(XA_HEURHAZ),    CODE(XA_NOMIGRATE),
    CODE(XA_RBROLLBACK), CODE(XA_RBCOMMFAIL), CODE(XA_RBDEADLOCK), CODE(XA_RBINTEGRITY),
    CODE(XA_RBOTHER),    CODE(XA_RBPROTO),    CODE(XA_RBTIMEOUT),  CODE(XA_RBTRANSIENT),
    CODE(XAER_ASYNC),    CODE(XAER_RMERR),    CODE(XAER_NOTA),     CODE(XAER_INVAL),
    CODE(XAER_PROTO),    CODE(XAER_RMFAIL),   CODE(XAER_DUPID),    CODE(XAER_OUTSIDE),
#undef CODE
};

const char *assent_xa_code_text(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code)
            return codes[i].text;
    }
    return "?";
}
