; SPDX-License-Identifier: GPL-2.0-only
; Proves that a downward batch reaches the device: REP MOVSD from the end of the counter's page into a
; buffer, downward; each dword must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

DWORDS  equ 2

start:  SETUP
        mov     ax, COUNTER_SEG
        mov     fs, ax
        xor     ebp, ebp            ; the last value
        xor     edx, edx            ; batches done
        std
next:   mov     cx, DWORDS
        mov     si, 0x0ffc
        mov     di, buffer + 4 * (DWORDS - 1)
        fs rep movsd
        mov     si, buffer + 4 * (DWORDS - 1)
        mov     cx, DWORDS
check:  mov     eax, [si]
        inc     ebp
        cmp     eax, ebp
        jne     failed
        sub     si, 4
        dec     cx
        jnz     check
        inc     edx
        cmp     edx, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED

        align   16
buffer: times DWORDS dd 0
