; SPDX-License-Identifier: GPL-2.0-only
; Proves that a read-modify-write of device memory is one read and one write: every form adds 1, the
; device checks each pair, and the forms that give the old value back check it here.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        mov     ax, RMW_SEG
        mov     fs, ax
        xor     ebp, ebp            ; what the register holds
        xor     esi, esi            ; rounds done

next:   add     dword [fs:0], 1
        inc     ebp
        inc     dword [fs:0]
        inc     ebp
        lock add dword [fs:0], 1
        inc     ebp
        lock inc dword [fs:0]
        inc     ebp
        sub     dword [fs:0], -1
        inc     ebp
        stc
        adc     dword [fs:0], 0
        inc     ebp
        mov     eax, 1
        add     [fs:0], eax
        inc     ebp
        inc     word [fs:0]
        inc     bp
        add     word [fs:0], 1
        inc     bp
        mov     ecx, ebp            ; a byte form carries into nothing
        inc     cl
        inc     byte [fs:0]
        mov     ebp, ecx

        mov     eax, 1              ; XADD gives the old value
        xadd    [fs:0], eax
        call    check
        mov     eax, 1
        lock xadd [fs:0], eax
        call    check
        lea     eax, [ebp + 1]      ; so does XCHG
        xchg    [fs:0], eax
        call    check
        mov     eax, ebp            ; and CMPXCHG, if it is not the expected one
        lea     ecx, [ebp + 1]
        cmpxchg [fs:0], ecx
        call    check
        mov     eax, ebp
        lea     ecx, [ebp + 1]
        lock cmpxchg [fs:0], ecx
        call    check

        inc     esi
        cmp     esi, [p_iterations]
        jne     next
        VERDICT V_SUCCESS

; EAX: the old value. It must be the one we know; then the register is one further.
check:  LOG_EAX
        cmp     eax, ebp
        jne     failed
        inc     ebp
        ret
        FAILED
