; SPDX-License-Identifier: GPL-2.0-only
; The built-in BIOS: one 64 KiB segment at F0000. Entry points that programs know by address are at those addresses.

        cpu 386
        bits 16
        org 0

%include "bios/bda.inc"

        db 'Trapline BIOS', 0

%macro POST_CODE 1
        mov al, %1
        out 80h, al
%endmacro

%include "bios/post.inc"
%include "bios/postdev.inc"
%include "bios/roms.inc"
%include "bios/print.inc"
%include "bios/lacks.inc"
%include "bios/boot.inc"
%include "bios/irq.inc"
%include "bios/int09.inc"
%include "bios/keytab.inc"
%include "bios/int16.inc"
%include "bios/int10.inc"
%include "bios/vmode.inc"
%include "bios/vmodetab.inc"
%include "bios/vdac.inc"
%include "bios/vtext.inc"
%include "bios/vchar.inc"
%include "bios/vscroll.inc"
%include "bios/vpixel.inc"
%include "bios/vpal.inc"
%include "bios/vfont.inc"
%include "bios/vinfo.inc"
%include "bios/vstate.inc"
%include "bios/int13.inc"
%include "bios/floppy.inc"
%include "bios/fdc.inc"
%include "bios/ata.inc"
%include "bios/disk.inc"
%include "bios/edd.inc"
%include "bios/serial.inc"
%include "bios/int15.inc"
%include "bios/memory.inc"
%include "bios/int1a.inc"

        align 16, db 0
%include "bios/font.inc"

; What lies at a known address. AT %1 fails to assemble when the code before reaches past it.
%macro AT 1
        times (%1) - ($ - $$) db 0
%endmacro

        AT 0E05Bh
        jmp post
        AT 0E2C3h
        jmp int02
        AT 0E3FEh
        jmp int13
        AT 0E6F2h
        jmp int19
        AT 0E6F5h
config_table:
        dw 8
        db 0FCh, 0, 0           ; model AT, submodel, revision
        db 01110100b            ; INT 15h/4Fh, second 8259, RTC, extended data area
        db 0, 0, 0, 0
        AT 0E739h
        jmp int14
        AT 0E82Eh
        jmp int16
        AT 0E987h
        jmp int09
        AT 0EC59h
        jmp int40
        AT 0EF57h
        jmp int0e
        AT 0EFC7h
diskette_table:                 ; copied to RAM only by those who change it
        db 0AFh                 ; step rate 6 ms, head unload 240 ms
        db 02h                  ; head load 4 ms, DMA
        db 37                   ; ticks until the motor stops
        db 2, 18, 1Bh, 0FFh, 6Ch, 0F6h, 15, 8
        AT 0EFD2h
        jmp int17
        AT 0F045h
int10_table_official:
        times 8 dw int10
        AT 0F065h
        jmp int10
        AT 0F0A4h
%include "bios/vparam.inc"
        AT 0F841h
        jmp int12
        AT 0F84Dh
        jmp int11
        AT 0F859h
        jmp int15
        AT 0FA6Eh
%include "bios/font8lo.inc"
        AT 0FE6Eh
        jmp int1a
        AT 0FEA5h
        jmp int08
        AT 0FF53h
dummy_iret:
        iret
        AT 0FF54h
        jmp int05
        AT 0FFF0h
        jmp 0F000h:0E05Bh
        AT 0FFF5h
bios_date:
        db '11/22/26'
        AT 0FFFEh
        db 0FCh, 0
