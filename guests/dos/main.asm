; SPDX-License-Identifier: GPL-2.0-only
; The built-in DOS services: an option ROM at CA000 that boots one program. Files come from a folder of the host.

        cpu 386
        bits 16
        org 0

%include "dos/data.inc"

ROM_BYTES       equ 5000h

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

%include "dos/host.inc"
%include "dos/int21.inc"
%include "dos/boot.inc"
%include "dos/vectors.inc"
%include "dos/sysvars.inc"
%include "dos/process.inc"
%include "dos/exec.inc"
%include "dos/memory.inc"
%include "dos/console.inc"
%include "dos/line.inc"
%include "dos/handles.inc"
%include "dos/fileio.inc"
%include "dos/files.inc"
%include "dos/ioctl.inc"
%include "dos/fcb.inc"
%include "dos/fcbfile.inc"
%include "dos/clock.inc"
%include "dos/system.inc"
%include "dos/country.inc"

        times ROM_BYTES - ($ - $$) db 0
