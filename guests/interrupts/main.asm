; SPDX-License-Identifier: GPL-2.0-only
; Proves delivery through the IVT: INT n, INT3, INTO, #DE, #UD, each once per round and back to the right place
; with flags restored; and counts external interrupts on vector 8. With parameter 1 each round also
; waits in HLT for one of those.
%include "guest.inc"
        GUEST 1000, 0

%macro VECTOR 2
        mov     word [%1 * 4], %2
        mov     word [%1 * 4 + 2], 0
%endmacro

start:  SETUP
        VECTOR  0x00, on_de
        VECTOR  0x03, on_int3
        VECTOR  0x04, on_into
        VECTOR  0x06, on_ud
        VECTOR  0x08, on_timer
        VECTOR  0x40, on_int
        VECTOR  0xff, on_int
        xor     esi, esi            ; rounds
        xor     ebp, ebp            ; interrupts that must have come

next:   sti
        stc
        int     0x40                ; the handler runs with IF clear; IRET gives CF and IF back
        jnc     wrong
        call    flags_on
        clc
        int     0xff
        jc      wrong
        call    flags_on
        int3
        mov     al, 0x7f            ; INTO only with OF set
        add     al, 1
        into
        xor     al, al
        into
        mov     ax, 1
        xor     cl, cl
        div     cl                  ; #DE points at the DIV: the handler steps over its two bytes
        ud2                         ; #UD likewise
        add     ebp, 6
        mov     eax, [taken]
        cmp     eax, ebp
        jne     wrong

        cmp     dword [p_parameter], 1
        jne     round
        mov     edi, [ticks]
        cli
wait_tick: sti                      ; nothing is taken between STI and HLT
        hlt
        cli
        cmp     edi, [ticks]
        je      wait_tick
round:  inc     esi
        mov     eax, [ticks]
        LOG_EAX
        cmp     esi, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
wrong:  mov     eax, [taken]
        FAILED

; IF must be set again.
flags_on:
        pushf
        pop     ax
        test    ax, 0x200
        jz      wrong
        ret

on_int: push    ax
        pushf
        pop     ax
        test    ax, 0x200           ; cleared on entry
        pop     ax
        jnz     wrong
on_int3:
on_into:
        inc     dword [cs:taken]
        iret
on_ud:
on_de:  push    bp
        mov     bp, sp
        add     word [bp + 2], 2
        pop     bp
        inc     dword [cs:taken]
        iret
on_timer:
        inc     dword [cs:ticks]
        iret

        align   4
taken:  dd      0
ticks:  dd      0
