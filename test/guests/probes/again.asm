; SPDX-License-Identifier: GPL-2.0-only
; The boot sector of a floppy that does not boot: it says so, waits for a key and starts the boot once more.
%include "probe.inc"
        jmp short start
        nop
        times 59 db 0           ; what the format says of itself
start:  BEGIN
        mov si, text
.next:  lodsb
        test al, al
        jz .key
        mov ah, 0Eh
        mov bx, 7
        int 10h
        jmp .next
.key:   mov ah, 0
        int 16h
        int 19h
        jmp $
text:   db 'Nothing to boot here, press a key', 13, 10, 0
        times 510 - ($ - $$) db 0
        dw 0AA55h
