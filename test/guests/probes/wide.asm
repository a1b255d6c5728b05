; SPDX-License-Identifier: GPL-2.0-only
; Words and double words at 8-bit devices: each is made of its bytes, lowest first.
%include "probe.inc"
        BEGIN
        cli
        mov al, 0B0h            ; counter 2, mode 0
        out 43h, al
        mov ax, 0B634h          ; 42h: a count's low byte, 43h: counter 2 in mode 3
        out 42h, ax
        mov al, 0E8h            ; its status
        out 43h, al
        in al, 42h
        SHOW
        mov ax, 00B4h           ; 43h, and nobody at 44h: counter 2 in mode 2
        out 43h, ax
        mov al, 0E8h
        out 43h, al
        in al, 42h
        SHOW
        mov al, 34h             ; counter 0 runs
        out 43h, al
        xor al, al
        out 40h, al
        out 40h, al
        mov cx, 100
        loop $
        in ax, 40h
        cmp ax, 0FFFFh
        sete al
        SHOW
        in ax, 61h
        and al, 0Fh
        SHOW
        mov ax, 0A540h          ; CMOS RAM
        out 70h, ax
        mov al, 40h
        out 70h, al
        in al, 71h
        SHOW
        in ax, 70h
        mov al, ah
        SHOW
        mov ax, 2D0Ah           ; the clock
        out 70h, ax
        in ax, 70h
        mov al, ah
        and al, 7Fh
        SHOW
        in al, 21h
        mov bl, al
        mov ax, 0B520h          ; an end of interrupt, and a mask
        out 20h, ax
        in ax, 20h
        mov al, ah
        SHOW
        mov al, bl
        out 21h, al
        mov dx, 3FBh            ; a serial port's divisor
        mov al, 83h
        out dx, al
        mov dx, 3F8h
        mov ax, 1234h
        out dx, ax
        in ax, dx
        SHOW
        mov al, ah
        SHOW
        mov dx, 3D4h            ; a CRTC register
        mov ax, 5A0Fh
        out dx, ax
        in ax, dx
        mov al, ah
        SHOW
        END
