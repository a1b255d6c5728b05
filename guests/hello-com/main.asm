; SPDX-License-Identifier: GPL-2.0-only
; Proves the DOS .COM format: PSP, command tail, INT 21h functions 02h, 09h and 4Ch.
        cpu     8086
        bits    16
        org     0x100

        cmp     word [0], 0x20cd    ; INT 20h at the start of the PSP
        jne     wrong
        mov     bp, sp
        cmp     word [bp], 0        ; a 0 on the stack: RET ends at that INT 20h
        jne     wrong
        mov     ah, 0x09
        mov     dx, text
        int     0x21
        mov     si, 0x81            ; the command tail, as it was given
        mov     cl, [0x80]
        xor     ch, ch
        jcxz    done
tail:   lodsb
        mov     dl, al
        mov     ah, 0x02
        int     0x21
        loop    tail
done:   mov     dl, 10
        mov     ah, 0x02
        int     0x21
        mov     ax, 0x4c00
        int     0x21
wrong:  mov     ax, 0x4c01
        int     0x21

text:   db      'Hello from a .COM program.$'
