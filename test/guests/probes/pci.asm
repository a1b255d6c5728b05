; SPDX-License-Identifier: GPL-2.0-only
; Asks the BIOS for its PCI services, and configuration space by mechanism 1: the bridges, and a function that is not there.
%include "probe.inc"
        BEGIN
        mov ax, 0B101h
        xor edx, edx
        int 1Ah
        setc al
        SHOW                    ; no services?
        mov al, ah
        SHOW
        mov eax, edx
        SHOW                    ; 'PCI '
        mov ecx, 060100h        ; an ISA bridge
        xor si, si
        mov ax, 0B103h
        int 1Ah
        mov al, ah
        SHOW
        mov al, bl
        SHOW                    ; device and function
        mov edi, 80000000h      ; the host bridge: vendor and device
        call config
        mov edi, 80000008h      ; class
        call config
        mov edi, 80000800h
        call config
        mov edi, 8000F800h
        call config
        mov dx, 0CF8h
        in al, dx               ; a byte of the address is none
        SHOW
        jmp stop
config: mov eax, edi
        mov dx, 0CF8h
        out dx, eax
        mov dx, 0CFEh
        in ax, dx               ; the upper half of the double word
        SHOW
        mov al, ah
        SHOW
        ret
stop:
        END
