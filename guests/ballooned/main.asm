; SPDX-License-Identifier: GPL-2.0-only
; Proves that an access begun at a device ends there, though the page becomes RAM before the answer:
; a write that turns the page, an IN, then the page holds what is written to it.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        mov     ax, BLANK_SEG
        mov     fs, ax
        xor     ebp, ebp            ; the last value
        mov     dx, COUNTER_PORT
next:   mov     [fs:0], ebp         ; the first one goes to the device
        in      eax, dx
        inc     ebp
        cmp     eax, ebp
        jne     failed
        mov     [fs:4], eax
        mov     eax, [fs:4]
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
