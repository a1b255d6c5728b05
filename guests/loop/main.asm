; SPDX-License-Identifier: GPL-2.0-only
; Proves nothing about I/O, for it makes none until its verdict: arithmetic and memory, for budgets.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        xor     ebp, ebp            ; rounds
        xor     eax, eax            ; their sum
        xor     ecx, ecx            ; the same sum by way of memory
        mov     [sum], eax
next:   inc     ebp
        add     eax, ebp
        add     [sum], ebp
        mov     ecx, [sum]
        cmp     eax, ecx
        jne     wrong
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
wrong:  mov     ebp, ecx
        FAILED

        align   4
sum:    dd      0
