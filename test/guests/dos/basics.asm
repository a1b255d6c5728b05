; SPDX-License-Identifier: GPL-2.0-only
; Uses the DOS services as a program would, and prints what they say. Expected: test/guests/dos.test.ts.
        cpu 386
        bits 16
        org 100h

        mov ah, 40h             ; the command tail
        mov bx, 1
        movzx cx, byte [80h]
        mov dx, 81h
        int 21h
        call newline
        mov dx, pattern         ; what is in drive C
        mov cx, 10h
        mov ah, 4Eh
        int 21h
.next:
        jc .listed
        mov si, 80h + 1Eh
        call print
        call newline
        mov ah, 4Fh
        int 21h
        jmp .next
.listed:
        call number             ; 18: no more
        mov dx, hello
        call show
        mov dx, nested
        call show
        mov dx, above
        call show
        mov dx, link
        call show
        mov dx, absent
        call show
        mov bx, 1000h           ; memory: what is ours shrinks, then some is free
        mov ah, 4Ah
        int 21h
        call outcome
        mov bx, 100h
        mov ah, 48h
        int 21h
        jc .failed
        mov es, ax
        mov ah, 49h
        int 21h
.failed:
        call outcome
        mov bx, 0FFFFh
        mov ah, 48h
        int 21h
        call outcome
        mov ah, 2Ah             ; day of the week and year
        int 21h
        cbw
        call number
        mov ax, cx
        call number
        mov ah, 86h             ; the BIOS's clock counts microseconds
        xor cx, cx
        mov dx, 50000
        int 15h
        call outcome
        mov ah, 5Dh             ; an inside call that is not there
        int 21h
        call outcome
        mov ax, 1234h           ; nobody has this interrupt: nothing changes
        int 0E1h
        call number
        xor ax, ax              ; no mouse
        int 33h
        call number
        mov cl, 2               ; as CP/M had it
        mov dl, '!'
        call 5
        mov ax, 4C07h
        int 21h

; Opens the file at DX and prints it with its size.
show:
        mov ax, 3D00h
        int 21h
        jc outcome
        mov bx, ax
        mov ax, 4202h
        xor cx, cx
        xor dx, dx
        int 21h
        call number
        mov ax, 4200h
        xor cx, cx
        xor dx, dx
        int 21h
        mov cx, 200
        mov dx, buffer
        mov ah, 3Fh
        int 21h
        mov cx, ax
        push bx
        mov bx, 1
        mov ah, 40h
        int 21h
        pop bx
        mov ah, 3Eh
        int 21h
        jmp newline

%include "print.inc"

pattern: db 'c:\*.*', 0
hello:  db 'hello.txt', 0
nested: db 'c:\sub\..\sub/inner.txt', 0
above:  db '..\secret.txt', 0
link:   db 'link.txt', 0
absent: db 'nothing.txt', 0
buffer:
