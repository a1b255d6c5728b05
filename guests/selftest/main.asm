; SPDX-License-Identifier: GPL-2.0-only
; Proves the frame itself: reports the verdict its parameter asks for, 0 to 3 (or any other byte).
%include "guest.inc"
        GUEST 1, 0

start:  SETUP
        mov     al, [p_parameter]
        out     VERDICT_PORT, al
stop:   cli
        hlt
        jmp     stop
