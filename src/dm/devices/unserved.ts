// SPDX-License-Identifier: GPL-2.0-only
// unserved-calls: where our BIOS and our DOS tell what was asked of them in vain: the one place that names it.
//
// Definition: a double word at 568h, an interrupt in the upper half, the caller's AX in the lower one
// (guests/include/unserved.inc). For interrupt 06h the lower half is the first two bytes of an instruction that the
// processor does not have. Everything else is dropped; reads give all ones.
import { type DeviceWitness, type IoSize, RegisterDevice } from '../device.ts';

const INVALID_OPCODE = 6;

/** What programs expect behind interrupts that nobody has here. */
const KNOWN: Readonly<Record<number, string>> = {
  47: 'services that other programs install',
  51: 'mouse',
  91: 'network',
  92: 'network',
  103: 'expanded memory',
};

const hex = (number: number, digits: number): string =>
  number.toString(16).toUpperCase().padStart(digits, '0');

/** @param call - as it was written to the port */
export function unservedName(call: number): string {
  const interrupt = (call >>> 16) & 0xff;
  if (interrupt === INVALID_OPCODE) {
    return `instruction ${hex(call & 0xff, 2)} ${hex((call >>> 8) & 0xff, 2)}`;
  }
  const known = KNOWN[interrupt];
  const what = known === undefined ? '' : ` (${known})`;
  return `INT ${hex(interrupt, 2)}h with AX=${hex(call & 0xffff, 4)}h${what}`;
}

export class UnservedCalls extends RegisterDevice<{ calls: number }> {
  readonly #lacks: (what: string) => void;

  /** @param lacks - told of each call, in words */
  constructor(lacks: (what: string) => void) {
    super('unserved-calls', { calls: 0 });
    this.#lacks = lacks;
  }
  read(): number {
    return 0xffffffff;
  }
  write(offset: number, size: IoSize, value: number): void {
    if (offset !== 0 || size !== 4) return;
    this.#lacks(unservedName(value));
    this.state.calls++;
  }
  override witness(): DeviceWitness {
    return { calls: this.state.calls };
  }
}
