// SPDX-License-Identifier: GPL-2.0-only
// The 8254 by its data sheet (Intel 231164-005), at its ports. Counter 2 has a gate and an output to look at: port 61h.
import { describe, expect, it } from 'vitest';
import { vpic_power_on } from '../../../src/xen/hvm/vpic.ts';
import {
  type PITState,
  pit_advance,
  pit_ioport_read,
  pit_ioport_write,
  pit_next_event,
  pit_reset,
  speaker_ioport_read,
  speaker_ioport_write,
} from '../../../src/xen/hvm/vpit.ts';

const COUNTER_2 = 0x80;
const BOTH = 0x30;
const LOW = 0x10;
/** The clock's first tick. */
const START = 1000;

/** One tick is 838.1 ns: some hundred of these are as many ticks. */
const TICK_NS = 839;

/** The timer at its ports, and a clock of its own in ticks of it. */
class Timer {
  readonly pit: PITState = pit_reset();
  #tick = START;
  /** Ticks at which counter 0 interrupted. */
  readonly interrupts: number[] = [];

  get now(): number {
    return this.#tick * TICK_NS;
  }
  out(port: number, value: number): void {
    pit_ioport_write(this.pit, port, value, this.now);
  }
  in(port: number): number {
    return pit_ioport_read(this.pit, port, this.now);
  }
  gate(level: number): void {
    speaker_ioport_write(this.pit, level, this.now);
  }
  /** Output of counter 2. */
  get output(): number {
    return (speaker_ioport_read(this.pit, this.now) >> 5) & 1;
  }
  mode(mode: number, counter = COUNTER_2, access = BOTH): void {
    this.out(3, counter | access | (mode << 1));
  }
  count(value: number, port = 2): void {
    this.out(port, value & 0xff);
    this.out(port, value >> 8);
  }
  /** As a counter latch command gives it. */
  latched(counter = COUNTER_2): number {
    this.out(3, counter);
    const port = counter >> 6;
    return this.in(port) | (this.in(port) << 8);
  }
  /** As a read-back command gives it. */
  status(port = 2): number {
    this.out(3, 0xe0 | (2 << port));
    return this.in(port);
  }
  /** Output and count of counter 2 before each of so many ticks. */
  course(ticks: number): number[][] {
    return Array.from({ length: ticks }, () => {
      const pair = [this.output, this.latched()];
      this.pass(1);
      return pair;
    });
  }
  /** Output of counter 2 after each of so many ticks. */
  outputs(ticks: number): number[] {
    return Array.from({ length: ticks }, () => {
      this.pass(1);
      return this.output;
    });
  }
  pass(ticks: number): void {
    for (let i = 0; i < ticks; i++) {
      this.#tick++;
      const irq = vpic_power_on();
      pit_advance(this.pit, irq, this.now);
      if (irq.isa_irq !== 0) this.interrupts.push(this.#tick - START);
    }
  }
}

/** Counter 2 with its gate, in a mode, with a count: written in this order. */
function begun(gate: number, mode: number, count: number): Timer {
  const timer = new Timer();
  timer.gate(gate);
  timer.mode(mode);
  timer.count(count);
  return timer;
}

/** The ticks at which counter 0 interrupts after `begin`. */
function interrupts(ticks: number, begin: (timer: Timer) => void): number[] {
  const timer = new Timer();
  begin(timer);
  timer.pass(ticks);
  return timer.interrupts;
}

describe('a control word', () => {
  it.each([0, 1, 2, 3, 4, 5])('of mode %i makes the output, and stops the counter', (mode) => {
    const timer = begun(1, 3, 1000);
    timer.pass(700);
    timer.mode(mode);
    expect(timer.output).toBe(mode === 0 ? 0 : 1);
    const before = timer.latched();
    timer.pass(5);
    expect(timer.latched()).toBe(before);
    expect(timer.output).toBe(mode === 0 ? 0 : 1);
  });

  it('takes a latched count back', () => {
    const timer = begun(1, 2, 1000);
    timer.out(3, COUNTER_2);
    timer.mode(2);
    timer.count(500);
    expect(timer.in(2) | (timer.in(2) << 8)).toBe(500);
  });

  it('begins both flip-flops anew', () => {
    const timer = new Timer();
    timer.mode(2);
    timer.out(2, 0x12);
    timer.mode(2);
    timer.count(0x3456);
    timer.in(2);
    timer.mode(4);
    timer.count(0x789a);
    expect(timer.in(2)).toBe(0x9a);
    expect(timer.in(2)).toBe(0x78);
  });
});

describe('reading and writing', () => {
  it('may be interleaved: the flip-flops of both are apart', () => {
    const timer = new Timer();
    timer.mode(4);
    timer.count(0xbeef);
    expect(timer.in(2)).toBe(0xef);
    timer.out(2, 0x34);
    expect(timer.in(2)).toBe(0xbe);
    timer.out(2, 0x12);
    expect(timer.latched()).toBe(0x1234);
  });

  it('a second latch command does nothing until the first is read', () => {
    const timer = begun(1, 0, 1000);
    timer.out(3, COUNTER_2);
    timer.pass(10);
    timer.out(3, COUNTER_2);
    expect(timer.in(2) | (timer.in(2) << 8)).toBe(1000);
    expect(timer.latched()).toBe(990);
  });

  it('gives a latched status before a latched count', () => {
    const timer = begun(1, 2, 0x1234);
    timer.out(3, 0xc8);
    expect(timer.in(2)).toBe(0x80 | BOTH | (2 << 1));
    expect(timer.in(2) | (timer.in(2) << 8)).toBe(0x1234);
  });

  it('latches several counters by one read-back command', () => {
    const timer = new Timer();
    timer.mode(2, 0x00, LOW);
    timer.out(0, 50);
    timer.mode(2, 0x40, LOW);
    timer.out(1, 60);
    timer.out(3, 0xd6);
    timer.pass(9);
    expect([timer.in(0), timer.in(1)]).toEqual([50, 60]);
    expect([timer.in(0), timer.in(1)]).toEqual([41, 51]);
  });

  it('counts decimal digits, 0 being 10,000', () => {
    const timer = new Timer();
    timer.gate(1);
    timer.out(3, COUNTER_2 | BOTH | 1);
    timer.count(0x0100);
    timer.pass(1);
    expect(timer.latched()).toBe(0x0099);
    timer.pass(100);
    expect(timer.latched()).toBe(0x9999);
    timer.count(0);
    timer.pass(1);
    expect(timer.latched()).toBe(0x9999);
  });
});

describe('the null count', () => {
  const NULL = 0x40;
  it('is set by a control word, and cleared when the count is loaded', () => {
    const timer = new Timer();
    timer.mode(0);
    expect(timer.status() & NULL).toBe(NULL);
    timer.out(2, 10);
    expect(timer.status() & NULL).toBe(NULL);
    timer.out(2, 0);
    expect(timer.status() & NULL).toBe(0);
  });

  it('lasts to the end of the period in mode 2, to the gate in mode 1', () => {
    const timer = begun(1, 2, 100);
    timer.pass(40);
    timer.count(30);
    expect(timer.status() & NULL).toBe(NULL);
    timer.pass(60);
    expect(timer.status() & NULL).toBe(0);
    timer.mode(1);
    timer.count(20);
    expect(timer.status() & NULL).toBe(NULL);
    timer.gate(0);
    timer.gate(1);
    expect(timer.status() & NULL).toBe(0);
  });
});

describe('mode 0', () => {
  it('rises at the end and stays, while the counter goes on', () => {
    const timer = begun(1, 0, 3);
    expect(timer.course(6)).toEqual([
      [0, 3],
      [0, 2],
      [0, 1],
      [1, 0],
      [1, 0xffff],
      [1, 0xfffe],
    ]);
  });

  it('is stopped by the first of two bytes, and falls', () => {
    const timer = begun(1, 0, 5);
    timer.pass(6);
    expect(timer.output).toBe(1);
    timer.out(2, 7);
    expect(timer.output).toBe(0);
    timer.pass(20);
    expect(timer.output).toBe(0);
    timer.out(2, 0);
    timer.pass(6);
    expect(timer.output).toBe(0);
    timer.pass(1);
    expect(timer.output).toBe(1);
  });

  it('waits while the gate is low', () => {
    const timer = begun(0, 0, 10);
    timer.pass(50);
    expect(timer.latched()).toBe(10);
    timer.gate(1);
    timer.pass(4);
    timer.gate(0);
    timer.pass(50);
    expect(timer.latched()).toBe(6);
    timer.gate(1);
    timer.pass(6);
    expect(timer.output).toBe(1);
  });

  it('interrupts once', () => {
    expect(
      interrupts(500, (timer) => {
        timer.mode(0, 0);
        timer.count(100, 0);
      }),
    ).toEqual([100]);
  });
});

describe('modes 1 and 5', () => {
  it('mode 1 is low for the count from each edge of the gate', () => {
    const timer = begun(0, 1, 4);
    timer.pass(20);
    expect(timer.output).toBe(1);
    timer.gate(1);
    expect([timer.output, timer.latched()]).toEqual([0, 4]);
    timer.pass(3);
    timer.gate(0);
    timer.gate(1);
    timer.pass(3);
    expect(timer.output).toBe(0);
    timer.pass(1);
    expect(timer.output).toBe(1);
  });

  it('mode 1 takes a new count with the next edge only', () => {
    const timer = new Timer();
    timer.mode(1);
    timer.count(4);
    timer.gate(1);
    timer.count(8);
    timer.pass(4);
    expect(timer.output).toBe(1);
    timer.gate(0);
    timer.gate(1);
    timer.pass(7);
    expect(timer.output).toBe(0);
    timer.pass(1);
    expect(timer.output).toBe(1);
  });

  it('mode 5 is low for a clock at the end', () => {
    const timer = new Timer();
    timer.mode(5);
    timer.count(3);
    timer.pass(3);
    expect(timer.output).toBe(1);
    timer.gate(1);
    expect(timer.outputs(5)).toEqual([1, 1, 0, 1, 1]);
  });

  it.each([1, 5])('counter 0 never interrupts in mode %i: its gate has no edge', (mode) => {
    expect(
      interrupts(500, (timer) => {
        timer.mode(mode, 0);
        timer.count(100, 0);
      }),
    ).toEqual([]);
  });
});

describe('mode 2', () => {
  it('is low for the last clock of each period', () => {
    const timer = begun(1, 2, 3);
    expect(timer.course(6)).toEqual([
      [1, 3],
      [1, 2],
      [0, 1],
      [1, 3],
      [1, 2],
      [0, 1],
    ]);
  });

  it('takes a new count at the end of the period', () => {
    const begin = (timer: Timer): void => {
      timer.mode(2, 0);
      timer.count(100, 0);
      timer.pass(130);
      timer.count(30, 0);
    };
    expect(interrupts(150, begin)).toEqual([100, 200, 230, 260]);
  });

  it('begins anew with the gate, high while that is low', () => {
    const timer = begun(1, 2, 10);
    timer.pass(9);
    expect(timer.output).toBe(0);
    timer.gate(0);
    expect(timer.output).toBe(1);
    timer.pass(7);
    timer.gate(1);
    expect(timer.latched()).toBe(10);
  });
});

describe('mode 3', () => {
  it('counts by twos; of an odd count the high half is a clock longer', () => {
    const timer = begun(1, 3, 5);
    expect(timer.course(6)).toEqual([
      [1, 4],
      [1, 2],
      [1, 0],
      [0, 4],
      [0, 2],
      [1, 4],
    ]);
  });

  it('takes a new count at the end of half a period', () => {
    const timer = begun(1, 3, 100);
    timer.pass(30);
    timer.count(20);
    timer.pass(19);
    expect(timer.output).toBe(1);
    timer.pass(1);
    expect([timer.output, timer.latched()]).toEqual([0, 20]);
    timer.pass(9);
    expect(timer.output).toBe(0);
    timer.pass(1);
    expect([timer.output, timer.latched()]).toEqual([1, 20]);
  });

  it('so does the interrupt: it comes when the output rises', () => {
    const written = (at: number) => (timer: Timer) => {
      timer.mode(3, 0);
      timer.count(100, 0);
      timer.pass(at);
      timer.count(20, 0);
    };
    expect(interrupts(60, written(30))).toEqual([60, 80]);
    expect(interrupts(60, written(70))).toEqual([100, 120]);
  });

  it('does not drift over many periods', () => {
    const pit = pit_reset();
    for (const [port, value] of [
      [3, 0x36],
      [0, 0xe9],
      [0, 0x03],
    ] as const) {
      pit_ioport_write(pit, port, value, 0);
    }
    for (let period = 1; period <= 10_000; period++) {
      const at = pit_next_event(pit);
      expect(at).toBe(Math.ceil((period * 1001 * 1e9) / 1193182));
      pit_advance(pit, vpic_power_on(), at);
    }
  });
});

describe('mode 4', () => {
  it('is low for a clock at the end, once', () => {
    const timer = begun(1, 4, 2);
    expect(timer.outputs(4)).toEqual([1, 0, 1, 1]);
  });
});
