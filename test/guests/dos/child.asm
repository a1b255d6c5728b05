; SPDX-License-Identifier: GPL-2.0-only
; A child: what its parent gave it.
        cpu 386
        bits 16
        org 100h
        jmp start
%include "print.inc"

start:
        mov cx, ax              ; AL: whether the first argument's drive is there
        mov ax, cx
        call hex
        mov al, [5Ch]           ; the block that the parent passed on
        call hex
        mov si, 81h             ; its command tail
        mov bl, [80h]
        xor bh, bh
        mov byte [bx + si], 0
        call print
        call newline
        mov es, [2Ch]           ; its name, behind the environment
        xor di, di
        xor al, al
        mov cx, 0FFFFh
.variable:
        repne scasb
        cmp al, [es:di]
        jne .variable
        lea si, [di + 3]
        push es
        pop ds
        call print
        push cs
        pop ds
        call newline
        mov ax, 3D00h           ; left open: DOS closes it
        mov dx, own
        int 21h
        call outcome
        mov bx, 0FFFFh          ; memory of its own: DOS takes it back
        mov ah, 48h
        int 21h
        mov ah, 48h
        int 21h
        mov ax, 4C2Ah
        int 21h
own:    db 'child.com', 0
