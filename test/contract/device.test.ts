// SPDX-License-Identifier: GPL-2.0-only
// Every built-in device against the contract; and the contract against devices that break it.
import { describe, expect, test } from 'vitest';
import {
  type Device,
  type DeviceState,
  listDevices,
  parseDeviceSpec,
  RegisterDevice,
  rangeLength,
} from '../../src/dm/index.ts';
import { deviceClauses, deviceContract } from './device.ts';

for (const factory of listDevices()) {
  const { range } = parseDeviceSpec(factory.name);
  deviceContract(factory.name, (context) => factory.create(context), {
    rangeBytes: rangeLength(range),
  });
}

class Plain extends RegisterDevice<{ count: number; list: number[] }> {
  constructor() {
    super('plain', { count: 0, list: [] });
  }

  read(): number {
    return ++this.state.count;
  }

  write(_offset: number, _size: number, value: number): void {
    this.state.list.push(value);
  }
}

const broken: Record<string, () => Device> = {
  'keeps a count outside its state': () =>
    new (class extends Plain {
      #hidden = 0;
      override read(): number {
        return ++this.#hidden;
      }
    })(),
  'gives its state away instead of a copy': () =>
    new (class extends Plain {
      override save(): DeviceState {
        return this.state as unknown as DeviceState;
      }
    })(),
  'counts a save': () =>
    new (class extends Plain {
      override save(): DeviceState {
        this.state.count++;
        return super.save();
      }
    })(),
  'adds up what it restores': () =>
    new (class extends Plain {
      override restore(saved: DeviceState): void {
        const before = this.state.count;
        super.restore(saved);
        this.state.count += before;
      }
    })(),
  'forgets to reset a field': () =>
    new (class extends Plain {
      override reset(): void {
        this.state.count = 0;
      }
    })(),
  'takes any state': () =>
    new (class extends Plain {
      override restore(saved: DeviceState): void {
        this.state = structuredClone(saved) as unknown as { count: number; list: number[] };
      }
    })(),
  'answers no number': () =>
    new (class extends Plain {
      override read(): number {
        return Number.NaN;
      }
    })(),
};

describe('the device contract', () => {
  test('holds for a plain device', () => {
    for (const { check } of deviceClauses(() => new Plain(), { rangeBytes: 8 })) check();
  });

  for (const [what, make] of Object.entries(broken)) {
    test(`catches a device that ${what}`, () => {
      const failed = deviceClauses(make, { rangeBytes: 8 }).filter(({ check }) => {
        try {
          check();
          return false;
        } catch {
          return true;
        }
      });
      expect(failed.map(({ name }) => name)).not.toEqual([]);
    });
  }
});
