; SPDX-License-Identifier: GPL-2.0-only
; Proves that no posted write is lost: 1, 2, 3... to device memory above the first megabyte, where a
; buffered ring cannot hold the address; each is read back.
%include "guest.inc"
        GUEST 0, 0

start:  SETUP
        mov     ax, 0xffff          ; FS:10 is 100000
        mov     fs, ax
        xor     ebp, ebp            ; the last number
next:   inc     ebp
        mov     [fs:0x10], ebp
        mov     eax, [fs:0x10]
        cmp     eax, ebp
        jne     failed
        cmp     ebp, [p_iterations]
        jne     next
        VERDICT V_SUCCESS
        FAILED
