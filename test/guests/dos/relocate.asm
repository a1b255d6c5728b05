; SPDX-License-Identifier: GPL-2.0-only
; An .EXE of two segments: a word of its code is the second one's.
        cpu 386
        bits 16
        org 0
header: dw 'MZ'
        dw (end - header) % 512, (end - header + 511) / 512
        dw 1, 2                 ; relocations, paragraphs of this header
        dw 20h, 20h             ; memory behind the image
        dw 0, 200h              ; SS:SP
        dw 0
        dw 0, 0                 ; IP, CS
        dw table - header, 0
table:  dw 1, 0                 ; offset 1 of segment 0
        align 32, db 0
code:
        mov ax, (data - code) / 16      ; becomes the segment of what follows
        mov ds, ax
        mov dx, text - data
        mov ah, 9
        int 21h
        mov ax, 4C63h
        int 21h
        align 16, db 0
data:
text:   db 'relocated', 13, 10, '$'
end:
