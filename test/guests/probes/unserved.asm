; SPDX-License-Identifier: GPL-2.0-only
; Asks for what is not there: services, vectors that nobody took, a screen, a port, in the end an instruction.
%include "probe.inc"
        BEGIN
        mov ax, 0B101h          ; PCI BIOS
        int 1Ah
        mov ah, 0EEh
        int 15h
        mov ax, 2142h
        int 16h
        mov ax, 0FE00h
        int 10h
        mov ax, 005Eh
        int 10h
        mov ax, 1011h           ; functions that are there, of kinds that are not
        int 10h
        mov ax, 1105h
        int 10h
        mov ax, 1200h
        mov bl, 80h
        int 10h
        mov ax, 4100h
        mov bx, 55AAh
        mov dl, 0               ; extensions of a floppy
        int 13h
        mov ax, 0901h
        int 21h                 ; no DOS here
        mov ax, 0
        int 33h                 ; nor a mouse
        mov dx, 388h            ; nor a sound card
        in al, dx
        in al, dx
        SHOW
        ud2
        END
