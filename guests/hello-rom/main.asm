; SPDX-License-Identifier: GPL-2.0-only
; Proves the ROM format: the image ends at the top of the first megabyte, the CPU starts at its reset
; vector F000:FFF0.
%include "guest.inc"
        cpu     8086
        bits    16
SIZE    equ     1024
        org     0x10000 - SIZE      ; offsets in segment F000

start:  mov     ax, cs
        cmp     ax, 0xf000          ; after the far jump
        jne     wrong
        mov     ds, ax
        mov     si, text
        cld
next:   lodsb
        or      al, al
        jz      done
        out     DEBUGCON_PORT, al
        jmp     next
done:   VERDICT V_SUCCESS
wrong:  VERDICT V_FAILURE

text:   db      'Hello from a ROM.', 10, 0
        times   SIZE - 16 - ($ - $$) db 0xff
reset:  jmp     0xf000:start
        times   SIZE - ($ - $$) db 0xff
