; SPDX-License-Identifier: GPL-2.0-only
; Proves that text reaches the debug console, byte by byte and by REP OUTSB.
%include "guest.inc"
        GUEST 1, 0

start:  SETUP
        in      al, DEBUGCON_PORT   ; answers its own port number if it is there
        cmp     al, DEBUGCON_PORT
        jne     absent
        mov     si, text
next:   lodsb
        out     DEBUGCON_PORT, al
        cmp     al, 10
        jne     next
        mov     dx, DEBUGCON_PORT
        mov     cx, end - again
        rep     outsb
        VERDICT V_SUCCESS
absent: VERDICT V_SKIP

text:   db      'Hello from the guest.', 10
again:  db      'And once more, as a string.', 10
end:
