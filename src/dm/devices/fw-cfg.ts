// SPDX-License-Identifier: GPL-2.0-only
// fw-cfg: named files for a BIOS, ports 510h (selector) and 511h (data). SeaBIOS takes its VGA BIOS from there.
//
// Definition: "QEMU Firmware Configuration (fw_cfg) Device", docs/specs/fw_cfg of QEMU; the I/O port interface, read only.
import type { IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';

/** A file and its bytes, which are asked for when the guest reads them. */
export interface FwCfgFile {
  readonly name: string;
  readonly bytes: () => Uint8Array;
}

const SIGNATURE = 0x00;
const FEATURES = 0x01;
const DIRECTORY = 0x19;
const FIRST_FILE = 0x20;
const ENTRY_BYTES = 64;

export class FwCfg extends RegisterDevice<{ selected: number; at: number }> {
  readonly #files: readonly FwCfgFile[];

  constructor(files: readonly FwCfgFile[]) {
    super('fw-cfg', { selected: 0, at: 0 });
    this.#files = files;
  }

  /** The data register is a byte; a wider read is bytes in a row. */
  read(offset: number, size: IoSize): number {
    const { state } = this;
    let value = 0;
    for (let i = 0; i < size && i < 4; i++) {
      const byte = offset + i === 1 ? (this.#item()[state.at++] ?? 0) : 0;
      value |= byte << (8 * i);
    }
    return value >>> 0;
  }

  write(offset: number, size: IoSize, value: number): void {
    if (offset !== 0 || size < 2) return;
    this.state.selected = value & 0xffff;
    this.state.at = 0;
  }

  #item(): Uint8Array {
    const { selected } = this.state;
    if (selected === SIGNATURE) return new TextEncoder().encode('QEMU');
    if (selected === FEATURES) return Uint8Array.of(1, 0, 0, 0);
    if (selected === DIRECTORY) return this.#directory();
    return this.#files[selected - FIRST_FILE]?.bytes() ?? new Uint8Array(0);
  }

  /** Big endian: the number of files; of each its size, number, and name. */
  #directory(): Uint8Array {
    const bytes = Buffer.alloc(4 + ENTRY_BYTES * this.#files.length);
    bytes.writeUInt32BE(this.#files.length, 0);
    this.#files.forEach(({ name, bytes: content }, i) => {
      const at = 4 + i * ENTRY_BYTES;
      bytes.writeUInt32BE(content().length, at);
      bytes.writeUInt16BE(FIRST_FILE + i, at + 4);
      bytes.write(name.slice(0, 55), at + 8, 'latin1');
    });
    return new Uint8Array(bytes);
  }
}
