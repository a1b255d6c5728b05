// SPDX-License-Identifier: GPL-2.0-only
// One device in one world: carries out steps, and writes down what a guest and the outside would see of each.
import {
  type Device,
  type DeviceContext,
  type DeviceState,
  NO_INPUT,
  VERDICTS,
} from '../dm/device.ts';
import type { DeviceFactory } from '../dm/factory.ts';
import { HvmError } from '../util/errors.ts';
import { hex } from '../util/hex.ts';
import { type Access, cut, formatStep, formatValue, type Step } from './step.ts';

/** What is wrong with a device: ends the run, and becomes the failure's message. */
export class Wrong extends Error {}

/** Time that passes with every access, so that a clock that is looked at shows. */
const NS_PER_ACCESS = 1000;
const LAST_LINE = 255;
/** Calls of a context in one step after which a device counts as caught in a loop. */
const MOST_CALLS = 4096;

/** What surrounds a device. It may outlive the device: another one then goes on in the same world. */
export class World {
  /** Output and verdicts since the last look, in order. */
  events: string[] = [];
  /** Lines that are high. */
  lines: Set<number> = new Set();
  /** Bytes that have arrived and were not taken. */
  queue: number[] = [];
  nowNs = 0;
  /** Calls of the context since the last step. */
  calls = 0;
  readonly context: DeviceContext = {
    output: (byte) => {
      this.#called();
      if (!isWhole(byte, 0xff)) throw new Wrong(`outputs ${byte}: expected a byte, 0 to 255`);
      this.events.push(`out=${hex(byte)}`);
    },
    input: {
      take: () => {
        this.#called();
        return this.queue.shift() ?? NO_INPUT;
      },
    },
    raiseIrq: (line) => this.#line(line, true),
    lowerIrq: (line) => this.#line(line, false),
    endGuest: (verdict) => {
      this.#called();
      if (!VERDICTS.includes(verdict)) throw new Wrong(`gives the verdict '${verdict}'`);
      this.events.push(`end=${verdict}`);
    },
    nowNs: () => this.nowNs,
  };

  #called(): void {
    if (++this.calls > MOST_CALLS) throw new Wrong('calls its context without end');
  }

  #line(line: number, high: boolean): void {
    this.#called();
    if (!isWhole(line, LAST_LINE)) throw new Wrong(`drives interrupt line ${line}`);
    if (this.lines.has(line) === high) return;
    if (high) this.lines.add(line);
    else this.lines.delete(line);
    this.events.push(`irq${line}=${high ? 1 : 0}`);
  }

  /** `irq4 irq6`, in order; empty when all are low. */
  get high(): string {
    return [...this.lines]
      .sort((a, b) => a - b)
      .map((line) => `irq${line}`)
      .join(' ');
  }
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** A script being carried out. */
export class Run {
  readonly world: World = new World();
  device: Device;
  /** One line per step, marks left out: what was answered, and what else could be seen. */
  readonly lines: string[] = [];
  readonly #factory: DeviceFactory;
  readonly #high = { hi: 0 };

  constructor(factory: DeviceFactory) {
    this.#factory = factory;
    this.device = this.create();
  }

