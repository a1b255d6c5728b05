; SPDX-License-Identifier: GPL-2.0-only
; The built-in DOS services: an option ROM at E0000 that boots one .COM program. Files come from a folder of the host.

        cpu 386
        bits 16
        org 0

%include "dos/data.inc"

ROM_BYTES       equ 4000h

        db 55h, 0AAh, ROM_BYTES / 512
        jmp near init
        db 'Trapline DOS', 0

; The BIOS calls this; later INT 19h comes to boot.
init:
        push ds
        push ax
        xor ax, ax
        mov ds, ax
        mov word [19h * 4], boot
        mov [19h * 4 + 2], cs
        pop ax
        pop ds
        retf

%include "dos/int21.inc"
%include "dos/process.inc"
%include "dos/console.inc"
%include "dos/handles.inc"
%include "dos/files.inc"
%include "dos/memory.inc"
%include "dos/clock.inc"
%include "dos/fcb.inc"

        times ROM_BYTES - ($ - $$) db 0
