; SPDX-License-Identifier: GPL-2.0-only
; Files and folders by handle: made, written, cut, renamed, deleted. Expected: test/guests/dos.test.ts.
        cpu 386
        bits 16
        org 100h
        jmp start
%include "print.inc"

start:
        mov dx, new             ; a file of our own
        xor cx, cx
        mov ah, 3Ch
        int 21h
        call outcome
        mov [handle], ax
        mov dx, words
        mov cx, words_end - words
        call write
        mov ax, 4200h           ; over its middle
        xor cx, cx
        mov dx, 6
        mov bx, [handle]
        int 21h
        mov dx, capitals
        mov cx, 5
        call write
        mov ax, 4201h           ; a hole: zeros
        xor cx, cx
        mov dx, 10
        mov bx, [handle]
        int 21h
        mov dx, capitals
        mov cx, 1
        call write
        call size               ; 22
        mov ax, 4200h           ; cut off behind the words
        xor cx, cx
        mov dx, 11
        mov bx, [handle]
        int 21h
        xor cx, cx
        call write
        call size               ; 11
        mov ax, 5701h           ; a time of its own
        mov bx, [handle]
        mov cx, 6000h           ; 12:00:00
        mov dx, 2821h           ; 2000-01-01
        int 21h
        call outcome
        mov ah, 3Eh
        mov bx, [handle]
        int 21h
        mov dx, new
        call show
        mov dx, new             ; it must be new: it is not
        xor cx, cx
        mov ah, 5Bh
        int 21h
        call outcome            ; 80
        mov dx, new             ; read only from now on
        mov cx, 21h
        mov ax, 4301h
        int 21h
        call outcome
        mov dx, new
        mov ax, 3D01h
        int 21h
        call outcome            ; 5
        mov dx, new
        mov ah, 41h
        int 21h
        call outcome            ; 5
        mov dx, new
        mov ax, 4300h
        int 21h
        mov ax, cx
        call number             ; 33
        mov dx, new
        xor cx, cx
        mov ax, 4301h
        int 21h
        mov dx, host            ; a file of the host's: appended to
        mov ax, 3D02h
        int 21h
        mov [handle], ax
        mov bx, ax
        mov ax, 4202h
        xor cx, cx
        xor dx, dx
        int 21h
        mov dx, capitals
        mov cx, 5
        call write
        mov ah, 3Eh
        mov bx, [handle]
        int 21h
        mov dx, host
        call show
        mov dx, folder          ; a folder, and a file in it by renaming
        mov ah, 39h
        int 21h
        call outcome
        mov dx, new
        mov di, inside
        mov ah, 56h
        int 21h
        call outcome
        mov dx, folder
        mov ah, 3Ah
        int 21h
        call outcome            ; 5: not empty
        mov dx, folder
        mov ah, 3Bh
        int 21h
        call outcome
        mov si, buffer          ; where we are
        xor dl, dl
        mov ah, 47h
        int 21h
        mov si, buffer
        call print
        call newline
        mov si, relative        ; and what a name is called in full
        mov di, buffer
        mov ah, 60h
        int 21h
        mov si, buffer
        call print
        call newline
        mov dx, all
        mov cx, 10h
        call list
        mov dx, hidden          ; a link of the host's: its name is taken, it cannot be seen
        xor cx, cx
        mov ah, 3Ch
        int 21h
        call outcome            ; 5
        mov dx, root
        mov ah, 3Bh
        int 21h
        mov dx, crowd           ; made, then deleted as they are found
        call make
        mov byte [crowd + 1], '2'
        call make
        mov byte [crowd + 1], '3'
        call make
        mov dx, crowds
        xor cx, cx
        mov ah, 4Eh
.found:
        int 21h
        jc .gone
        mov dx, 80h + 1Eh
        mov ah, 41h
        int 21h
        call outcome
        mov ah, 4Fh
        jmp .found
.gone:
        call outcome            ; 18
        mov dx, temporary
        xor cx, cx
        mov ah, 5Ah
        int 21h
        call outcome
        mov bx, ax
        mov ah, 3Eh
        int 21h
        mov dx, temporary
        mov ah, 41h
        int 21h
        call outcome
        mov si, extended        ; 6Ch: created, then opened, then there already
        mov dx, 12h
        call open
        mov dx, 1
        call open
        mov dx, 10h
        call open
        mov dx, 2
        call open
        mov dx, bad
        xor cx, cx
        mov ah, 3Ch
        int 21h
        call outcome            ; 3
        mov dx, other
        mov ax, 3D00h
        int 21h
        call outcome            ; 3: no such drive
        mov ah, 59h
        xor bx, bx
        int 21h
        call number             ; 3
        mov al, bh
        cbw
        call number             ; 8: not found
        mov dx, nul             ; a device is in every folder that there is
        mov cx, 0
        mov ah, 4Eh
        int 21h
        call outcome
        mov dx, no_nul
        mov ah, 4Eh
        int 21h
        call outcome            ; 3
        mov bx, 0FFFFh          ; handles: as many as there are entries
        mov dx, host
.more:
        mov ax, 3D00h
        int 21h
        jc .full
        inc byte [opened]
        jmp .more
.full:
        call outcome            ; 4
        mov al, [opened]
        cbw
        call number             ; 20 less the 5 of the system and the 3 of above
        mov bx, 1000h           ; room for a table of them
        mov ah, 4Ah
        int 21h
        mov bx, 60
        mov ah, 67h
        int 21h
        call outcome
        mov dx, host
        mov ax, 3D00h
        int 21h
        call number             ; 20
        mov ax, 4C00h
        int 21h

write:
        mov bx, [handle]
        mov ah, 40h
        int 21h
        jc outcome
        jmp number
size:
        mov bx, [handle]
        mov ax, 4202h
        xor cx, cx
        xor dx, dx
        int 21h
        jmp number
make:
        mov dx, crowd
        xor cx, cx
        mov ah, 3Ch
        int 21h
        mov bx, ax
        mov ah, 3Eh
        int 21h
        ret
open:
        mov bx, 2
        xor cx, cx
        mov ax, 6C00h
        int 21h
        jc outcome
        mov ax, cx
        jmp number
list:
        mov ah, 4Eh
.next:
        int 21h
        jc outcome
        mov si, 80h + 1Eh
        call print
        call newline
        mov ah, 4Fh
        jmp .next
; The file at DX: its bytes, and its date.
show:
        mov ax, 3D00h
        int 21h
        jc outcome
        mov bx, ax
        mov cx, 100
        mov dx, buffer
        mov ah, 3Fh
        int 21h
        mov si, ax
        mov byte [buffer + si], 0
        mov si, buffer
        call print
        call newline
        mov ax, 5700h
        int 21h
        mov ah, 3Eh
        int 21h
        mov al, dh
        call hex
        mov al, dl
        jmp hex

handle: dw 0
opened: db 0
new:    db 'new.txt', 0
host:   db 'host.txt', 0
folder: db 'made', 0
inside: db 'made\moved.txt', 0
relative: db '..\Made\.\long-long-name.text', 0
all:    db '*.*', 0
hidden: db '\link.txt', 0
root:   db '\', 0
crowd:  db 'c1.tmp', 0
crowds: db 'c?.tmp', 0
temporary: db 'c:\'
        times 14 db 0
extended: db 'ext.dat', 0
bad:    db 'a+b.txt', 0
other:  db 'q:\a.txt', 0
nul:    db 'made\nul', 0
no_nul: db 'absent\nul', 0
words:  db 'hello world'
words_end:
capitals: db 'WORLD'
buffer:
