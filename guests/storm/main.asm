; SPDX-License-Identifier: GPL-2.0-only
; Proves nothing: the densest I/O there is, unchecked, for benchmarks. The parameter chooses the mix:
; 0 IN and OUT of every width, 1 IN, 2 OUT, 3 memory reads, 4 memory writes, 5 REP INSB, 6 REP OUTSB,
; each 64 instructions (REP: 64 elements) per iteration. 1 to 4 use 32 bits.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        mov     ax, BLANK_SEG
        mov     fs, ax
        mov     dx, BLANK_PORT
        mov     ebp, [p_iterations]
        mov     bx, [p_parameter]
        cmp     bx, MIXES
        jae     bad
        shl     bx, 1
        jmp     [mixes + bx]
bad:    VERDICT V_ERROR

%macro AGAIN 1
        dec     ebp                 ; from 0 it takes 2^32 rounds: for ever
        jnz     %1
        jmp     done
%endmacro

mix0:
%rep 10
        in      al, dx
        out     dx, al
        in      ax, dx
        out     dx, ax
        in      eax, dx
        out     dx, eax
%endrep
        in      eax, dx
        out     dx, eax
        in      eax, dx
        out     dx, eax
        AGAIN   mix0
mix1:
%rep 64
        in      eax, dx
%endrep
        AGAIN   mix1
mix2:
%rep 64
        out     dx, eax
%endrep
        AGAIN   mix2
mix3:
%rep 64
        mov     eax, [fs:0]
%endrep
        AGAIN   mix3
mix4:
%rep 64
        mov     [fs:0], eax
%endrep
        AGAIN   mix4
mix5:   mov     cx, 64
        mov     di, buffer
        rep     insb
        AGAIN   mix5
mix6:   mov     cx, 64
        mov     si, buffer
        rep     outsb
        AGAIN   mix6

done:   VERDICT V_SUCCESS

        align   2
mixes:  dw      mix0, mix1, mix2, mix3, mix4, mix5, mix6
MIXES   equ     ($ - mixes) / 2
        align   64
buffer: times 64 db 0
