; SPDX-License-Identifier: GPL-2.0-only
; Proves that no element of a string IN is lost or repeated: REP INSB from the counter port into a
; buffer, upward and downward in turn; every byte must be the last plus 1, modulo 256.
%include "guest.inc"
        GUEST 0, 0

BYTES   equ 16

start:  SETUP
        xor     ebp, ebp            ; the last byte, in the low 8 bits
        xor     esi, esi            ; batches done
next:   mov     dx, COUNTER_PORT
        mov     cx, BYTES
        mov     di, buffer
        rep     insb
        mov     di, buffer
upward: movzx   eax, byte [di]
        call    check
        inc     di
        cmp     di, buffer + BYTES
        jne     upward

        mov     cx, BYTES
        mov     di, buffer + BYTES - 1
        std
        rep     insb
        cld
        mov     di, buffer + BYTES - 1
down:   movzx   eax, byte [di]
        call    check
        dec     di
        cmp     di, buffer - 1
        jne     down

        inc     esi
        cmp     esi, [p_iterations]
        jne     next
        VERDICT V_SUCCESS

; EAX: the byte that came.
check:  LOG_EAX
        inc     ebp
        and     ebp, 0xff
        cmp     eax, ebp
        jne     failed
        ret
        FAILED

        align   16
buffer: times BYTES db 0
