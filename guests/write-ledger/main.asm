; SPDX-License-Identifier: GPL-2.0-only
; Proves that no OUT is lost or repeated: the numbers 1, 2, 3... go to a device that checks them, and
; after every eighth the device is asked how many of them were wrong.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        xor     edi, edi            ; the last number sent
next:   mov     cx, 8
        mov     dx, SEQUENCE_PORT
send:   inc     edi
        mov     eax, edi
        out     dx, eax
        LOG_EAX
        cmp     edi, [p_iterations]
        je      last
        dec     cx
        jnz     send
        call    check
        jmp     next
last:   call    check
        VERDICT V_SUCCESS

check:  mov     dx, SEQUENCE_PORT + 4
        in      eax, dx             ; violations seen by the device
        xor     ebp, ebp
        cmp     eax, ebp
        jne     failed
        mov     dx, SEQUENCE_PORT
        in      eax, dx             ; the last number it took
        mov     ebp, edi
        cmp     eax, ebp
        jne     failed
        ret
        FAILED
