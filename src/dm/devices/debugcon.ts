// SPDX-License-Identifier: GPL-2.0-only
// debugcon: a console of one port. Each byte written goes to the output; a read answers 0xe9.
//
// Definition: the debug console of Bochs and QEMU at port 0xe9. The answer 0xe9 tells a guest that
// the console is there. A wider write sends its bytes in order of address, lowest first.
import { type DeviceContext, type DeviceWitness, type IoSize, RegisterDevice } from '../device.ts';
import type { DeviceFactory } from '../factory.ts';

const PRESENT = 0xe9;

export class Debugcon extends RegisterDevice<{ bytes: number }> {
  readonly #context: DeviceContext;

  constructor(context: DeviceContext) {
    super('debugcon', { bytes: 0 });
    this.#context = context;
  }

  read(): number {
    return PRESENT;
  }

  write(_offset: number, size: IoSize, value: number, valueHigh: number): void {
    for (let i = 0; i < size; i++) {
      const word = i < 4 ? value : valueHigh;
      this.#context.output((word >>> (8 * (i & 3))) & 0xff);
    }
    this.state.bytes += size;
  }

  override witness(): DeviceWitness {
    return { bytesWritten: this.state.bytes };
  }
}

export const debugcon: DeviceFactory = {
  name: 'debugcon',
  summary: 'text console: bytes written go to the output, reads answer 0xe9',
  defaultRange: '0xe9',
  create: (context) => new Debugcon(context),
};
