; SPDX-License-Identifier: GPL-2.0-only
; Stays in memory and answers INT 61h.
        cpu 386
        bits 16
        org 100h
        mov dx, answer
        mov ax, 2561h
        int 21h
        mov dx, (end - $$ + 100h + 15) / 16
        mov ax, 3105h
        int 21h
answer:
        mov ax, 1234h
        iret
end:
