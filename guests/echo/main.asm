; SPDX-License-Identifier: GPL-2.0-only
; Proves serial input and output, polled: sends back what arrives until ESC or ^D.
%include "guest.inc"
        GUEST 0, 0

LCR     equ SERIAL_PORT + 3
LSR     equ SERIAL_PORT + 5
DR      equ 0x01                    ; a byte has arrived
THRE    equ 0x20                    ; a byte can be sent

start:  SETUP
        mov     dx, LCR
        mov     al, 0x80            ; divisor 1: 115200 baud
        out     dx, al
        mov     dx, SERIAL_PORT
        mov     ax, 1
        out     dx, al
        inc     dx
        mov     al, ah
        out     dx, al
        mov     dx, LCR
        mov     al, 0x03            ; 8 bits, no parity, 1 stop bit
        out     dx, al
        mov     dx, SERIAL_PORT + 7 ; the scratch register holds what it is given
        mov     al, 0x5a
        out     dx, al
        in      al, dx
        cmp     al, 0x5a
        jne     absent

next:   mov     dx, LSR
wait_rx: in     al, dx
        test    al, DR
        jz      wait_rx
        mov     dx, SERIAL_PORT
        in      al, dx
        cmp     al, 27
        je      done
        cmp     al, 4
        je      done
        movzx   eax, al
        LOG_EAX
        call    send
        cmp     al, 13
        jne     next
        mov     al, 10
        call    send
        jmp     next
done:   VERDICT V_SUCCESS
absent: VERDICT V_SKIP

; AL: the byte. Keeps it.
send:   mov     ah, al
        mov     dx, LSR
wait_tx: in     al, dx
        test    al, THRE
        jz      wait_tx
        mov     dx, SERIAL_PORT
        mov     al, ah
        out     dx, al
        ret
