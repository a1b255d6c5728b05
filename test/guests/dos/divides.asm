; SPDX-License-Identifier: GPL-2.0-only
; Divides by zero.
        cpu 386
        bits 16
        org 100h
        xor bl, bl
        div bl
        mov ax, 4C00h
        int 21h
