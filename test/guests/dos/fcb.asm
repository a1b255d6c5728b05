; SPDX-License-Identifier: GPL-2.0-only
; Files by control block. Expected: test/guests/dos.test.ts.
        cpu 386
        bits 16
        org 100h
        jmp start
%include "print.inc"

%macro fcb 1
        mov dx, block
        mov ah, %1
        int 21h
        call hex
%endmacro

start:
        mov si, name            ; 29h: a name as a block has it
        mov di, block
        mov ax, 2901h
        int 21h
        call hex
        mov si, block + 1
        call print
        call newline
        fcb 16h                 ; created
        mov dx, record
        mov ah, 1Ah
        int 21h
        mov word [block + 0Eh], 16      ; records of 16 bytes
        fcb 15h                 ; three of them
        inc byte [record]
        fcb 15h
        inc byte [record]
        fcb 15h
        mov ax, [block + 10h]
        call number             ; 48 bytes
        fcb 10h                 ; closed
        fcb 0Fh                 ; opened: from the first record on, of 128 bytes
        mov ax, [block + 0Eh]
        call number
        mov dx, buffer
        mov ah, 1Ah
        int 21h
        fcb 14h                 ; 3: part of a record, the rest zeros
        mov al, [buffer + 16]
        call hex                ; 2nd record's first byte
        mov al, [buffer + 48]
        call hex
        fcb 14h                 ; 1: nothing
        mov word [block + 0Eh], 16
        mov dword [block + 21h], 2      ; the third record
        fcb 21h
        mov al, [buffer]
        call hex
        mov al, [block + 20h]   ; the sequential fields follow
        call hex
        mov dword [block + 21h], 1
        mov cx, 5               ; five from the second: there are two
        fcb 27h
        mov ax, cx
        call number
        mov ax, [block + 21h]
        call number
        mov dx, record
        mov ah, 1Ah
        int 21h
        mov dword [block + 21h], 4      ; behind a hole
        mov cx, 1
        fcb 28h
        fcb 23h                 ; 5 records
        mov ax, [block + 21h]
        call number
        mov byte [block + 20h], 7       ; 24h: what the sequential fields say
        mov word [block + 0Ch], 1
        mov dx, block
        mov ah, 24h
        int 21h
        mov ax, [block + 21h]
        call number             ; 135
        mov dword [block + 21h], 2      ; 28h with no record: cut there
        xor cx, cx
        fcb 28h
        fcb 23h
        mov ax, [block + 21h]
        call number             ; 2
        fcb 10h
        mov si, copy            ; 17h: another extension
        mov di, block + 11h
        mov cx, 11
        rep movsb
        fcb 17h
        mov dx, buffer
        mov ah, 1Ah
        int 21h
        mov dx, wild            ; 11h, 12h: what is found
        mov ah, 11h
.next:
        int 21h
        test al, al
        jnz .none
        mov byte [buffer + 12], 0
        mov si, buffer + 1
        call print
        call newline
        mov dx, wild
        mov ah, 12h
        jmp .next
.none:
        call hex
        mov dx, extended        ; with attributes: folders, too
        mov ah, 11h
        int 21h
        call hex
        mov al, [buffer]
        call hex
        mov al, [buffer + 7 + 12]
        call hex
        mov dx, wild            ; 13h: all of them
        mov ah, 13h
        int 21h
        call hex
        mov dx, wild
        mov ah, 13h
        int 21h
        call hex
        mov byte [block], 1     ; drive A: none
        fcb 0Fh
        mov ax, 4C00h
        int 21h

name:   db ' data.txt', 0
copy:   db '????????BAK'
wild:   db 0, '????????BAK'
        times 25 db 0
extended: db 0FFh, 0, 0, 0, 0, 0, 10h, 0, '???????????'
        times 25 db 0
record: db 'abcdefghijklmnop'
block:  times 40 db 0
buffer:
