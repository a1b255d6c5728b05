// SPDX-License-Identifier: GPL-2.0-only
// What every device must do, whatever it is: called once per factory, built in or a user's own.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readElements, writeElements } from '../../src/dm/elements.ts';
import {
  type Device,
  type DeviceContext,
  type DeviceState,
  type InputSource,
  type IoSize,
  NO_INPUT,
  silentContext,
} from '../../src/dm/index.ts';
import { sizeMask } from '../../src/util/bits.ts';

/** One access; `value` and `valueHigh` count only for a write. */
interface Access {
  write: boolean;
  offset: number;
  size: IoSize;
  value: number;
  valueHigh: number;
}

/** A context that keeps what the device did to the world, and feeds it the same bytes each time. */
class World implements InputSource {
  readonly done: string[] = [];
  /** Bytes taken so far: whoever restores a device continues from here. */
  taken = 0;
  readonly lines = new Set<number>();

  take(): number {
    return this.taken < 40 ? (this.taken++ * 7) & 0xff : NO_INPUT;
  }

  context(): DeviceContext {
    return silentContext({
      output: (byte) => this.done.push(`out ${byte}`),
      input: this,
      raiseIrq: (line) => this.lines.add(line),
      lowerIrq: (line) => this.lines.delete(line),
      endGuest: (verdict) => this.done.push(`end ${verdict}`),
    });
  }
}

const high = { hi: 0 };

function apply(device: Device, { write, offset, size, value, valueHigh }: Access): string {
  if (write) {
    device.write(offset, size, (value & sizeMask(size)) >>> 0, size === 8 ? valueHigh : 0);
    return 'written';
  }
  high.hi = 0;
  const low = device.read(offset, size, high);
  expect(Number.isSafeInteger(low)).toBe(true);
  expect(Number.isSafeInteger(high.hi)).toBe(true);
  return `${(low & sizeMask(size)) >>> 0}:${size === 8 ? high.hi : 0}`;
}

function accesses(rangeBytes: number): fc.Arbitrary<Access[]> {
  const sizes = ([1, 2, 4, 8] as const).filter((size) => size <= rangeBytes);
  const one = fc.constantFrom(...sizes).chain((size) =>
    fc.record({
      write: fc.boolean(),
      offset: fc.nat({
        max: Math.min(rangeBytes, 16) - size,
      }),
      size: fc.constant(size as IoSize),
      value: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 0xffffffff })),
      valueHigh: fc.nat({ max: 0xffffffff }),
    }),
  );
  return fc.array(one, { minLength: 1, maxLength: 40 });
}

/** JSON there and back: a state must survive being written to a file. */
function throughJson(state: DeviceState): DeviceState {
  return JSON.parse(JSON.stringify(state)) as DeviceState;
}

/** One clause of the contract; `check()` throws when the device breaks it. */
export interface Clause {
  readonly name: string;
  check(): void;
}

/** Clause by clause, for `deviceContract()` and for trying the contract itself. */
export function deviceClauses(
  make: (context: DeviceContext) => Device,
  options: { rangeBytes: number; runs?: number },
): Clause[] {
  const { rangeBytes, runs = 60 } = options;
  const fresh = (): { world: World; device: Device } => {
    const world = new World();
    return { world, device: make(world.context()) };
  };

  const clauses: Clause[] = [];
  const clause = (name: string, check: () => void): void => {
    clauses.push({ name, check });
  };

  clause('a batch at one port does what its elements do one after the other', () => {
    const batches = fc.record({
      write: fc.boolean(),
      size: fc.constantFrom(...([1, 2, 4] as const).filter((size) => size <= rangeBytes)),
      count: fc.integer({ min: 2, max: 40 }),
      seed: fc.nat({ max: 255 }),
    });
    fc.assert(
      fc.property(accesses(rangeBytes), batches, (list, { write, size, count, seed }) => {
        const [one, many] = [fresh(), fresh()];
        for (const access of list) apply(one.device, access);
        for (const access of list) apply(many.device, access);
        const bytes = Uint8Array.from({ length: count * size }, (_, i) => seed * i);
        const plain = {
          read: one.device.read.bind(one.device),
          write: one.device.write.bind(one.device),
        } as Device;
        const expected = bytes.slice();
        if (write) {
          writeElements(plain, 0, size, expected);
          writeElements(many.device, 0, size, bytes);
        } else {
          readElements(plain, 0, size, expected);
          readElements(many.device, 0, size, bytes);
        }
        expect(bytes).toEqual(expected);
        expect(many.device.save()).toEqual(one.device.save());
        expect(many.device.witness()).toEqual(one.device.witness());
        expect(many.world.done).toEqual(one.world.done);
      }),
      { numRuns: runs },
    );
  });

  clause('saved and restored between any two accesses, it goes on as if nothing happened', () => {
    fc.assert(
      fc.property(accesses(rangeBytes), fc.nat(40), fc.boolean(), (list, at, twice) => {
        const cut = Math.min(at, list.length);
        const whole = fresh();
        const expected = list.map((access) => apply(whole.device, access));

        const first = fresh();
        const before = list.slice(0, cut).map((access) => apply(first.device, access));
        const saved = throughJson(first.device.save());
        const second = fresh();
        second.world.taken = first.world.taken;
        second.device.restore(saved);
        if (twice) second.device.restore(saved);
        expect(second.device.save()).toEqual(saved);
        expect(second.device.witness()).toEqual(first.device.witness());
        expect([...second.world.lines]).toEqual([...first.world.lines]);
        const after = list.slice(cut).map((access) => apply(second.device, access));

        expect([...before, ...after]).toEqual(expected);
        expect([...first.world.done, ...second.world.done]).toEqual(whole.world.done);
        expect(second.device.save()).toEqual(whole.device.save());
        expect(second.device.witness()).toEqual(whole.device.witness());
      }),
      { numRuns: runs, seed: 1 },
    );
  });

  clause('saving changes nothing, and what was saved does not change afterwards', () => {
    fc.assert(
      fc.property(accesses(rangeBytes), (list) => {
        const plain = fresh();
        const disturbed = fresh();
        for (const access of list) {
          const saved = disturbed.device.save();
          const copy = JSON.stringify(saved);
          disturbed.device.sleep();
          disturbed.device.sleep();
          disturbed.device.wake();
          disturbed.device.wake();
          expect(apply(disturbed.device, access)).toBe(apply(plain.device, access));
          expect(JSON.stringify(saved)).toBe(copy);
        }
        expect(disturbed.device.save()).toEqual(plain.device.save());
      }),
      { numRuns: runs, seed: 2 },
    );
  });

  clause('reset brings back the state after power-on', () => {
    fc.assert(
      fc.property(accesses(rangeBytes), (list) => {
        const { device, world } = fresh();
        const initial = fresh().device;
        for (const access of list) apply(device, access);
        device.reset();
        expect(device.save()).toEqual(initial.save());
        expect(device.witness()).toEqual(initial.witness());
        expect(world.lines.size).toBe(0);
      }),
      { numRuns: runs, seed: 3 },
    );
  });

  clause('its state and its testimony are plain JSON, and the state has only named fields', () => {
    const { device } = fresh();
    expect(throughJson(device.save())).toEqual(device.save());
    expect(JSON.parse(JSON.stringify(device.witness()))).toEqual(device.witness());
  });

  clause('a state that is not its own is refused, and changes nothing', () => {
    const { device } = fresh();
    const before = device.save();
    const fields = Object.keys(before);
    const bad: unknown[] = [
      null,
      { ...before, 'no-such-field': 1 },
      ...fields.map((field) => {
        const { [field]: _gone, ...rest } = before;
        return rest;
      }),
      ...fields.map((field) => ({ ...before, [field]: null })),
      ...fields.map((field) => ({ ...before, [field]: Number.NaN })),
    ];
    for (const state of bad) {
      expect(() => device.restore(state as DeviceState)).toThrowError(
        expect.objectContaining({ code: 'HVM_DEVICE_STATE' }),
      );
      expect(device.save()).toEqual(before);
    }
  });
  return clauses;
}

/**
 * The contract of `Device`.
 * @param name - for the report
 * @param make - a new device in its state after power-on
 * @param options - `rangeBytes`: length of the range it is tried with
 */
export function deviceContract(
  name: string,
  make: (context: DeviceContext) => Device,
  options: { rangeBytes: number; runs?: number },
): void {
  describe(`device contract: ${name}`, () => {
    for (const { name: clause, check } of deviceClauses(make, options)) test(clause, check);
  });
}
