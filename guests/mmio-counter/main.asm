; SPDX-License-Identifier: GPL-2.0-only
; Proves that no load from device memory is lost or repeated: each value MOVed from the counter's page
; must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        mov     ax, COUNTER_SEG
        mov     fs, ax
        xor     ebp, ebp            ; the last value
next:   mov     eax, [fs:0]
        LOG_EAX
        inc     ebp
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
