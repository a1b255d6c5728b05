#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A device model in Python: the counter. Nothing but the standard library.

Each read answers one more than the last, starting at 1; a write is counted and
changes nothing. The protocol is docs/device-model-protocol.md. The monitor
names its socket in TRAPLINE_DEVICE_SOCKET, or it is the first argument:

    trapline stress counter --threads \
        --device-process 'counter@0x200=python3 examples/device-model-python/counter.py'
"""

import json
import os
import socket
import struct
import sys

# Frame types from the monitor, and to it.
SETUP, REQUEST, BUFFERED, SLEEP, WAKE, SAVE, RESTORE, REPORT, RESET, STOP = range(0x01, 0x0B)
HELLO, ANSWER, TAKEN, DONE, OUTPUT, LINE, VERDICT, FAIL = range(0x41, 0x49)

HEADER = struct.Struct("<IBBH")  # bytes of the payload, type, 0, vCPU
IOREQ = struct.Struct("<IIQQIIIHBB")  # sequence number, 0, then Xen's struct ioreq
ANSWERED = struct.Struct("<IB3xQ")  # sequence number, state, data

PIO, COPY = 0, 1  # types of requests: port, memory
SIZES = (1, 2, 4, 8)
RESP_READY = 3  # the state of a slot whose answer is there


class Counter:
    """The device: what it holds, and what it does when it is read and written."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.value = 0
        self.writes = 0

    def read(self, offset, size):
        self.value = (self.value + 1) % 2**64
        return self.value % 2 ** (8 * size)

    def write(self, offset, size, value):
        self.writes += 1

    # The fields are those of the package's own counter: either takes the other's state.
    def save(self):
        return {"low": self.value % 2**32, "high": self.value >> 32, "writes": self.writes}

    def restore(self, state):
        self.value = state["high"] << 32 | state["low"]
        self.writes = state["writes"]

    def facts(self):
        return {"readsServed": self.value, "writesServed": self.writes}


class Model:
    """One device behind one connection."""

    def __init__(self, connection, device):
        self.connection = connection
        self.device = device
        self.key = None
        self.reads = self.writes = 0  # counted apart from what the device says of itself
        self.send(HELLO, json.dumps({"protocol": "trapline-device-model", "version": 1}).encode())

    def send(self, kind, payload, vcpu=0):
        self.connection.sendall(HEADER.pack(len(payload), kind, 0, vcpu) + payload)

    def receive(self, length):
        data = b""
        while len(data) < length:
            piece = self.connection.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def serve(self):
        """Until STOP, or until the monitor is gone."""
        while True:
            length, kind, _, vcpu = HEADER.unpack(self.receive(HEADER.size))
            payload = self.receive(length)
            if kind == STOP:
                return
            if kind == REQUEST:
                self.request(vcpu, payload)
            elif kind == BUFFERED:
                self.buffered(payload)
            else:
                self.command(kind, payload)

    def request(self, vcpu, payload):
        seq, _, addr, data, count, size, _, _, flags, kind = IOREQ.unpack_from(payload)
        elements = payload[IOREQ.size :]
        is_ptr, is_read, downwards = flags & 0x10, flags & 0x20, flags & 0x40
        answer = b""
        if kind in (PIO, COPY) and size in SIZES:
            for i in range(count):
                step = 0 if kind == PIO else i * size
                at = addr - step if downwards else addr + step
                if not is_read:
                    piece = elements[i * size : (i + 1) * size] if is_ptr else data.to_bytes(8, "little")
                    self.write(at, size, int.from_bytes(piece[:size], "little"))
                elif is_ptr:
                    answer += self.read(at, size).to_bytes(size, "little")
                else:
                    data = self.read(at, size)
        elif is_read:
            data = 2**64 - 1
        self.send(ANSWER, ANSWERED.pack(seq, RESP_READY, data) + answer, vcpu)

    def buffered(self, payload):
        """Writes that nobody waits for: Xen's struct buf_ioreq, 8 bytes each."""
        taken = len(payload) // 8
        entries = iter(struct.iter_unpack("<II", payload[: 8 * taken]))
        for head, data in entries:
            kind, is_read, size, addr = head & 0xFF, head >> 9 & 1, 1 << (head >> 10 & 3), head >> 12
            if size == 8:  # the high half of the data lies in the next entry
                data |= next(entries, (0, 0))[1] << 32
            if kind not in (PIO, COPY):
                continue
            if is_read:
                self.read(addr, size)
            else:
                self.write(addr, size, data)
        self.send(TAKEN, struct.pack("<I", taken))

    def read(self, addr, size):
        if not self.first <= addr <= addr + size - 1 <= self.last:
            return 2 ** (8 * size) - 1
        self.reads += 1
        return self.device.read(addr - self.first, size)

    def write(self, addr, size, value):
        if self.first <= addr <= addr + size - 1 <= self.last:
            self.writes += 1
            self.device.write(addr - self.first, size, value)

    def command(self, kind, payload):
        result = b""
        done = True
        if kind == SETUP:
            (device,) = json.loads(payload)["devices"]
            self.key, self.first, self.last = device["key"], device["first"], device["last"]
        elif kind == SAVE:
            result = json.dumps({"devices": {self.key: self.device.save()}}).encode()
        elif kind == RESTORE:
            try:
                self.device.restore(json.loads(payload)["devices"][self.key])
            except (KeyError, TypeError, ValueError) as error:
                done, result = False, f"not a state of {self.key}: {error!r}".encode()
        elif kind == REPORT:
            counts = {"reads": self.reads, "writes": self.writes, "facts": self.device.facts()}
            result = json.dumps({"devices": {self.key: counts}}).encode()
        elif kind == RESET:
            self.device.reset()
        # SLEEP and WAKE: a device without a clock changes only when it is asked to.
        self.send(DONE, struct.pack("<BBxx", kind, done) + result)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TRAPLINE_DEVICE_SOCKET")
    if not path:
        sys.exit("expected a socket in TRAPLINE_DEVICE_SOCKET or as first argument")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        try:
            Model(connection, Counter()).serve()
        except (EOFError, ConnectionError):
            pass  # the monitor is gone: so are we


main()
