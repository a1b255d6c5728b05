// SPDX-License-Identifier: GPL-2.0-only
// The pair of 8259A by its data sheet (Intel 231468-003), at its ports.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type hvm_irq,
  hvm_isa_irq_assert,
  hvm_isa_irq_deassert,
  vpic_ack_pending_irq,
  vpic_ioport_read,
  vpic_ioport_write,
  vpic_pending,
  vpic_power_on,
} from '../../../src/xen/hvm/vpic.ts';

const READ_IRR = 0x0a;
const READ_ISR = 0x0b;
const POLL = 0x0c;
const EOI = 0x20;

let irq: hvm_irq;
const out = (port: number, ...values: number[]): void => {
  for (const value of values) vpic_ioport_write(irq, port, value);
};
const read = (port: number): number => vpic_ioport_read(irq, port);
/** An edge, and the line is low again only once it is taken. */
const edge = (line: number): void => {
  hvm_isa_irq_deassert(irq, line);
  hvm_isa_irq_assert(irq, line);
};
const told = (port: number, command: number): number => {
  out(port, command);
  return read(port);
};

/** @param icw4 - of the master */
function start(icw4 = 1): void {
  irq = vpic_power_on();
  out(0x20, 0x11);
  out(0x21, 0x08, 0x04, icw4);
  out(0xa0, 0x11);
  out(0xa1, 0x70, 0x02, 0x01);
}

beforeEach(() => start());

describe('a poll', () => {
  it('answers bit 7 and the line, and acknowledges it', () => {
    edge(3);
    edge(5);
    expect(told(0x20, POLL)).toBe(0x83);
    expect(told(0x20, READ_ISR)).toBe(0x08);
    expect(told(0x20, READ_IRR)).toBe(0x20);
    out(0x20, EOI);
    expect(told(0x20, POLL)).toBe(0x85);
  });

  it('answers 0 when there is no request, or only a masked or a less urgent one', () => {
    expect(told(0x20, POLL)).toBe(0);
    out(0x21, 0x08);
    edge(3);
    expect(told(0x20, POLL)).toBe(0);
    out(0x21, 0);
    edge(1);
    expect(told(0x20, POLL)).toBe(0x81);
    expect(told(0x20, POLL)).toBe(0);
  });

  it('of the master names the slave, which has to be asked as well', () => {
    edge(12);
    expect(told(0x20, POLL)).toBe(0x82);
    expect(told(0xa0, POLL)).toBe(0x84);
    expect(told(0xa0, READ_ISR)).toBe(0x10);
  });
});

describe('modes', () => {
  it('automatic end of interrupt leaves nothing in service', () => {
    start(3);
    edge(4);
    expect(vpic_ack_pending_irq(irq)).toBe(0x0c);
    expect(told(0x20, READ_ISR)).toBe(0);
  });

  it('special mask mode lets less urgent lines through while one is in service and masked', () => {
    edge(1);
    expect(vpic_ack_pending_irq(irq)).toBe(0x09);
    edge(6);
    expect(vpic_pending(irq)).toBe(false);
    out(0x20, 0x68);
    out(0x21, 0x02);
    expect(vpic_ack_pending_irq(irq)).toBe(0x0e);
    expect(told(0x20, READ_ISR)).toBe(0x42);
  });

  it('rotation makes the line that was served the least urgent one', () => {
    edge(0);
    expect(vpic_ack_pending_irq(irq)).toBe(0x08);
    out(0x20, 0xa0);
    edge(0);
    edge(7);
    expect(vpic_ack_pending_irq(irq)).toBe(0x0f);
    out(0x20, 0xc6);
    out(0x20, 0x67);
    expect(vpic_ack_pending_irq(irq)).toBe(0x08);
  });

  it('a line that is gone before it is acknowledged is none any more', () => {
    edge(5);
    hvm_isa_irq_deassert(irq, 5);
    expect(vpic_pending(irq)).toBe(false);
    expect(told(0x20, READ_IRR)).toBe(0);
  });
});
