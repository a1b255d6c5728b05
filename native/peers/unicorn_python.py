# SPDX-License-Identifier: GPL-2.0-only
"""A peer of the benchmark: Unicorn from Python, every access answered by a hook in Python. Protocol as in peer.h."""
import sys
import time

from unicorn import UC_ARCH_X86, UC_HOOK_INSN, UC_MODE_16, Uc
from unicorn.x86_const import (
    UC_X86_INS_IN,
    UC_X86_INS_OUT,
    UC_X86_REG_CS,
    UC_X86_REG_EBP,
    UC_X86_REG_EDX,
    UC_X86_REG_ESP,
)

# As in peer.h.
RAM_BYTES, LOAD, STACK, PORT, DEVICE, DEVICE_BYTES, END = 0x100000, 0x7C00, 0x7000, 0x220, 0xD2000, 0x1000, 0x7BF0

accesses = 0


def port_in(uc, port, size, data):
    global accesses
    accesses += 1
    return 0


def port_out(uc, port, size, value, data):
    global accesses
    accesses += 1


def load(uc, offset, size, data):
    global accesses
    accesses += 1
    return 0


def store(uc, offset, size, value, data):
    global accesses
    accesses += 1


def main():
    global accesses
    uc = Uc(UC_ARCH_X86, UC_MODE_16)
    uc.mem_map(0, DEVICE)
    uc.mmio_map(DEVICE, DEVICE_BYTES, load, None, store, None)
    uc.mem_map(DEVICE + DEVICE_BYTES, RAM_BYTES - DEVICE - DEVICE_BYTES)
    uc.hook_add(UC_HOOK_INSN, port_in, None, 1, 0, UC_X86_INS_IN)
    uc.hook_add(UC_HOOK_INSN, port_out, None, 1, 0, UC_X86_INS_OUT)
    uc.mem_write(LOAD, bytes.fromhex(sys.argv[1]))
    uc.mem_write(STACK, bytes([END & 0xFF, END >> 8, 0, 0]))
    print("ready", flush=True)
    # readline, not iteration: that would read ahead.
    while line := sys.stdin.readline():
        uc.reg_write(UC_X86_REG_CS, 0)
        uc.reg_write(UC_X86_REG_ESP, STACK)
        uc.reg_write(UC_X86_REG_EDX, PORT)
        accesses = 0
        start = time.process_time_ns()
        uc.reg_write(UC_X86_REG_EBP, int(line))
        uc.emu_start(LOAD, END)
        print(time.process_time_ns() - start, accesses, flush=True)


main()
