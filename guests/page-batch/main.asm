; SPDX-License-Identifier: GPL-2.0-only
; Proves that a batch cut at a page end leaves nothing behind: REP INSB from a port inside the monitor,
; four bytes on each page, then one IN, whose value must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

MONITOR_PORT    equ 0x240
BUFFER          equ 0x9000

start:  SETUP
        xor     ebp, ebp            ; the last value
next:   mov     dword [BUFFER - 4], 0
        mov     dword [BUFFER], 0
        mov     dx, MONITOR_PORT
        mov     di, BUFFER - 4
        mov     cx, 8
        rep     insb
        inc     ebp
        mov     eax, [BUFFER - 4]
        and     eax, [BUFFER]
        cmp     eax, -1
        jne     failed
        mov     dx, COUNTER_PORT
        in      eax, dx
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
