; SPDX-License-Identifier: GPL-2.0-only
; Colours after a mode of the other kind of screen, and the adapter's state saved in one mode and restored in another.
%include "probe.inc"
        BEGIN
        mov ax, 7               ; monochrome, then colour
        int 10h
        mov bl, 1
        call attr
        mov [0x6009], al
        mov ax, 3
        int 10h
        mov bl, 6
        call attr
        mov [0x600A], al

        mov ax, 13h
        int 10h
        mov ax, 1010h           ; colour 5
        mov bx, 5
        mov cx, 1122h
        mov dx, 3300h
        int 10h
        mov dx, 3D4h            ; shown from 0140h
        mov ax, 0010Ch
        out dx, ax
        mov ax, 0400Dh
        out dx, ax
        mov ax, 1C00h
        mov cx, 7
        int 10h
        mov [0x6000], al
        mov ax, 1C01h
        mov bx, 8000h
        int 10h
        mov ax, 3
        int 10h
        mov ax, 1C02h
        mov bx, 8000h
        int 10h
        mov ah, 0Fh
        int 10h
        mov [0x6001], al
        mov ax, 1015h
        mov bx, 5
        int 10h
        mov [0x6002], dh
        mov [0x6003], cx
        mov dx, 3D4h
        mov al, 0Ch
        call indexed
        mov [0x6005], al
        mov dx, 3C4h
        mov al, 4
        call indexed
        mov [0x6006], al
        mov dx, 3CEh
        mov al, 5
        call indexed
        mov [0x6007], al
        mov bl, 10h
        call attr
        mov [0x6008], al
        mov ax, 3
        int 10h
        mov si, 6000h
        mov cx, 11
        jmp .show
.next:  lodsb
        SHOW
        dec cx
.show:  test cx, cx
        jnz .next
        jmp stop
indexed:
        out dx, al
        inc dx
        in al, dx
        ret
attr:   mov dx, 3BAh            ; AL = attribute register BL
        in al, dx
        mov dl, 0DAh
        in al, dx
        mov dl, 0C0h
        mov al, bl
        out dx, al
        inc dx
        in al, dx
        push ax
        dec dx
        mov al, 20h
        out dx, al
        pop ax
        ret
stop:
        END
