// SPDX-License-Identifier: GPL-2.0-only
// PCI as far as a BIOS insists: configuration mechanism 1 at ports CF8h to CFFh, a host bridge, an ISA bridge, and an IDE
// controller at the ports of an AT. A BIOS of more than 128 KiB looks for the host bridge to get at itself below 1 MiB.
//
// Data sheets: Intel 440FX PCIset, 82441FX (PMC), order number 290549-001; Intel 82371SB (PIIX3), order number 290550-002,
// "PCI Configuration Registers", and port CF9h there.
// Left out: what the registers do. C0000 to FFFFF is memory at all times, whatever PAM says; interrupts are routed to
// nothing; there is no bus master, so no base address.
import type { IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import type { Board } from './board.ts';

/** One function of the bus: registers that are not 0, and what of them may be written. */
interface PciFunction {
  readonly slot: number;
  readonly fn: number;
  /** By offset: value after power-on. */
  readonly reset: Readonly<Record<number, number>>;
  /** First and last offset, and the bits that keep what is written. */
  readonly writable: readonly (readonly [from: number, to: number, mask: number])[];
}

const INTEL = { 0: 0x86, 1: 0x80 };

const HOST_BRIDGE: PciFunction = {
  slot: 0,
  fn: 0,
  reset: {
    ...INTEL,
    ...{ 2: 0x37, 3: 0x12, 4: 0x06, 6: 0x80, 7: 0x02, 8: 0x02, 11: 0x06 },
    // PMCCFG, DBC, DRAMC, row boundaries, fixed hole, SMRAM, turbo reset.
    ...{ 81: 0x01, 83: 0x80, 87: 0x01, 88: 0x10, 114: 0x02 },
    ...{ 96: 1, 97: 1, 98: 1, 99: 1, 100: 1, 101: 1, 102: 1, 103: 1 },
  },
  writable: [
    [0x05, 0x05, 0x01],
    [0x0d, 0x0d, 0xf8],
    [0x50, 0x58, 0xff],
    [0x59, 0x59, 0x30],
    [0x5a, 0x5f, 0x33],
    [0x60, 0x68, 0xff],
    [0x70, 0x71, 0xff],
    [0x72, 0x72, 0x78],
    [0x90, 0x93, 0xff],
  ],
};

const ISA_BRIDGE: PciFunction = {
  slot: 1,
  fn: 0,
  reset: {
    ...INTEL,
    ...{ 3: 0x70, 4: 0x07, 7: 0x02, 10: 0x01, 11: 0x06, 14: 0x80 },
    ...{ 76: 0x4d, 78: 0x03, 96: 0x80, 97: 0x80, 98: 0x80, 99: 0x80, 105: 0x02 },
  },
  writable: [
    [0x4c, 0x4f, 0xff],
    [0x60, 0x63, 0x8f],
    [0x69, 0x6b, 0xff],
    [0x70, 0x71, 0xff],
    [0x76, 0x77, 0xff],
    [0x82, 0x82, 0x0f],
    [0xa0, 0xaf, 0xff],
  ],
};

const IDE: PciFunction = {
  slot: 1,
  fn: 1,
  reset: {
    ...INTEL,
    ...{ 2: 0x10, 3: 0x70, 6: 0x80, 7: 0x02, 9: 0x80, 10: 0x01, 11: 0x01 },
  },
  writable: [
    [0x04, 0x04, 0x05],
    [0x0d, 0x0d, 0xf0],
    [0x40, 0x44, 0xff],
  ],
};

const FUNCTIONS = { host: HOST_BRIDGE, isa: ISA_BRIDGE, ide: IDE } as const;
type FunctionName = keyof typeof FUNCTIONS;
const NAMES: readonly FunctionName[] = ['host', 'isa', 'ide'];
const SPACE = 256;

function afterReset({ reset }: PciFunction): number[] {
  return Array.from({ length: SPACE }, (_, offset) => reset[offset] ?? 0);
}

const MASKS = Object.fromEntries(
  NAMES.map((name) => {
    const masks = new Uint8Array(SPACE);
    for (const [from, to, mask] of FUNCTIONS[name].writable) masks.fill(mask, from, to + 1);
    return [name, masks];
  }),
) as Record<FunctionName, Uint8Array>;

const DATA = 4;
/** Bit 2 going high resets the CPU; bit 1 says how much besides. */
const RESET_CONTROL = 1;
const RESET_CPU = 0x04;
const ENABLE = 0x80000000;

type Fields = {
  address: number;
  resetControl: number;
  host: number[];
  isa: number[];
  ide: number[];
};

export class PciHost extends RegisterDevice<Fields> {
  readonly #board: Board;
  readonly #hasIde: boolean;

  constructor(board: Board, hasIde: boolean) {
    super('pci-host', {
      address: 0,
      resetControl: 0,
      host: afterReset(HOST_BRIDGE),
      isa: afterReset(ISA_BRIDGE),
      ide: afterReset(IDE),
    });
    this.#board = board;
    this.#hasIde = hasIde;
  }

  /** The address is a double word; port CF9h a byte. */
  read(offset: number, size: IoSize): number {
    if (offset === 0 && size === 4) return this.state.address;
    if (offset === RESET_CONTROL && size === 1) return this.state.resetControl;
    const at = this.#selected(offset, size);
    if (at === null) return 0xffffffff;
    const space = this.state[at.name];
    let value = 0;
    for (let i = 0; i < size; i++) value |= (space[at.register + i] ?? 0) << (8 * i);
    return value >>> 0;
  }

  write(offset: number, size: IoSize, value: number): void {
    if (offset === 0 && size === 4) {
      // Bits 30 to 24 and 1 to 0 are reserved.
      this.state.address = (value & 0x80fffffc) >>> 0;
      return;
    }
    if (offset === RESET_CONTROL && size === 1) {
      const rises = (value & ~this.state.resetControl & RESET_CPU) !== 0;
      this.state.resetControl = value & 0x06;
      if (rises) this.#board.resetCpu();
      return;
    }
    const at = this.#selected(offset, size);
    if (at === null) return;
    const space = this.state[at.name];
    for (let i = 0; i < size; i++) {
      const register = at.register + i;
      const mask = MASKS[at.name][register] ?? 0;
      const byte = (value >>> (8 * i)) & 0xff;
      space[register] = ((space[register] ?? 0) & ~mask) | (byte & mask);
    }
  }

  /** The function and the register that an access to the data port means; null: nobody answers. */
  #selected(offset: number, size: IoSize): { name: FunctionName; register: number } | null {
    const { address } = this.state;
    if (offset < DATA || offset + size > 2 * DATA || (address & ENABLE) === 0) return null;
    if ((address & 0x00ff0000) !== 0) return null;
    const slot = (address >>> 11) & 31;
    const fn = (address >>> 8) & 7;
    const name = NAMES.find((n) => FUNCTIONS[n].slot === slot && FUNCTIONS[n].fn === fn);
    if (name === undefined || (name === 'ide' && !this.#hasIde)) return null;
    return { name, register: (address & 0xfc) + offset - DATA };
  }
}
