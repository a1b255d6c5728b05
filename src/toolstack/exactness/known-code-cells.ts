// SPDX-License-Identifier: GPL-2.0-only
// Cells that know their results, about the code around an access: flags, counts, changing code, IP, shadows.
import { answerTo, DATA, FIRST_DEVICE, PORT_DX, PORT_IMM, pattern } from './cell.ts';
import type { Bits, Code } from './code.ts';
import { type Add, wantCarry, wantCount, wantFlags, wantMemory, wantReg } from './known.ts';

const AT = FIRST_DEVICE + 0x10;
/** What the handler of every interrupt increments. */
const HANDLED = 0x3000;
const EAX = 0;
const ECX = 1;
const EDX = 2;
const EDI = 7;
const IN = [0xe4, PORT_IMM] as const;

/** Leaves all arithmetic flags to be computed: of 7FFFFFFF + 1, or of FFFFFFFF + 1. */
function add1(c: Code, carry: 0 | 1): Code {
  return c
    .set(EAX, carry === 1 ? 0xffffffff : 0x7fffffff)
    .wide(4)
    .raw(0x83, 0xc0, 1);
}
const FLAGS_OF_ADD = [0x894, 0x055] as const;

function flags(add: Add): void {
  for (const carry of [0, 1] as const) {
    const of = FLAGS_OF_ADD[carry];
    add(`flags ${of.toString(16)} over IN`, (c) => wantFlags(add1(c, carry).raw(...IN), of));
    add(`flags ${of.toString(16)} over MOV`, (c) =>
      wantFlags(add1(c, carry).memory([0x8b], EAX, AT, 4), of),
    );
    // Those that are not a matter of one comparison are all computed before the store.
    for (const [name, opcode] of [
      ['SETC', 0x92],
      ['SETP', 0x9a],
      ['SETLE', 0x9e],
    ] as const) {
      add(`flags ${of.toString(16)} over ${name}`, (c) =>
        wantFlags(add1(c, carry).memory([0x0f, opcode], 0, AT, 1), of),
      );
    }
    for (const size of [1, 2, 4] as const) {
      const top = 0x80 * 2 ** (8 * size - 8);
      for (const [name, reg, out] of [
        ['RCL', 2, top],
        ['RCR', 3, 1],
      ] as const) {
        // The bit that is rotated out is the opposite of the carry that is rotated in.
        const answers = [carry === 0 ? out : 0];
        const rotated = carry === 0 ? 0 : name === 'RCL' ? 1 : top;
        add(
          `${name} ${size}, carry ${carry} in`,
          (c) => {
            add1(c, carry).memory([size === 1 ? 0xd0 : 0xd1], reg, AT, size);
            wantCarry(c, carry === 0 ? 1 : 0);
            c.memory([0x8b], EAX, FIRST_DEVICE + 0x800, 4);
            wantReg(c, EAX, rotated);
          },
          { answers },
        );
      }
    }
  }
}

/** Every instruction counts once, however often it is executed until its accesses are answered. */
function counts(add: Add): void {
  add('count of IN', (c) => wantCount(c, 4, (b) => b.raw(0x90, ...IN, 0x90, ...IN)));
  add('count of ADD to a device', (c) =>
    wantCount(c, 3, (b) => b.raw(0x90).memory([0x01], EAX, AT, 4).raw(0x90)),
  );
  add('count of REP INSB', (c) => {
    // Three repetitions, and the look at CX that ends them.
    c.set(EDI, DATA).set(ECX, 3);
    wantCount(c, 1 + 4 + 1, (b) => b.set(EDX, PORT_DX).raw(0xf3, 0x6c, 0x90));
  });
  add('count of REP STOSB to a device', (c) => {
    c.set(EDI, AT).set(ECX, 3);
    wantCount(c, 4 + 1, (b) => b.raw(0xf3, 0xaa, 0x90));
  });
  add('count around INTO', (c) => {
    // The handler is INC and IRET.
    wantCount(c, 3 + 2 + 3, (b) => add1(b, 0).raw(0xce, ...IN, 0x90, 0x90));
    wantMemory(c, HANDLED, [pattern(HANDLED) + 1]);
  });
}

/** inc byte [the 10 that follows]; add dl, 10; in al, PORT_IMM */
function change(c: Code): void {
  const length = c.bits === 16 ? 4 : 6;
  c.memory([0xfe], 0, c.here + length + 2, 1).raw(0x80, 0xc2, 0x10, ...IN);
}

function code(add: Add, bits: Bits): void {
  add('code changed thrice', (c) => {
    c.set(ECX, 3).set(EDX, 0);
    const start = c.here;
    change(c);
    c.raw(0xe2, (start - (c.here + 2)) & 255);
    wantReg(c, EDX, 0x11 + 0x12 + 0x13);
  });
  add('count of changed code', (c) =>
    wantCount(c, 5, (b) => {
      change(b);
      b.raw(0x90, 0x90);
    }),
  );
  if (bits === 32) return;
  add('IP wraps behind IN', (c) => {
    // FFFC: nop; in al, PORT_IMM; inc ax. 0: inc bx; jmp back
    c.set(EAX, 0x40000000 + PORT_IMM * 0x10000 + 0xe490).memory([0x89], EAX, 0xfffc, 4);
    const back = c.here + 6 + 5 + 6 + 3;
    c.set(EAX, (back - 4) * 0x10000 + 0xe943).memory([0x89], EAX, 0, 4);
    c.set(EAX, 0).raw(0xe9);
    const distance = 0xfffc - (c.here + 2);
    c.raw(distance & 255, distance >> 8);
    wantReg(c, EAX, (answerTo(0) & 255) + 1);
  });
}

/** After STI, and after MOV SS, one instruction comes before the interrupt. */
function shadows(add: Add): void {
  const heldOff = (c: Code): void => {
    // mov al, [HANDLED]; cli
    c.memory([0x8a], EAX, HANDLED, 1).raw(0xfa).memory([0x88], EAX, DATA, 1);
    wantMemory(c, DATA, [pattern(HANDLED)]);
    wantMemory(c, HANDLED, [pattern(HANDLED) + 1]);
  };
  for (const irqAt of [1, 3]) {
    add(`STI holds off the interrupt at ${irqAt}`, (c) => heldOff(c.raw(0xfb)), { irqAt });
  }
  // HLT under the shadow of STI, with the interrupt waiting: taken behind it.
  add(
    'HLT is left behind itself',
    (c) => {
      c.set(EAX, 0).raw(0xfb, 0xf4, 0x40, 0xfa);
      wantReg(c, EAX, 1);
      wantMemory(c, HANDLED, [pattern(HANDLED) + 1]);
    },
    { irqAt: 4 },
  );
  add('MOV SS holds off the interrupt', (c) => heldOff(c.raw(0xfb, 0x90, 0x8c, 0xd0, 0x8e, 0xd0)), {
    irqAt: 6,
  });
}

/** Adds these cells. */
export function knownCodeCells(add: Add, bits: Bits): void {
  flags(add);
  counts(add);
  code(add, bits);
  shadows(add);
}
