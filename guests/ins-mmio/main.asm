; SPDX-License-Identifier: GPL-2.0-only
; Proves that INS carries a value from a port of one device into the memory of another, once: the second
; device checks that the values count up.
%include "guest.inc"
        GUEST 0, 0

SEQUENCE_SEG    equ 0xd300

start:  SETUP
        mov     ax, SEQUENCE_SEG
        mov     es, ax
        xor     ebp, ebp            ; the last value
        mov     dx, COUNTER_PORT
next:   xor     di, di
        insd
        inc     ebp
        mov     eax, [es:0]
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
