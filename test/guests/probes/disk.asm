; SPDX-License-Identifier: GPL-2.0-only
; A hard disk by its geometry and by block numbers: parameters, a read each way, a write that is read back, an error.
%include "probe.inc"
        BEGIN
        mov al, dl              ; the drive booted from
        SHOW
        mov ah, 8
        mov dl, 80h
        int 13h
        mov al, dh              ; last head
        SHOW
        mov al, cl
        and al, 3Fh             ; sectors of a track
        SHOW
        mov ah, 41h
        mov bx, 55AAh
        mov dl, 80h
        int 13h
        mov al, bh
        SHOW
        mov ax, 0201h           ; cylinder 1, head 2, sector 3
        mov bx, 8000h
        mov cx, 0103h
        mov dx, 0280h
        push ds
        pop es
        int 13h
        mov al, ah
        SHOW
        mov al, [8000h]
        SHOW
        mov si, packet          ; two sectors by number
        mov ah, 42h
        mov dl, 80h
        int 13h
        mov al, ah
        SHOW
        mov al, [9000h]
        SHOW
        mov al, [9200h]
        SHOW
        mov byte [9200h], 77h
        mov ah, 43h
        mov al, 0
        int 13h
        mov byte [9200h], 0
        mov ah, 42h
        int 13h
        mov al, [9200h]
        SHOW
        mov dword [packet + 8], 0FFFFFFh
        mov ah, 42h
        int 13h
        setc al
        SHOW
        jmp done
packet: db 10h, 0
        dw 2, 9000h, 0
        dq 2000
done:
        END
