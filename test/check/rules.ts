// SPDX-License-Identifier: GPL-2.0-only
// What the devices of the package are declared to be, from their definitions and data sheets.
import type { DeviceRules } from '../../src/check/index.ts';

const DLAB = 'w1@3=0x80';
const NO_DLAB = 'w1@3=0';

export const RULES: Readonly<Record<string, DeviceRules>> = {
  counter: {
    readEffects: 'all',
    widths: 'low-bits',
    mirrorBytes: 1,
    examples: [
      {
        name: 'counts reads from 1',
        steps: 'r4@0=1 r1@3=2 w4@0=0x99 r2@6=3 r4@4=4 w1@1=0',
        witness: { readsServed: 4, writesServed: 2 },
      },
      {
        name: 'in 64 bits',
        state: { low: 0xfffffffe, high: 6, writes: 0 },
        steps: 'r4@0=0xffffffff r8@0=0x700000000 r4@0=1 r8@0=0x700000002',
        witness: { readsServed: 7 * 2 ** 32 + 2, writesServed: 0 },
      },
    ],
  },
  sequence: {
    examples: [
      {
        name: 'accepts what is one more',
        steps: 'r4@0=0 w4@0=1 w4@4=2 r4@0=2 r4@4=0 w1@0=3 w2@1=4 r4@0=4 r4@4=0',
        witness: { writesServed: 4, last: 4, lost: 0, duplicated: 0, outOfOrder: 0 },
      },
      {
        name: 'the same again is a duplicate',
        steps: 'w4@0=1 w4@0=1 r4@0=1 r4@4=1',
        witness: { writesServed: 2, lost: 0, duplicated: 1, outOfOrder: 0 },
      },
      {
        name: 'what is skipped is lost',
        steps: 'w4@0=5 r4@0=5 r4@4=4',
        witness: { lost: 4, duplicated: 0, outOfOrder: 0 },
      },
      {
        name: 'behind is out of order',
        steps: 'w4@0=5 w4@0=3 r4@0=5 r4@4=5',
        witness: { lost: 4, duplicated: 0, outOfOrder: 1 },
      },
      {
        name: 'a byte counts modulo 256',
        steps: 'w2@0=0x7f w2@0=0xff w1@0=0 r4@0=0x100 r4@4=253',
      },
      {
        name: 'half the ring ahead is behind',
        steps: 'w1@0=0x80 r4@0=0 r4@4=1 w1@0=0x7f r4@0=0x7f',
      },
      {
        name: 'eight bytes',
        steps:
          'w8@0=1 r8@0=1 w8@0=0x100000000 r8@0=0x100000000 w8@0=0x100000001 r8@0=0x100000001 r4@4=0xfffffffe',
      },
      {
        name: 'no number from 2^53 on',
        steps: 'w8@0=0x20000000000000 r8@0=0 r4@4=1 w8@0=0x1fffffffffffff r8@0=0x1fffffffffffff',
      },
    ],
  },
  rmw: {
    // A second read without a write is what it is there to notice, but a guest does not see that.
    widths: 'low-bits',
    mirrorBytes: 4,
    examples: [
      {
        name: 'a read, then that plus 1',
        steps: 'r4@0=0 w4@0=1 r4@4=1 w4@4=2 r1@0=2 w1@0=3 r4@0=3',
        witness: {
          value: 3,
          open: true,
          reads: 4,
          writes: 3,
          repeatedReads: 0,
          unpairedWrites: 0,
          wrongValues: 0,
        },
      },
      {
        name: 'whatever is written is kept',
        steps: 'w4@0=0x11223344 w1@0=0x55 r4@0=0x11223355 w2@0=0 r4@0=0x11220000 r8@0=0x11220000',
        witness: { open: true, repeatedReads: 1, unpairedWrites: 2, wrongValues: 1 },
      },
      {
        name: 'modulo the width',
        state: {
          value: 0x112233ff,
          open: false,
          reads: 0,
          writes: 0,
          repeatedReads: 0,
          unpairedWrites: 0,
          wrongValues: 0,
        },
        steps: 'r1@0=0xff w1@0=0 r4@0=0x11223300 w4@0=0x11223301 w4@0=0xffffffff r4@0 w4@0=0',
        witness: { value: 0, open: false, unpairedWrites: 1, wrongValues: 0 },
      },
    ],
  },
  debugcon: {
    examples: [
      { name: 'is there', steps: 'r1@0=0xe9', witness: { bytesWritten: 0 } },
      {
        name: 'shows what is written',
        steps: 'w1@0=0x41 out=0x41 w1@0=0x0 out=0 r1@0=0xe9',
        witness: { bytesWritten: 2 },
      },
      {
        name: 'wider writes are their bytes, lowest first',
        steps:
          'w2@0=0x4241 out=0x41 out=0x42 w8@0=0x8877665544332211 out=0x11 out=0x22 out=0x33 out=0x44 out=0x55 out=0x66 out=0x77 out=0x88',
        witness: { bytesWritten: 10 },
      },
    ],
  },
  verdict: {
    mirrorBytes: 1,
    widths: 'low-bits',
    examples: [
      { name: 'nothing yet', steps: 'r1@0=0xff', witness: { reports: 0 } },
      {
        name: 'the four verdicts, and nonsense',
        steps:
          'w1@0=0 end=success r1@0=0 w1@0=1 end=skip r1@0=1 w1@0=2 end=error w1@0=3 end=failure r1@0=3 w1@0=4 end=error r1@0=4 w1@0=0xff end=error',
        witness: { reports: 6, verdict: 'error', code: 0xff },
      },
      {
        name: 'only the low byte counts',
        steps: 'w2@0=0x100 end=success r1@0=0',
        witness: { reports: 1, verdict: 'success', code: 0 },
      },
    ],
  },
  blank: {
    widths: 'bytes',
    mirrorBytes: 1,
    registers: [{ name: 'nothing', offset: 0, size: 4, reset: 0, writable: 0 }],
    examples: [
      {
        name: 'counts what reaches it',
        steps: 'r4@0=0 w1@1=5 r1@1=0 w4@4=0xffffffff w1@0=0',
        witness: { readsServed: 2, writesServed: 3 },
      },
    ],
  },
  mailbox: {
    examples: [
      {
        name: 'counts what it takes',
        steps: 'r4@4=0 w4@0=1 w1@3=2 r4@4=2 r4@0=0x4cd5723d w2@4=7 r1@4=2 r1@5=0 r4@4=2',
        witness: { writesTaken: 2, writesDropped: 1 },
      },
    ],
  },
  serial: {
    readEffects: [0, 2, 5, 6],
    widths: 'bytes',
    registers: [
      { name: 'IER', offset: 1, size: 1, reset: 0, writable: 0x0f, after: NO_DLAB },
      { name: 'LCR', offset: 3, size: 1, reset: 0, writable: 0xff },
      { name: 'MCR', offset: 4, size: 1, reset: 0, writable: 0x1f },
      { name: 'SCR', offset: 7, size: 1, reset: 0, writable: 0xff },
      { name: 'DLL', offset: 0, size: 1, reset: 1, writable: 0xff, after: DLAB },
      { name: 'DLM', offset: 1, size: 1, reset: 0, writable: 0xff, after: DLAB },
    ],
    examples: [
      {
        name: 'only bit 7 of LCR shows the divisor',
        steps: 'w1@0=0x41 out=0x41 w1@3=0x7f w1@0=0x42 out=0x42 w1@3=0x83 w1@0=0x0c r1@0=0x0c',
      },
      {
        name: 'an acknowledged transmitter stays so when other interrupts are switched on',
        steps: 'w1@1=2 r1@2=2 w1@1=3 r1@2=1 w1@1=0xf2 r1@2=1',
      },
      {
        name: 'FCR written again leaves the receiver alone',
        steps: 'w1@2=1 in=0x31 w1@2=0x41 w1@2=1 r1@0=0x31',
      },
      {
        name: 'only as much is taken as there is room',
        steps: 'in=1 in=2 w1@2=1 r1@0=2 r1@5=0x60',
        witness: { bytesSent: 0, bytesTaken: 2 },
      },
      {
        name: 'what is not enabled is not reported',
        steps: 'w1@4=0x10 r1@2=1 w1@0=1 w1@0=2 w1@1=1 r1@2=4 r1@5=0x63',
      },
      {
        name: 'an interrupt that was never enabled is not pending',
        steps: 'w1@4=8 w1@1=0xf0 in=0x31 r1@2=1 irq4=0 r1@0=0x31',
      },
      {
        name: 'OUT2 alone gates the interrupt, and bit 0 of MCR is no loopback',
        steps: 'w1@1=2 w1@4=0x10 irq4=0 w1@4=1 w1@0=0x41 out=0x41 irq4=0 w1@4=8 irq4=1',
      },
      {
        name: 'the transmitter has nothing to tell after power-on',
        steps: 'w1@4=8 r1@2=1',
      },
      {
        name: 'the transmitter is empty at once',
        steps: 'r1@5=0x60 w1@0=0x41 out=0x41 r1@5=0x60',
        witness: { bytesSent: 1, bytesTaken: 0 },
      },
      {
        name: 'receives without FIFOs',
        steps: 'r1@0=0 in=0x31 in=0x32 r1@5=0x61 r1@0=0x31 r1@5=0x61 r1@0=0x32 r1@5=0x60',
      },
      {
        name: 'receives with FIFOs',
        steps: 'w1@2=1 r1@2=0xc1 in=0x31 in=0x32 r1@5=0x61 r1@0=0x31 r1@0=0x32 r1@5=0x60',
      },
      {
        name: 'the FIFOs can be emptied',
        steps: 'w1@2=1 in=0x31 w1@2=3 r1@5=0x60 in=0x32 w1@2=0 r1@5=0x60 r1@2=1',
      },
      {
        name: 'received data interrupts',
        steps:
          'w1@1=1 w1@4=8 irq4=0 in=0x31 irq4=1 r1@2=4 r1@0=0x31 irq4=0 r1@2=1 w1@4=0 in=0x32 irq4=0',
      },
      {
        name: 'the FIFO interrupts at its trigger level, below it by timeout',
        steps:
          'w1@2=0x41 w1@1=1 w1@4=8 in=1 r1@2=0xcc in=2 in=3 r1@2=0xcc in=4 r1@2=0xc4 r1@0=1 r1@2=0xcc w1@2=0x81 in=5 in=6 in=7 in=8 r1@2=0xcc in=9 r1@2=0xc4 w1@2=0xc1 r1@2=0xcc in=1 in=2 in=3 in=4 in=5 r1@2=0xcc in=6 r1@2=0xc4',
      },
      {
        name: 'the empty transmitter interrupts until told or written',
        steps:
          'w1@4=8 w1@1=2 irq4=1 r1@2=2 irq4=0 r1@2=1 w1@0=0x41 out=0x41 irq4=1 r1@2=2 irq4=0 w1@1=0 w1@1=2 irq4=1 w1@1=0 irq4=0',
      },
      {
        name: 'loopback: a byte comes back, a second one overruns',
        steps: 'w1@4=0x10 w1@0=0x41 r1@5=0x61 w1@0=0x42 r1@5=0x63 r1@5=0x61 r1@0=0x42 r1@5=0x60',
      },
      {
        name: 'loopback with FIFOs: the 17th byte is lost',
        steps: `w1@2=1 w1@4=0x10 ${Array.from({ length: 17 }, (_, i) => `w1@0=${i}`).join(' ')} r1@5=0x63 ${Array.from({ length: 16 }, (_, i) => `r1@0=${i}`).join(' ')} r1@5=0x60 r1@0=0`,
      },
      {
        name: 'line status interrupts first',
        steps:
          'w1@1=0x0f w1@4=0x18 w1@0=1 w1@0=2 r1@2=6 r1@5=0x63 r1@2=4 r1@0=2 r1@2=2 r1@2=0 r1@6=0x83 r1@2=1',
      },
      {
        name: 'loopback: modem lines come from MCR, changes are told once',
        steps:
          'r1@6=0xb0 w1@4=0x10 r1@6=0x0b r1@6=0 w1@4=0x12 r1@6=0x11 w1@4=0x11 r1@6=0x23 w1@4=0x14 r1@6=0x42 w1@4=0x10 r1@6=0x04 w1@4=0x18 r1@6=0x88 r1@6=0x80',
      },
      {
        name: 'no input is taken in loopback',
        steps: 'w1@4=0x10 in=0x31 r1@5=0x60 w1@4=0 r1@5=0x61 r1@0=0x31',
      },
    ],
  },
};
