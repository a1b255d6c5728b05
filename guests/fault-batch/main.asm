; SPDX-License-Identifier: GPL-2.0-only
; Proves that a batch that meets a missing page starts over after it: with paging on, REP MOVSD from the
; counter downward, its first dword over a page end and the upper page absent; the handler of the fault
; brings the page, and each dword must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

DIRECTORY       equ 0x20000
TABLE           equ 0x21000
TARGET          equ 0x30ffe         ; the first dword: two bytes on either page
ENTRY           equ TABLE + 4 * 0x31
PRESENT         equ 3

start:  SETUP
        mov     ax, DIRECTORY / 16
        mov     es, ax
        xor     di, di              ; the directory: one table, at entry 0
        xor     eax, eax
        mov     cx, 1024
        rep     stosd
        mov     dword [es:0], TABLE + PRESENT
        mov     eax, PRESENT        ; the table: the first megabyte as it is
        mov     cx, 256
fill:   stosd
        add     eax, 0x1000
        dec     cx
        jnz     fill
        lgdt    [gdtr]
        lidt    [idtr]
        mov     eax, DIRECTORY
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 0x80000001
        mov     cr0, eax
        jmp     8:paged
paged:  mov     ax, 16
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        xor     ebp, ebp            ; the last value
        xor     edx, edx            ; batches done
next:   mov     dword [dword ENTRY], 0
        call    flush
        mov     esi, 0xd0ffc
        mov     edi, TARGET
        mov     ecx, 2
        std
        a32 rep movsd
        cld
        mov     dword [dword ENTRY], 0x31000 + PRESENT
        call    flush
        mov     edi, TARGET
        call    check
        sub     edi, 4
        call    check
        inc     edx
        cmp     edx, [p_iterations]
        jne     next
        VERDICT V_SUCCESS

; The dword at EDI must be the last plus 1.
check:  mov     eax, [edi]
        mov     dword [edi], 0
        inc     ebp
        cmp     eax, ebp
        jne     failed
        ret

flush:  mov     eax, cr3
        mov     cr3, eax
        ret

; Brings the page.
fault:  push    eax
        mov     dword [dword ENTRY], 0x31000 + PRESENT
        call    flush
        pop     eax
        add     sp, 2               ; the error code
        iret
        FAILED

        align   8
gdt:    dq 0
        dq 0x008f9b000000ffff       ; 8: code, 16 bits
        dq 0x008f93000000ffff       ; 16: data
gdtr:   dw gdtr - gdt - 1
        dd gdt
idt:    times 14 dq 0
        dw fault, 8, 0x8600, 0      ; 14: an interrupt gate of 16 bits
idtr:   dw idtr - idt - 1
        dd idt
