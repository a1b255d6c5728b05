#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Round trips between two processes: over a Unix-domain socket, through a shared page that both look at without
pause, and through a shared page with the socket as doorbell. What docs/device-model-protocol.md was decided by.

    python3 bench/device-process/round-trips.py [round trips]
"""

import mmap
import os
import socket
import struct
import sys
import tempfile
import time

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
REQUEST, ANSWER = bytes(48), bytes(24)  # frames of the protocol: header and smallest payload
BODY = struct.Struct("<40s")


def over_socket(near, page):
    near.sendall(REQUEST)
    near.recv(4096)


def serve_socket(far, page):
    while far.recv(4096):
        far.sendall(ANSWER)


def spinning(near, page):
    BODY.pack_into(page, 64, REQUEST[:40])
    words = page.words
    words[0] = 1
    while words[0] != 3:
        pass
    words[0] = 0


def serve_spinning(far, page):
    words = page.words
    while words[0] != 9:
        if words[0] == 1:
            BODY.unpack_from(page, 64)
            words[0] = 3


def doorbell(near, page):
    BODY.pack_into(page, 64, REQUEST[:40])
    page.words[0] = 1
    near.send(b"!")
    near.recv(1)
    page.words[0] = 0


def serve_doorbell(far, page):
    while far.recv(1):
        BODY.unpack_from(page, 64)
        page.words[0] = 3
        far.send(b"!")



class Page(mmap.mmap):
    """A page that two processes map."""

    def __new__(cls, fd):
        page = super().__new__(cls, fd, 4096)
        page.words = memoryview(page).cast("I")
        return page


def measure(name, ask, serve):
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.truncate(4096)
        page = Page(file.fileno())
        near, far = socket.socketpair(socket.AF_UNIX)
        child = os.fork()
        if child == 0:
            near.close()
            try:
                serve(far, page)
            except (BrokenPipeError, ConnectionResetError):
                pass
            os._exit(0)
        far.close()
        times = []
        for _ in range(COUNT):
            start = time.perf_counter()
            ask(near, page)
            times.append(time.perf_counter() - start)
        # The page is idle for as long again: what does waiting cost?
        busy = time.perf_counter()
        before = cpu_of(child)
        time.sleep(0.3)
        waiting = (cpu_of(child) - before) / (time.perf_counter() - busy)
        page.words[0] = 9
        near.close()
        os.waitpid(child, 0)
        times.sort()
        print(
            f"{name:34} median {times[COUNT // 2] * 1e6:7.1f} us, 99 % below {times[COUNT * 99 // 100] * 1e6:8.1f} us,"
            f" waits with {waiting * 100:3.0f} % of a CPU"
        )


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


measure("socket", over_socket, serve_socket)
measure("shared page, both sides spin", spinning, serve_spinning)
measure("shared page, socket as doorbell", doorbell, serve_doorbell)
