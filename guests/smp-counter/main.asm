; SPDX-License-Identifier: GPL-2.0-only
; Proves the same as counter, on several vCPUs at once: each runs a copy of this code in memory of its own and reads
; a counter of its own. The number of the vCPU comes in BX, the copy's place in CS.
%include "guest.inc"
        GUEST 0, 0

start:  cli
        mov     ax, cs
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        add     ax, LOG_SEG
        mov     gs, ax
        movzx   eax, ax
        shl     eax, 4
        mov     [p_log_base], eax
        cld
        shl     bx, 3               ; eight ports each
        lea     dx, [bx + COUNTER_PORT]
        xor     ebp, ebp            ; the last value
next:   in      eax, dx
        LOG_EAX
        inc     ebp
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
