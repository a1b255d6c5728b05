; SPDX-License-Identifier: GPL-2.0-only
; Memory, PSPs, tables and national settings. Expected: test/guests/dos.test.ts.
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
        mov ax, cs              ; the PSP says where the block ends
        add ax, (stack_end - $$ + 100h + 15) / 16
        sub ax, [2]
        call number             ; 0
        mov bx, 10h             ; blocks: three, the middle one is free again
        mov ah, 48h
        int 21h
        mov [first], ax
        mov bx, 30h
        mov ah, 48h
        int 21h
        mov [second], ax
        mov bx, 10h
        mov ah, 48h
        int 21h
        mov [third], ax
        mov es, [second]
        mov ah, 49h
        int 21h
        call outcome
        mov ah, 49h             ; the segment of no block
        mov bx, [second]
        inc bx
        mov es, bx
        int 21h
        call outcome            ; 9
        mov bx, 10h             ; first fit takes the hole
        call fit
        mov bx, 2               ; last fit the end of memory
        mov ax, 5801h
        int 21h
        mov bx, 10h
        call fit
        mov bx, 1               ; best fit the hole
        mov ax, 5801h
        int 21h
        mov bx, 10h
        call fit
        mov ax, 5800h
        int 21h
        call number             ; 1
        xor bx, bx
        mov ax, 5801h
        int 21h
        mov es, [first]         ; a block that grows into the hole, and no further
        mov bx, 20h
        mov ah, 4Ah
        int 21h
        call outcome
        mov bx, 200h
        mov ah, 4Ah
        int 21h
        call outcome            ; 8
        mov ax, bx
        call number             ; 65: as large as it can be, and is now
        mov ah, 30h
        int 21h
        call number             ; 5
        mov ah, 62h             ; the PSP: parent, handles, environment
        int 21h
        mov ax, cs
        sub ax, bx
        call number             ; 0
        mov es, [16h]
        mov ax, es
        sub ax, [es:16h]        ; the interpreter is its own parent
        call number             ; 0
        mov al, [18h]
        call hex
        mov al, [1Ch]
        call hex
        mov al, [1Dh]
        call hex
        mov ah, 52h             ; AUX, CON and PRN: with the interpreter 2, 6 and 2 handles
        int 21h
        les bx, [es:bx + 4]
        mov ax, [es:bx + 6]
        add ax, [es:bx + 6 + 2 * 3Bh]
        mov ah, [es:bx + 6 + 3Bh]
        call number             ; 6 * 256 + 4
        mov al, [es:bx + 6 + 20h]
        call hex                ; A of AUX
        mov es, [2Ch]           ; what was asked for comes first
        mov si, 0
        push ds
        push es
        pop ds
        call print
        pop ds
        call newline
        mov dx, [second]        ; 26h: a PSP
        mov ah, 26h
        int 21h
        mov es, [second]
        mov al, [es:0]
        call hex
        mov ax, [es:2Ch]
        sub ax, [2Ch]
        call number             ; 0
        mov dx, [second]        ; 55h: a child's, which is current then
        mov si, 7777h
        mov ah, 55h
        int 21h
        call hex                ; F0
        mov ax, cs
        sub ax, [es:16h]
        call number             ; 0
        mov ax, [es:2]
        call number             ; 30583
        mov ah, 51h
        int 21h
        sub bx, [second]
        mov ax, bx
        call number             ; 0
        mov bx, cs
        mov ah, 50h
        int 21h
        mov ah, 52h             ; the list of lists: first block, drive C, NUL
        int 21h
        mov ax, [es:bx - 2]
        mov [chain], ax
        mov al, [es:bx + 21h]
        call hex                ; 1A
        mov al, [es:bx + 22h + 10]
        call hex                ; N
        les di, [es:bx + 16h]
        add di, 2 * 58h
        mov al, [es:di]
        call hex                ; C
        mov al, [es:di + 44h]
        call hex                ; 40
        mov ax, [chain]         ; the chain of blocks ends at 639K
.block:
        mov es, ax
        mov bl, [es:0]
        add ax, [es:3]
        inc ax
        cmp bl, 'M'
        je .block
        call number             ; 40896
        mov al, bl
        call hex                ; Z
        mov ah, 19h
        int 21h
        call hex                ; 2
        mov ah, 0Eh
        mov dl, 1
        int 21h
        call hex                ; 1A
        mov ah, 1Ch             ; what kind of disk
        xor dl, dl
        int 21h
        push ds
        push cs
        pop ds
        call hex
        mov ax, cx
        call number
        pop ds
        mov al, [bx]
        push cs
        pop ds
        call hex                ; F8
        mov ah, 1Ch
        mov dl, 1
        int 21h
        call hex                ; FF
        mov ah, 32h
        mov dl, 3
        int 21h
        mov ax, [bx + 2]
        push cs
        pop ds
        call number             ; 512
        mov ah, 36h
        mov dl, 9
        int 21h
        call number             ; 65535
        mov ah, 36h
        xor dl, dl
        int 21h
        call number             ; 32
        mov ax, bx
        call number             ; 4096 clusters: 64M
        mov ax, 6300h
        int 21h
        mov ax, [si]
        push cs
        pop ds
        call number             ; 0
        mov ax, 6301h
        int 21h
        call hex                ; FF
        mov ax, 3800h           ; the country
        mov dx, buffer
        int 21h
        mov ax, bx
        call number             ; 1
        mov al, [buffer + 2]
        call hex                ; $
        mov al, 81h             ; a far call for capitals
        call far [buffer + 12h]
        call hex                ; 9A
        mov ax, 3831h
        mov dx, buffer
        int 21h
        call outcome            ; 2
        mov ax, 6501h
        mov bx, 0FFFFh
        mov dx, bx
        push cs
        pop es
        mov di, buffer
        mov cx, 41
        int 21h
        mov ax, [buffer + 5]
        call number             ; 437
        mov dx, text
        mov ax, 6522h
        int 21h
        mov si, text
        call print
        call newline
        mov ax, 6601h
        int 21h
        mov ax, bx
        call number             ; 437
        mov ax, 4408h           ; drive C does not change, drive A is not there
        mov bl, 0
        int 21h
        call number             ; 1
        mov ax, 4408h
        mov bl, 1
        int 21h
        call outcome            ; 15
        mov bx, 1
        mov ax, 4407h
        int 21h
        call hex                ; FF
        mov bx, 99
        mov ax, 4400h
        int 21h
        call outcome            ; 6
        mov ah, 34h             ; inside no call but this one
        int 21h
        mov al, [es:bx]
        call hex                ; 0
        mov ax, 3306h
        int 21h
        mov al, bl
        call hex                ; 5
        mov ah, 2Eh
        mov al, 1
        int 21h
        mov ah, 54h
        int 21h
        call hex                ; 1
        db 0Fh, 0Bh             ; UD2
        mov ax, 4C00h
        int 21h

; Takes BX paragraphs and gives them back: the segment less the second block's, 0 in the hole, more behind the third.
fit:
        mov ah, 48h
        int 21h
        jc outcome
        mov es, ax
        mov ah, 49h
        int 21h
        mov ax, es
        cmp ax, [third]
        mov si, in_hole
        jbe .say
        mov si, behind
.say:
        call print
        jmp newline

first:  dw 0
second: dw 0
third:  dw 0
chain:  dw 0
in_hole: db 'hole', 0
behind: db 'end', 0
text:   db 'gr', 81h, 'n', 0
buffer: times 64 db 0
        times 400 db 0
stack_end:
