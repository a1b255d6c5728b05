; SPDX-License-Identifier: GPL-2.0-only
; The console: every way to read it, redirection, Ctrl-C. Expected: test/guests/dos.test.ts.
        cpu 386
        bits 16
        org 100h
        jmp start
%include "print.inc"

start:
        mov dx, input           ; handle 0 becomes a file
        mov ax, 3D00h
        int 21h
        mov [file], ax
        xor bx, bx
        mov ah, 45h
        int 21h
        mov [keys], ax
        mov bx, [file]
        xor cx, cx
        mov ah, 46h
        int 21h
        mov ah, 1               ; with echo
        int 21h
        call newline
        call hex
        mov ah, 7
        int 21h
        call hex
        mov ah, 8
        int 21h
        call hex
        mov ah, 6
        mov dl, 0FFh
        int 21h
        call hex
        mov dx, line            ; a line
        mov ah, 0Ah
        int 21h
        call newline
        mov al, [line + 1]
        call hex
        mov ah, 0Bh
        int 21h
        call hex
        mov bx, [keys]          ; and the keyboard again
        xor cx, cx
        mov ah, 46h
        int 21h
        xor bx, bx              ; 44h: what it is, what may be set
        mov ax, 4400h
        int 21h
        mov al, dh
        call hex
        mov al, dl
        call hex
        mov ah, 0Bh             ; nothing typed
        int 21h
        call hex
        mov ah, 5               ; F1 as if typed, and Ctrl-PrtSc
        mov cx, 3B00h
        int 16h
        mov ah, 5
        mov cx, 7200h
        int 16h
        mov ah, 0Bh
        int 21h
        call hex
        mov ah, 8
        int 21h
        call hex                ; 0, then its code
        mov ah, 8
        int 21h
        call hex
        mov ah, 8
        int 21h
        call hex                ; Ctrl-P
        mov ah, 5               ; 0Ch: forgotten
        mov cx, 1E61h
        int 16h
        mov ax, 0C06h
        mov dl, 0FFh
        int 21h
        jz .empty
        call hex
.empty:
        mov dx, once            ; INT 23h: the first time it goes on
        mov ax, 2523h
        int 21h
        mov ah, 5
        mov cx, 2E03h
        int 16h
        mov ah, 0Bh             ; seen here
        int 21h
        call hex
        mov ah, 33h             ; BREAK: seen by every call
        mov al, 1
        mov dl, 1
        int 21h
        mov dx, twice
        mov ax, 2523h
        int 21h
        mov ah, 5
        mov cx, 2E03h
        int 16h
        mov ah, 30h
        int 21h
        call hex
        lds dx, [0Eh]           ; the default again: the program ends
        mov ax, 2523h
        int 21h
        push cs
        pop ds
        int 1Bh                 ; Ctrl-Break
        mov ah, 2
        mov dl, '!'
        int 21h
        mov ax, 4C01h
        int 21h
once:                           ; IRET: the call begins again
        push ax
        push dx
        mov dx, said
        mov ah, 9
        int 21h
        pop dx
        pop ax
        iret
twice:                          ; RETF with CF clear: the same
        clc
        retf

file:   dw 0
keys:   dw 0
input:  db 'input.txt', 0
said:   db 'break', 13, 10, '$'
line:   db 20, 0
        times 20 db 0
