; SPDX-License-Identifier: GPL-2.0-only
; The little of DOS that a small .COM program needs. Not a guest: the loader puts it at 0060:0000 and
; points the IVT at its entries, whose offsets are the words at its start.
;   INT 20h                 ends with success
;   INT 21h AH=00h          ends with success
;           AH=02h          character DL to the debug console
;           AH=09h          text at DS:DX up to '$'
;           AH=25h, 35h     set and get an interrupt vector
;           AH=30h          version 3.30
;           AH=4Ch          ends: AL=0 success, else failure
;   anything else           CF set, AX=1 (no such function)
%include "guest.inc"
        cpu     8086
        bits    16
        org     0

        dw      int20
        dw      int21

int21:  sti
        cld
        cmp     ah, 0x02
        je      f02
        cmp     ah, 0x09
        je      f09
        cmp     ah, 0x25
        je      f25
        cmp     ah, 0x35
        je      f35
        cmp     ah, 0x30
        je      f30
        cmp     ah, 0x4c
        je      f4c
        or      ah, ah
        jz      int20
        mov     ax, 1
        push    bp                  ; CF in the caller's flags
        mov     bp, sp
        or      byte [bp + 6], 1
        pop     bp
        iret

int20:  VERDICT V_SUCCESS

f02:    mov     al, dl
        out     DEBUGCON_PORT, al
        jmp     okay

f09:    push    si
        mov     si, dx
.next:  lodsb
        cmp     al, '$'
        je      .end
        out     DEBUGCON_PORT, al
        jmp     .next
.end:   pop     si
        jmp     okay                ; AL is '$', as DOS leaves it

f25:    push    bx
        push    es
        call    vector
        mov     [es:bx], dx
        mov     [es:bx + 2], ds
        pop     es
        pop     bx
        jmp     okay

f35:    call    vector
        les     bx, [es:bx]
        jmp     okay

f30:    mov     ax, 0x1e03          ; AL major, AH minor
        xor     bx, bx
        xor     cx, cx
        jmp     okay

f4c:    or      al, al
        jz      int20
        VERDICT V_FAILURE

okay:   push    bp
        mov     bp, sp
        and     byte [bp + 6], 0xfe
        pop     bp
        iret

; AL: number. ES:BX := its entry of the IVT.
vector: xor     bx, bx
        mov     es, bx
        mov     bl, al
        shl     bx, 1
        shl     bx, 1
        ret
