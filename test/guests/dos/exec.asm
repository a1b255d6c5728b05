; SPDX-License-Identifier: GPL-2.0-only
; Programs started by a program. Expected: test/guests/dos.test.ts.
        cpu 386
        bits 16
        org 100h
        jmp start
%include "print.inc"

start:
        mov sp, stack_end
        mov bx, (stack_end - $$ + 100h + 15) / 16
        mov ah, 4Ah
        int 21h
        call outcome
        mov word [block + 4], cs
        mov word [block + 8], cs
        mov word [block + 12], cs
        mov byte [5Ch], 2       ; a block with drive B, which is not there
        mov dx, out             ; handle 1 is a file while the child runs
        xor cx, cx
        mov ah, 3Ch
        int 21h
        mov [file], ax
        mov bx, 1
        mov ah, 45h
        int 21h
        mov [screen], ax
        mov bx, [file]
        mov cx, 1
        mov ah, 46h
        int 21h
        mov dx, child
        call run
        mov bx, [screen]
        mov cx, 1
        mov ah, 46h
        int 21h
        mov bx, [file]
        mov ah, 3Eh
        int 21h
        mov dx, out             ; what it wrote
        mov ax, 3D00h
        int 21h
        mov bx, ax
        mov dx, buffer
        mov cx, 200
        mov ah, 3Fh
        int 21h
        mov cx, ax
        mov bx, 1
        mov dx, buffer
        mov ah, 40h
        int 21h
        call ended              ; 42, by itself
        call ended              ; once
        mov dx, absent
        call run                ; 2
        mov dx, resident        ; stays, and has an interrupt of its own
        call run
        call ended
        xor ax, ax
        int 61h
        call number             ; 4660
        mov dx, divides         ; a division by zero ends it
        call run
        call ended
        mov dx, exe             ; with a header and a relocation
        call run
        call ended
        mov bx, 40h             ; 4B03h: a part, with the segment to add
        mov ah, 48h
        int 21h
        mov [part], ax
        mov [part + 2], ax
        mov dx, exe
        mov bx, part
        push cs
        pop es
        mov ax, 4B03h
        int 21h
        call outcome
        mov es, [part]
        mov ax, [es:1]          ; the relocated word is our segment
        sub ax, [part]
        call number             ; 2
        mov dx, child           ; 4B01h: loaded only
        mov bx, block
        push cs
        pop es
        mov ax, 4B01h
        int 21h
        call outcome
        mov ax, [block + 12h]
        call number             ; 256
        mov ah, 62h             ; it is the current program now
        int 21h
        mov ax, [block + 14h]
        sub ax, bx
        call number             ; 0
        mov es, bx
        mov ax, cs
        sub ax, [es:16h]        ; and its parent is this one
        call number             ; 0
        mov bx, cs
        mov ah, 50h
        int 21h
        mov dx, broken
        call run                ; 8: too large for a .COM program
        mov ax, 4C07h
        int 21h

; EXEC DX, and what came of it. Registers other than SS:SP may be lost.
run:
        mov bx, block
        push cs
        pop es
        mov ax, 4B00h
        int 21h
        push cs
        pop ds
        push cs
        pop es
        jmp outcome
ended:
        mov ah, 4Dh
        int 21h
        push ax
        mov al, ah
        call hex
        pop ax
        jmp hex

file:   dw 0
screen: dw 0
part:   dw 0, 0
block:  dw 0, tail, 0, 5Ch, 0, 6Ch, 0
        times 12 db 0
tail:   db 5, 'b:one', 13
child:  db 'child.com', 0
absent: db 'absent.com', 0
resident: db 'resident.com', 0
divides: db 'divides.com', 0
exe:    db 'relocate.exe', 0
broken: db 'large.com', 0
out:    db 'out.txt', 0
buffer: times 256 db 0
        times 400 db 0
stack_end:
