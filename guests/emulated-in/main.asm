; SPDX-License-Identifier: GPL-2.0-only
; Proves that IN run by the instruction emulator retires: each value read must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        xor     ebp, ebp            ; the last value
        mov     dx, COUNTER_PORT
next:   in      eax, dx
        inc     ebp
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
