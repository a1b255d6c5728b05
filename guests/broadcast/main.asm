; SPDX-License-Identifier: GPL-2.0-only
; Proves that a request to every device model is waited for at each: after it, a counter is read, and
; each value must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

INVALIDATE_PORT equ 0x240

start:  SETUP
        xor     ebp, ebp            ; the last value
next:   mov     dx, INVALIDATE_PORT
        out     dx, al
        mov     dx, COUNTER_PORT
        in      eax, dx
        inc     ebp
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
