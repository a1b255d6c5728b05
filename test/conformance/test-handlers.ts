// SPDX-License-Identifier: GPL-2.0-only
// The internal handlers that the recordings used, of the kinds vectors/README.md section 4 defines.
import type { domain } from '../../src/xen/common/sched.ts';
import {
  hvm_mmio_first_byte,
  hvm_mmio_last_byte,
  hvm_next_io_handler,
  register_mmio_handler,
  register_portio_handler,
} from '../../src/xen/hvm/io_handler.ts';
import { hvm_select_ioreq_server, hvm_send_ioreq } from '../../src/xen/hvm/ioreq.ts';
import type { hvm_portio } from '../../src/xen/hvm/state.ts';
import {
  X86EMUL_NAMES,
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
  type x86emul_rc,
} from '../../src/xen/hvm/x86_emulate.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_WRITE,
  newIoreq,
  STATE_IOREQ_READY,
} from '../../src/xen/public/hvm_ioreq.ts';
import type { Recorder } from './recorder.ts';
import { hex, hex64 } from './scenario.ts';

interface TestHandler {
  /** Live range: a port handler can be moved. */
  range: hvm_portio;
  kind: number;
  n: number;
  val: bigint;
  calls: number;
}

function resultOf(handler: TestHandler, call: number): x86emul_rc {
  switch (handler.kind) {
    case 1:
      return X86EMUL_UNHANDLEABLE;
    case 2:
      return X86EMUL_RETRY;
    case 3:
      return call < handler.n ? X86EMUL_OKAY : X86EMUL_UNHANDLEABLE;
    default:
      return X86EMUL_OKAY;
  }
}

/** The latest registered handler whose range holds `addr`: it supplies the answer. */
function latest(handlers: readonly TestHandler[], addr: number): number {
  return handlers.findLastIndex(
    ({ range }) => addr >= range.port && addr < range.port + range.size,
  );
}

export class TestHandlers {
  readonly #d: domain;
  readonly #recorder: Recorder;
  readonly #ports: TestHandler[] = [];
  readonly #mmio: TestHandler[] = [];

  constructor(d: domain, recorder: Recorder) {
    this.#d = d;
    this.#recorder = recorder;
  }

  registerPort(port: number, size: number, kind: number, n: number, val: bigint): void {
    register_portio_handler(this.#d, port, size, (_curr, dir, at, bytes, value) => {
      const h = latest(this.#ports, at);
      const handler = this.#ports[h];
      let rc: x86emul_rc = X86EMUL_OKAY;
      if (handler !== undefined) {
        const call = handler.calls++;
        rc = resultOf(handler, call);
        if (dir === IOREQ_READ && rc === X86EMUL_OKAY) {
          value.data = Number(BigInt.asUintN(32, handler.val + BigInt(call) * 0x01010101n));
        }
      }
      this.#recorder.add('int_pio', {
        h,
        dir,
        port: at,
        size: bytes,
        val: hex(value.data),
        rc: X86EMUL_NAMES[rc],
      });
      return rc;
    });
    const range = this.#d.arch.hvm.portio.at(-1) ?? { port, size };
    this.#ports.push({ range, kind, n, val, calls: 0 });
  }

  registerMmio(start: number, size: number, kind: number, n: number, val: bigint): void {
    const range = { port: start, size };
    this.#mmio.push({ range, kind, n, val, calls: 0 });
    register_mmio_handler(this.#d, {
      check: (_curr, addr) => this.#accepts(addr),
      read: (_curr, addr, bytes, data) => {
        const { h, rc, call } = this.#call(addr);
        const handler = this.#mmio[h];
        let value = 0n;
        if (handler === undefined) value = 0xffffffffffffffffn;
        else if (rc === X86EMUL_OKAY) {
          value = BigInt.asUintN(64, handler.val + BigInt(call) * 0x0101010101010101n);
        }
        data.data = Number(value & 0xffffffffn);
        data.data_hi = Number(value >> 32n);
        this.#mmioEvent(h, IOREQ_READ, addr, bytes, hex(value), rc);
        return rc;
      },
      write: (_curr, addr, bytes, data) => {
        const { h, rc } = this.#call(addr);
        this.#mmioEvent(h, IOREQ_WRITE, addr, bytes, hex64(data.data, data.data_hi), rc);
        return rc;
      },
    });
  }

  /** All memory handlers of the recordings shared one check: the latest range decides. */
  #accepts(addr: number): boolean {
    const handler = this.#mmio[latest(this.#mmio, addr)];
    if (handler === undefined) return false;
    return handler.kind !== 5 || addr < handler.range.port + handler.n;
  }

  #call(addr: number): { h: number; rc: x86emul_rc; call: number } {
    const h = latest(this.#mmio, addr);
    const handler = this.#mmio[h];
    if (handler === undefined) return { h, rc: X86EMUL_OKAY, call: 0 };
    const call = handler.calls++;
    return { h, rc: resultOf(handler, call), call };
  }

  #mmioEvent(
    h: number,
    dir: number,
    addr: number,
    size: number,
    val: string,
    rc: x86emul_rc,
  ): void {
    this.#recorder.add('int_mmio', { h, dir, addr: hex(addr), size, val, rc: X86EMUL_NAMES[rc] });
  }

  /** Kind 4: writes go to the ring of the server of their address; reads are not handled. */
  registerBuffering(start: number, size: number): void {
    const p = newIoreq();
    hvm_next_io_handler(this.#d, {
      type: IOREQ_TYPE_COPY,
      ops: {
        accept: (_curr, request) =>
          hvm_mmio_first_byte(request) >= start && hvm_mmio_last_byte(request) < start + size,
        read: (_curr, addr, bytes) => {
          this.#recorder.add('bufh_read', { addr: hex(addr), size: bytes });
          return X86EMUL_UNHANDLEABLE;
        },
        write: (curr, addr, bytes, data) => {
          p.type = IOREQ_TYPE_COPY;
          p.addr = addr;
          p.size = bytes;
          p.count = 1;
          p.dir = IOREQ_WRITE;
          p.data = data.data;
          p.data_hi = data.data_hi;
          p.state = STATE_IOREQ_READY;
          const s = hvm_select_ioreq_server(curr.domain, p);
          const rc = s === null ? X86EMUL_UNHANDLEABLE : hvm_send_ioreq(curr, s, p, true);
          this.#recorder.add('bufh_write', {
            server: s === null ? -1 : s.id,
            addr: hex(addr),
            size: bytes,
            data: hex64(data.data, data.data_hi),
            rc: X86EMUL_NAMES[rc],
          });
          return rc;
        },
        complete: () => this.#recorder.add('bufh_complete'),
      },
    });
  }
}
