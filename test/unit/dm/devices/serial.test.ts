// SPDX-License-Identifier: GPL-2.0-only
// The 16550A register by register, as the PC16550D data sheet describes them.
import { beforeEach, describe, expect, test } from 'vitest';
import { Serial } from '../../../../src/dm/devices/serial.ts';
import { NO_INPUT, silentContext } from '../../../../src/dm/index.ts';

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const FCR = IIR;

let device: Serial;
let output: number[];
let input: number[];
let line: boolean;
let edges: string[];

beforeEach(() => {
  output = [];
  input = [];
  line = false;
  edges = [];
  device = new Serial(
    silentContext({
      output: (byte) => output.push(byte),
      input: { take: () => input.shift() ?? NO_INPUT },
      raiseIrq: (irq) => {
        edges.push(`+${irq}`);
        line = true;
      },
      lowerIrq: (irq) => {
        edges.push(`-${irq}`);
        line = false;
      },
    }),
  );
});

const read = (register: number): number => device.read(register, 1);
const write = (register: number, value: number): void => device.write(register, 1, value);
const arrive = (...bytes: number[]): void => {
  input.push(...bytes);
  device.inputArrived();
};

describe('registers', () => {
  test('power-on values', () => {
    expect([IER, IIR, LCR, MCR, LSR, MSR, SCR].map(read)).toEqual([0, 1, 0, 0, 0x60, 0xb0, 0]);
    expect(read(DATA)).toBe(0);
  });

  test('DLAB swaps in the divisor and leaves data and IER alone', () => {
    write(IER, 0x05);
    write(LCR, 0x83);
    write(DATA, 0x0c);
    write(IER, 0x01);
    expect([DATA, IER, LCR].map(read)).toEqual([0x0c, 0x01, 0x83]);
    expect(output).toEqual([]);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0x05);
  });

  test('IER keeps four bits, MCR five, SCR all; LSR and MSR cannot be written', () => {
    for (const register of [IER, MCR, SCR, LSR, MSR]) write(register, 0xef);
    write(MCR, 0xef);
    expect([IER, MCR, SCR].map(read)).toEqual([0x0f, 0x0f, 0xef]);
    expect([LSR, MSR].map(read)).toEqual([0x60, 0xb0]);
  });

  test('wider accesses are byte accesses, lowest register first; past the end all ones', () => {
    device.write(LCR, 2, 0x0a83);
    expect([LCR, MCR].map(read)).toEqual([0x83, 0x0a]);
    expect(device.read(LCR, 4)).toBe(0xb0600a83);
    expect(device.read(SCR, 2)).toBe(0xff00);
    device.write(SCR, 2, 0x11_5a);
    expect(read(SCR)).toBe(0x5a);
  });
});

describe('transmitter and receiver', () => {
  test('a byte written goes out at once', () => {
    write(DATA, 0x41);
    write(DATA, 0x42);
    expect(output).toEqual([0x41, 0x42]);
    expect(read(LSR)).toBe(0x60);
    expect(device.witness()).toEqual({ bytesSent: 2, bytesTaken: 0 });
  });

  test('input waits in its source until the receiver has room', () => {
    input.push(1, 2, 3);
    expect(read(LSR) & 1).toBe(1);
    expect(input).toEqual([2, 3]);
    expect([read(DATA), read(DATA), read(DATA), read(DATA)]).toEqual([1, 2, 3, 0]);
    expect(read(LSR) & 1).toBe(0);
  });

  test('with FIFOs on, 16 bytes wait; switching them empties the receiver', () => {
    write(FCR, 0x01);
    expect(read(IIR)).toBe(0xc1);
    arrive(...Array.from({ length: 20 }, (_, i) => i));
    expect(input).toHaveLength(4);
    expect(read(DATA)).toBe(0);
    write(FCR, 0x03);
    input.length = 0;
    expect(read(LSR) & 1).toBe(0);
    write(FCR, 0x00);
    expect(read(IIR)).toBe(0x01);
  });

  test('asleep, it takes no input', () => {
    input.push(1);
    device.sleep();
    device.inputArrived();
    expect(input).toEqual([1]);
    device.wake();
    expect(read(DATA)).toBe(1);
  });
});

describe('interrupts', () => {
  test('the line needs OUT2', () => {
    write(IER, 0x01);
    arrive(7);
    expect(line).toBe(false);
    expect(read(IIR)).toBe(0x04);
    write(MCR, 0x08);
    expect(line).toBe(true);
    expect(read(DATA)).toBe(7);
    expect(line).toBe(false);
    expect(edges).toEqual(['+4', '-4']);
  });

  test('empty transmitter: on enabling and after each byte, until IIR is read', () => {
    write(MCR, 0x08);
    write(IER, 0x02);
    expect(line).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(line).toBe(false);
    write(DATA, 1);
    expect(line).toBe(true);
    write(IER, 0x00);
    expect(line).toBe(false);
  });

  test('priorities: line status, data, transmitter, modem', () => {
    write(IER, 0x0f);
    write(MCR, 0x10);
    write(MCR, 0x11); // DSR follows DTR in loopback
    write(DATA, 1);
    write(DATA, 2); // overrun
    expect(read(IIR)).toBe(0x06);
    expect(read(LSR)).toBe(0x63);
    expect(read(IIR)).toBe(0x04);
    expect(read(DATA)).toBe(2);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x00);
    expect(read(MSR) & 0x02).toBe(0x02);
    expect(read(IIR)).toBe(0x01);
  });

  test('below the trigger level the FIFO reports a timeout, at it data available', () => {
    write(FCR, 0x41); // 4 bytes
    write(IER, 0x01);
    arrive(1, 2, 3);
    expect(read(IIR)).toBe(0xcc);
    arrive(4);
    expect(read(IIR)).toBe(0xc4);
  });

  test('reset lowers the line', () => {
    write(MCR, 0x08);
    write(IER, 0x02);
    device.reset();
    expect(line).toBe(false);
  });

  test('restored into a new machine it drives the line there', () => {
    write(MCR, 0x08);
    write(IER, 0x02);
    const raised: number[] = [];
    const other = new Serial(silentContext({ raiseIrq: (irq) => raised.push(irq) }));
    other.restore(device.save());
    expect(raised).toEqual([4]);
  });
});

describe('loopback', () => {
  test('what is sent comes back, nothing goes out and nothing comes in', () => {
    input.push(9);
    write(MCR, 0x10);
    write(DATA, 0x55);
    expect(read(DATA)).toBe(0x55);
    expect(output).toEqual([]);
    expect(input).toEqual([9]);
    write(MCR, 0x00);
    expect(read(DATA)).toBe(9);
  });

  test('modem outputs come back as inputs, with their deltas', () => {
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x0b); // CTS, DSR and DCD fell
    const lines = [0x01, 0x02, 0x04, 0x08].map((bit) => {
      write(MCR, 0x10 | bit);
      return read(MSR) & 0xf0;
    });
    expect(lines).toEqual([0x20, 0x10, 0x40, 0x80]);
    write(MCR, 0x14);
    read(MSR);
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x04); // trailing edge of RI
  });

  test('with FIFOs a seventeenth byte is lost, the sixteen before it stay', () => {
    write(FCR, 0x01);
    write(MCR, 0x10);
    for (let i = 0; i < 17; i++) write(DATA, i);
    expect(read(LSR)).toBe(0x63);
    expect(read(LSR)).toBe(0x61);
    expect(Array.from({ length: 16 }, () => read(DATA))).toEqual(
      Array.from({ length: 16 }, (_, i) => i),
    );
  });
});
