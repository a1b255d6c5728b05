; SPDX-License-Identifier: GPL-2.0-only
; Proves that interrupts and I/O do not disturb each other: reads a counter with interrupts on and waits in HLT for one
; on vector 8 between two reads; each value must be the last plus 1.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        mov     word [8 * 4], on_edge
        mov     word [8 * 4 + 2], 0
        xor     ebp, ebp            ; the last value
        mov     dx, COUNTER_PORT
next:   sti
        in      eax, dx
        inc     ebp
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        je      done
        cli
wait_edge:
        mov     eax, [seen]
        cmp     eax, [edges]
        jne     next_edge           ; one came before we looked
        sti                         ; nothing is taken between STI and HLT
        hlt
        cli
        jmp     wait_edge
next_edge:
        inc     dword [seen]
        jmp     next
done:   VERDICT V_SUCCESS
        FAILED

on_edge:
        inc     dword [cs:edges]
        iret

        align   4
edges:  dd      0
seen:   dd      0