  /** A new device in this world; the old one is forgotten. @throws Wrong */
  create(): Device {
    const { world } = this;
    const input = world.queue.length;
    const device = guarded('create()', () => this.#factory.create(world.context));
    if (input !== world.queue.length) throw new Wrong('create() takes input');
    if (world.events.some((event) => !event.startsWith('irq'))) {
      throw new Wrong(`create() shows ${world.events.join(' ')}: expected nothing`);
    }
    return device;
  }

  /** Carries out one step that is no mark, and writes down what was seen. @throws Wrong */
  step(step: Step): void {
    const { answer, events } = this.perform(step);
    const words = answer === null ? [] : [`answers ${answer}`];
    this.lines.push([formatStep(step), ...words, ...events].join(' '));
  }

  /** @returns what was seen of one step. @throws Wrong */
  perform(step: Step): { answer: string | null; events: string[] } {
    const { world } = this;
    world.calls = 0;
    let answer: string | null = null;
    if (step.do === 'read') answer = formatValue(this.readValue(step));
    else if (step.do === 'write') this.write(step, step.value.low, step.value.high);
    else if (step.do === 'time') world.nowNs += step.ns;
    else if (step.do === 'input') {
      world.queue.push(step.byte);
      this.arrived();
    } else throw new HvmError('HVM_USAGE', `'${formatStep(step)}' is for examples only`);
    const { events } = world;
    world.events = [];
    return { answer, events };
  }

  /** The answer, cut to its width. @throws Wrong when there is none */
  readValue({ offset, size }: Access): { low: number; high: number } {
    const { device, world } = this;
    const high = this.#high;
    high.hi = 0;
    world.nowNs += NS_PER_ACCESS;
    const low = guarded(`read(${hex(offset)}, ${size})`, () => device.read(offset, size, high));
    for (const [what, value] of [
      ['answers', low],
      ['sets high.hi to', high.hi],
    ] as const) {
      if (!Number.isSafeInteger(value)) {
        throw new Wrong(`read(${hex(offset)}, ${size}) ${what} ${value}: expected a whole number`);
      }
    }
    return cut({ low, high: high.hi }, size);
  }

  write({ offset, size }: Access, low: number, high: number): void {
    const { device, world } = this;
    world.nowNs += NS_PER_ACCESS;
    const value = cut({ low, high }, size);
    guarded(`write(${hex(offset)}, ${size}, ${formatValue(value)})`, () =>
      device.write(offset, size, value.low, value.high),
    );
  }

  arrived(): void {
    guarded('inputArrived()', () => this.device.inputArrived?.());
  }

  save(): DeviceState {
    return guarded('save()', () => this.device.save());
  }

  restore(state: DeviceState): void {
    guarded('restore()', () => this.device.restore(state));
  }

  /** What can be seen of the device besides its answers: its state and its testimony, as text. */
  inside(): { state: string; witness: string } {
    return {
      state: JSON.stringify(this.save()),
      witness: JSON.stringify(guarded('witness()', () => this.device.witness())),
    };
  }

  /** Something that must show nothing outside but lines. @throws Wrong when it does */
  silently(what: string, body: () => void): void {
    const { world } = this;
    const input = world.queue.length;
    body();
    const seen = world.events.filter((event) => !event.startsWith('irq'));
    world.events = [];
    if (seen.length > 0) throw new Wrong(`${what} shows ${seen.join(' ')}: expected nothing`);
    if (world.queue.length !== input) throw new Wrong(`${what} takes input`);
  }
}

/** A device may not throw. @throws Wrong that says what it threw */
export function guarded<T>(what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof Wrong) throw error;
    throw new Wrong(`${what} throws ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Carries out `script` on a new device; `mark` where the property does what it is about. */
export function play(
  factory: DeviceFactory,
  script: readonly Step[],
  mark: (run: Run) => void = () => {},
): Run {
  const run = new Run(factory);
  for (const step of script) {
    if (step.do === 'mark') mark(run);
    else run.step(step);
  }
  return run;
}

/** The first line in which two runs differ. @throws Wrong that shows it */
export function sameLines(expected: Run, got: Run, than: string): void {
  expected.lines.forEach((line, i) => {
    const other = got.lines[i];
    if (line !== other) throw new Wrong(`step ${i + 1}: '${other}', ${than} '${line}'`);
  });
}

/** Lines, state and testimony. @throws Wrong */
export function sameRun(expected: Run, got: Run, than: string): void {
  sameLines(expected, got, than);
  const [want, have] = [expected.inside(), got.inside()];
  for (const what of ['state', 'witness'] as const) {
    if (want[what] !== have[what]) {
      throw new Wrong(`afterwards its ${what} is ${have[what]}, ${than} ${want[what]}`);
    }
  }
}
