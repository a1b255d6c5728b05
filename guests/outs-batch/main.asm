; SPDX-License-Identifier: GPL-2.0-only
; Proves that REP OUTSB is one access per byte: four bytes a time, counting up, to a device that checks
; them; after each batch the device is asked how many were wrong, and for the last one.
%include "guest.inc"
        GUEST 0, 0

BYTES   equ 4

start:  SETUP
        xor     ebp, ebp            ; the last byte
        xor     edi, edi            ; batches done
next:   mov     si, buffer
        mov     cx, BYTES
fill:   inc     ebp
        mov     eax, ebp
        mov     [si], al
        inc     si
        dec     cx
        jnz     fill
        mov     si, buffer
        mov     cx, BYTES
        mov     dx, SEQUENCE_PORT
        rep     outsb
        mov     dx, SEQUENCE_PORT + 4
        in      eax, dx
        test    eax, eax
        jne     failed
        inc     edi
        cmp     edi, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED

buffer: times BYTES db 0
