// SPDX-License-Identifier: GPL-2.0-only
// verdict: the guest says how it ended, and the machine stops it.
//
// Definition: one port. Writing 0 success, 1 skip, 2 error (the test itself is wrong), 3 failure.
// Any other number is an error too: a guest that reports nonsense has not tested anything.
// Only the low byte counts. A read answers the last byte written, 0xff before the first.
import {
  type DeviceContext,
  type DeviceWitness,
  type IoSize,
  RegisterDevice,
  VERDICTS,
} from '../device.ts';
import type { DeviceFactory } from '../factory.ts';

const NONE = 0xff;

export class VerdictPort extends RegisterDevice<{ last: number; reports: number }> {
  readonly #context: DeviceContext;

  constructor(context: DeviceContext) {
    super('verdict', { last: NONE, reports: 0 });
    this.#context = context;
  }

  read(): number {
    return this.state.last;
  }

  write(_offset: number, _size: IoSize, value: number): void {
    const code = value & 0xff;
    this.state.last = code;
    this.state.reports++;
    this.#context.endGuest(VERDICTS[code] ?? 'error');
  }

  override witness(): DeviceWitness {
    const { last, reports } = this.state;
    return reports === 0
      ? { reports }
      : { reports, verdict: VERDICTS[last] ?? 'error', code: last };
  }
}

export const verdict: DeviceFactory = {
  name: 'verdict',
  summary: 'the guest reports success (0), skip (1), error (2) or failure (3) and ends',
  defaultRange: '0xf4',
  create: (context) => new VerdictPort(context),
};
