; SPDX-License-Identifier: GPL-2.0-only
; As boot loaders do: protected mode for the work, real mode and the BIOS for every character; address line 20 by each
; of its three switches, seen from both modes.
%include "probe.inc"
        BEGIN
        lgdt [table]
        mov si, text
.next:  lodsb
        test al, al
        jz .a20
        mov [store], al
        call there_and_back
        mov al, [store]
        call print
        jmp .next
.a20:
        mov ax, 2400h           ; off by the BIOS, and on
        int 15h
        call wraps
        mov ax, 2401h
        int 15h
        call wraps
        in al, 92h              ; by port 92h
        and al, 0FCh
        out 92h, al
        call wraps
        in al, 92h
        or al, 2
        and al, 0FEh
        out 92h, al
        call wraps
        mov al, 0DDh            ; by the keyboard controller
        call controller
        call wraps
        mov al, 0DFh
        call controller
        call wraps
        mov ax, 2402h           ; and as the BIOS sees it
        int 15h
        SHOW
        jmp done

; Character at 1 MiB, one added to it there, back in [store].
there_and_back:
        cli
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:.protected
        bits 32
.protected:
        mov cx, 10h
        mov ds, ecx
        mov al, [store]
        mov [100000h + 77], al
        inc byte [100000h + 77]
        mov al, [100000h + 77]
        mov [store], al
        jmp 18h:.sixteen
        bits 16
.sixteen:
        mov cx, 20h
        mov ds, cx
        mov eax, cr0
        and al, 0FEh
        mov cr0, eax
        jmp 0:.real
.real:  xor cx, cx
        mov ds, cx
        sti
        ret

; Shows whether FFFF:0510 is 0000:0500.
wraps:  push 0FFFFh
        pop fs
        mov word [500h], 1111h
        mov word [fs:510h], 2222h
        cmp word [500h], 2222h
        sete al
        SHOW
        ret

controller:
        mov ah, al
        call .ready
        mov al, 0D1h
        out 64h, al
        call .ready
        mov al, ah
        out 60h, al
        call .ready
        mov cx, 2000            ; time for it to act
        loop $
        ret
.ready: in al, 64h
        test al, 2
        jnz .ready
        ret

text:   db 'Sq`okhmd ', 0       ; Trapline! when each is one more
store:  db 0
        align 8
gdt:    dq 0
        dq 00CF9A000000FFFFh    ; 32-bit code, flat
        dq 00CF92000000FFFFh    ; data, flat
        dq 00009A000000FFFFh    ; 16-bit code
        dq 000092000000FFFFh    ; 16-bit data
table:  dw table - gdt - 1
        dd gdt
done:
        END
