// SPDX-License-Identifier: GPL-2.0-only
// What a record of the single-instruction tests says: registers, accesses to ports, pushed flags.
import type { MooCycle, MooTest, RegisterValues } from './moo.ts';

/** What the bus is for, by processor: read from a port, write to one. */
const PORT_STATUS: Readonly<Record<string, readonly [read: number, write: number]>> = {
  '386E': [2, 3],
};
const PORT_STATUS_286 = [9, 10] as const;

/**
 * The accesses to ports that the bus cycles show, as `Outcome.io` writes them. A word at an odd port takes two cycles of
 * a byte each, one behind the other; no instruction makes two such accesses of its own.
 */
export function ioOf(cycles: readonly MooCycle[], cpu = ''): string[] {
  const [reads, writes] = PORT_STATUS[cpu] ?? PORT_STATUS_286;
  interface Access {
    read: boolean;
    port: number;
    size: number;
    value: number;
  }
  const found: Access[] = [];
  cycles.forEach(({ pins, address, status, tState }, row) => {
    if (tState !== 1 || (status !== reads && status !== writes)) return;
    const data = cycles[row + 1]?.data ?? 0;
    // BHE, active low: the upper half of the data bus carries a byte. An odd port is always there.
    const high = (pins & 2) === 0;
    const odd = (address & 1) !== 0;
    const size = !odd && high ? 2 : 1;
    const value = odd ? data >>> 8 : data & (high ? 0xffff : 0xff);
    const read = status === reads;
    const last = found.at(-1);
    const second = size === 1 && !odd && last?.size === 1 && last.port === address - 1;
    if (second && last.read === read)
      found.splice(-1, 1, { ...last, size: 2, value: last.value | (value << 8) });
    else found.push({ read, port: address, size, value });
  });
  return found.map(({ read, port, size, value }) => ioText(read, port, size, value));
}

/** `in 60.1=ff`: direction, port, bytes, value. */
export function ioText(read: boolean, port: number, size: number, value: number): string {
  return `${read ? 'in' : 'out'} ${port.toString(16)}.${size}=${value.toString(16)}`;
}

/** All registers behind the test: those the file leaves out are as before it. */
export function finalRegisters({ initial, final }: MooTest): RegisterValues {
  return { ...initial.regs, ...final.regs };
}

/**
 * Where an exception's flags were pushed, -1 without one. With an odd stack pointer the file has the even address below,
 * that of the bus cycle. A POP that faults at its destination has moved the stack pointer before.
 * @throws Error if the file has any other address
 */
export function pushedFlags({ initial, exception, index }: MooTest): number {
  if (exception === null) return -1;
  const { ss = 0, sp = 0 } = initial.regs;
  const places = [sp - 2, sp].map((offset) => ss * 16 + (offset & 0xffff));
  const at = places.find(
    (place) => exception.flagsAt === place || exception.flagsAt === place - (place & 1),
  );
  if (at === undefined) throw new Error(`test ${index}: flags pushed elsewhere`);
  return at;
}
