; SPDX-License-Identifier: GPL-2.0-only
; Proves the boot sector format: 512 bytes at 0000:7C00 with 55AA, the drive number in DL.
%include "guest.inc"
        cpu     8086
        bits    16
        org     0x7c00

start:  call    here
here:   pop     ax                  ; IP
        cmp     ax, here
        jne     wrong
        mov     ax, cs
        or      ax, ax
        jnz     wrong
        mov     ds, ax
        cmp     dl, 0x80            ; first hard disk
        jne     wrong
        cmp     word [0x7dfe], 0xaa55
        jne     wrong
        mov     si, text
        cld
next:   lodsb
        or      al, al
        jz      done
        out     DEBUGCON_PORT, al
        jmp     next
done:   VERDICT V_SUCCESS
wrong:  VERDICT V_FAILURE

text:   db      'Hello from a boot sector.', 10, 0
        times   510 - ($ - $$) db 0
        dw      0xaa55
