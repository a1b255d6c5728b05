// SPDX-License-Identifier: GPL-2.0-only
// A device of the tests, registered by importing this module: a counter for every eight ports of its range, so that
// several vCPUs have one device model in common.
import { type IoSize, RegisterDevice } from '../../src/dm/device.ts';
import { registerDevice } from '../../src/dm/registry.ts';

class Lanes extends RegisterDevice<Record<'a' | 'b' | 'c' | 'd', number>> {
  constructor() {
    super('lanes', { a: 0, b: 0, c: 0, d: 0 });
  }
  read(offset: number, _size: IoSize): number {
    const lane = (['a', 'b', 'c', 'd'] as const)[(offset >>> 3) & 3] as 'a';
    this.state[lane] = (this.state[lane] + 1) >>> 0;
    return this.state[lane];
  }
  write(): void {}
}

registerDevice({
  name: 'lanes',
  summary: 'four counters, one for every eight ports',
  defaultRange: '0x200-0x21f',
  create: () => new Lanes(),
});
