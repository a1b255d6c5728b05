// SPDX-License-Identifier: GPL-2.0-only
// Interrupts and exceptions in real mode: through the vector table, at boundaries, with the frames a processor pushes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXIT_BOUNDARY,
  EXIT_HLT,
  EXIT_PIO,
  EXIT_PIO_STRING,
  RAX,
  RBX,
  RCX,
  RDI,
  RSI,
  RSP,
} from '../../src/cpu/backend.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { CODE, HANDLER_PORT, IF, Machine, STACK, TF } from './machine.ts';

let m: Machine;
beforeAll(() => {
  m = new Machine();
});
afterAll(() => m[Symbol.dispose]());

/** IP, CS, FLAGS that a handler finds on its stack; IP relative to CODE. */
function frame(): { ip: number; cs: number; flags: number } {
  return { ip: m.stack(0, 16) - CODE, cs: m.stack(1, 16), flags: m.stack(2, 16) };
}

describe('behind STI a repeated instruction is interrupted behind its first element', () => {
  test.each([
    ['rep movsb', 0xf3, 0xa4],
    ['repe cmpsb', 0xf3, 0xa6],
    ['rep stosw', 0xf3, 0xab],
    ['rep lodsb', 0xf3, 0xac],
    ['repne scasb', 0xf2, 0xae],
    ['rep insb', 0xf3, 0x6c],
    ['rep outsb', 0xf3, 0x6e],
  ] as const)('%s', (_, prefix, opcode) => {
    using own = new Machine();
    own.real(Uint8Array.of(0xfb, prefix, opcode, 0xf4));
    own.cpu.regs.setGpr(RCX, 40);
    own.cpu.regs.setGpr(RAX, 1);
    own.cpu.regs.setGpr(RSI, 0x4000);
    own.cpu.regs.setGpr(RDI, 0x4100);
    own.cpu.irq = 0x20;
    while (own.cpu.run() === EXIT_PIO_STRING) own.cpu.answer(0, 0);
    expect([own.cpu.exitAddr, own.cpu.regs.gpr(RBX) & 0xff]).toEqual([HANDLER_PORT, 0x20]);
    expect(own.stack(0, 16)).toBe(CODE + 1);
    expect(own.cpu.regs.gpr(RCX)).toBe(39);
  });
});

describe('exceptions and software interrupts', () => {
  const cases: readonly [string, Uint8Array, number, number][] = [
    // what, code, vector, IP in the frame
    ['INT n: IP behind it', asm16('90cd42f4', 'nop; int 0x42; hlt'), 0x42, 3],
    ['INT3', asm16('90ccf4', 'nop; int3; hlt'), 3, 2],
    ['INTO with OF', asm16('b07ffec0cef4', 'mov al,0x7f; inc al; into; hlt'), 4, 5],
    [
      '#DE by division by 0: IP on it',
      asm16('b80500b100f6f1f4', 'mov ax,5; mov cl,0; div cl; hlt'),
      0,
      5,
    ],
    ['#DE by overflow', asm16('b80080b101f6f1f4', 'mov ax,0x8000; mov cl,1; div cl; hlt'), 0, 5],
    ['#DE by AAM 0', asm16('90d400f4', 'nop; aam 0; hlt'), 0, 1],
    ['#UD: IP on it', asm16('900f0bf4', 'nop; ud2; hlt'), 6, 1],
    ['#UD by LOCK', asm16('90f090f4', 'nop; lock nop; hlt'), 6, 1],
    [
      '#UD by LOCK CMP with memory',
      asm16('90f038060040f4', 'nop; lock cmp [0x4000],al; hlt'),
      6,
      1,
    ],
    ['#UD by a far jump through a register', asm16('90ffe8f4', 'nop; db 0xff,0xe8; hlt'), 6, 1],
    [
      'the same behind an access to memory',
      asm16('a00040ffe8f4', 'mov al,[0x4000]; db 0xff,0xe8; hlt'),
      6,
      3,
    ],
    [
      '#UD by a far call through a register',
      asm16('a0004066ffdff4', 'mov al,[0x4000]; db 0x66,0xff,0xdf; hlt'),
      6,
      3,
    ],
    ['#UD by LLDT in real mode', asm16('900f00d0f4', 'nop; lldt ax; hlt'), 6, 1],
    ['#BR', asm16('b8090062060040f4', 'mov ax,9; bound ax,[0x4000]; hlt'), 5, 3],
  ];
  for (const [what, code, vector, ip] of cases) {
    test(what, () => {
      m.real(code, 2 | IF);
      m.ram.write(0x4000, 4, 0x00020001);
      const before = { count: m.cpu.icount, taken: m.cpu.exceptionsTaken };
      expect(m.toHandler()).toBe(vector);
      expect(frame()).toMatchObject({ ip, cs: 0 });
      expect(frame().flags & IF).toBe(IF);
      expect(m.cpu.regs.rflags & (IF | TF)).toBe(0);
      expect(m.cpu.regs.gpr(RSP)).toBe(STACK - 6);
      expect(m.cpu.exceptionsTaken - before.taken).toBe(1);
      expect(m.cpu.icount).toBeGreaterThan(before.count);
    });
  }

  test('INTO without OF does nothing', () => {
    m.real(asm16('31c0ce43f4', 'xor ax,ax; into; inc bx; hlt'));
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBX)).toBe(1);
  });

  test('an exception is one instruction of the count, delivery included', () => {
    // div (faults) = 1, then mov, out, iret of the handler
    m.real(asm16('b100f6f1f4', 'mov cl,0; div cl; hlt'));
    const start = m.cpu.icount;
    m.toHandler();
    expect(m.cpu.icount - start).toBe(3);
    m.real(asm16('90cd42f4', 'nop; int 0x42; hlt'));
    const again = m.cpu.icount;
    m.toHandler();
    expect(m.cpu.icount - again).toBe(3);
  });

  test('IRET goes on behind it', () => {
    m.real(asm16('cd4241cd4341f4', 'int 0x42; inc cx; int 0x43; inc cx; hlt'));
    expect(m.toHandler()).toBe(0x42);
    m.leaveHandler();
    expect(m.toHandler()).toBe(0x43);
    m.leaveHandler();
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(2);
    expect(m.cpu.regs.gpr(RSP)).toBe(STACK);
  });

  test('the second and third exception are as good as the first', () => {
    m.real(asm16('0f0bf4', 'ud2; hlt'));
    for (let i = 0; i < 5; i++) {
      expect(m.toHandler()).toBe(6);
      m.leaveHandler();
    }
  });

  test('an exception that the owner injects', () => {
    m.real(asm16('ec41f4', 'in al,dx; inc cx; hlt'));
    m.runTo(EXIT_PIO);
    m.cpu.injectException(6, -1);
    expect(m.toHandler()).toBe(6);
    expect(frame().ip).toBe(0);
    m.leaveHandler();
    expect(m.port(7)).toBe('in 0');
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(7);
  });
});

describe('external interrupts', () => {
  test('wait for IF', () => {
    m.real(asm16('90e46090f4', 'nop; in al,0x60; nop; hlt'));
    m.cpu.irq = 0x70;
    expect(m.port()).toBe('in 60');
    m.runTo(EXIT_HLT);
    expect(m.cpu.irq).toBe(0x70);
    m.cpu.irq = -1;
  });

  test('are taken at the first boundary', () => {
    m.real(asm16('4040f4', 'inc ax; inc ax; hlt'), 2 | IF);
    m.cpu.irq = 0x70;
    const taken = m.cpu.irqsTaken;
    expect(m.toHandler()).toBe(0x70);
    expect(frame()).toMatchObject({ ip: 0, cs: 0 });
    expect(m.cpu.irq).toBe(-1);
    expect(m.cpu.irqsTaken).toBe(taken + 1);
    m.leaveHandler();
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(2);
  });

  test('STI holds them off for one instruction', () => {
    m.real(asm16('fb4040f4', 'sti; inc ax; inc ax; hlt'));
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(2);
  });

  // A processor gives no shadow here; the emulator does, which only delays an interrupt by one instruction.
  test('STI with IF already set delays them once, and a row of STI not for ever', () => {
    m.real(asm16('90fbfbfbfb40f4', 'nop; sti; sti; sti; sti; inc ax; hlt'), 2 | IF);
    m.cpu.step();
    m.cpu.step();
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(3);
  });

  test('MOV SS holds them off for one instruction', () => {
    m.real(asm16('8ed34040f4', 'mov ss,bx; inc ax; inc ax; hlt'), 2 | IF);
    m.runTo(EXIT_BOUNDARY, () => m.cpu.step());
    expect(m.cpu.regs.interruptShadow).toBe(true);
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(3);
  });

  test('POP SS holds them off for one instruction', () => {
    m.real(asm16('16174040f4', 'push ss; pop ss; inc ax; inc ax; hlt'), 2 | IF);
    m.cpu.step();
    m.cpu.step();
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(3);
  });

  test('the shadow of a boundary outlives save and restore', () => {
    m.real(asm16('fb4040f4', 'sti; inc ax; inc ax; hlt'));
    m.runTo(EXIT_BOUNDARY, () => m.cpu.step());
    const state = m.cpu.save();
    m.cpu.restore(state);
    expect(m.cpu.regs.interruptShadow).toBe(true);
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(2);
  });

  test('the shadow covers an I/O instruction that is rolled back', () => {
    m.real(asm16('fbe46041f4', 'sti; in al,0x60; inc cx; hlt'));
    m.runTo(EXIT_PIO);
    m.cpu.irq = 0x70;
    m.cpu.rollback();
    expect(m.cpu.regs.interruptShadow).toBe(true);
    expect(m.port(9)).toBe('in 60');
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(3);
    m.leaveHandler();
    m.runTo(EXIT_HLT);
  });

  test('raised at an answered access: taken right behind it', () => {
    m.real(asm16('40e661414141f4', 'inc ax; out 0x61,al; inc cx; inc cx; inc cx; hlt'), 2 | IF);
    m.runTo(EXIT_PIO);
    m.cpu.irq = 0x70;
    m.cpu.answer(0, 0);
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(3);
    expect(m.cpu.regs.gpr(RCX)).toBe(0);
  });

  test('raised at a finished access: taken right behind it', () => {
    m.real(asm16('e4614141f4', 'in al,0x61; inc cx; inc cx; hlt'), 2 | IF);
    m.runTo(EXIT_PIO);
    m.cpu.irq = 0x70;
    m.runTo(EXIT_BOUNDARY, () => m.cpu.finish(0x55, 0));
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(2);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(0x55);
  });

  test('raised at an access that is rolled back: taken before it, and the access comes again', () => {
    m.real(asm16('41e46141f4', 'inc cx; in al,0x61; inc cx; hlt'), 2 | IF);
    m.runTo(EXIT_PIO);
    m.cpu.irq = 0x70;
    m.runTo(EXIT_PIO);
    expect(m.cpu.exitAddr).toBe(HANDLER_PORT);
    expect(frame().ip).toBe(1);
    m.leaveHandler();
    expect(m.port(0x66)).toBe('in 61');
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(0x66);
    expect(m.cpu.regs.gpr(RCX)).toBe(2);
  });

  test('between the repetitions of a REP', () => {
    m.real(asm16('b90500bf0040f36c43f4', 'mov cx,5; mov di,0x4000; rep insb; inc bx; hlt'), 2 | IF);
    const port = (answer: number): void => {
      m.runTo(EXIT_PIO_STRING);
      m.cpu.answer(answer, 0);
    };
    port(1);
    m.runTo(EXIT_PIO_STRING);
    m.cpu.irq = 0x70;
    m.cpu.answer(2, 0);
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(6);
    expect([m.cpu.regs.gpr(RCX), m.cpu.regs.gpr(RDI)]).toEqual([3, 0x4002]);
    m.leaveHandler();
    for (const n of [3, 4, 5]) port(n);
    m.runTo(EXIT_HLT);
    expect([...m.ram.bytes.subarray(0x4000, 0x4006)]).toEqual([1, 2, 3, 4, 5, 0]);
  });

  test('POPF and IRET open the door at once', () => {
    m.real(asm16('6802029d4040f4', 'push 0x202; popf; inc ax; inc ax; hlt'));
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(4);
  });
});

describe('HLT', () => {
  test('waits for an interrupt, and goes on behind it', () => {
    m.real(asm16('fbf441f4', 'sti; hlt; inc cx; hlt'));
    m.runTo(EXIT_HLT);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.halted).toBe(true);
    expect(m.cpu.regs.rip).toBe(CODE + 2);
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(2);
    m.leaveHandler();
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });

  test('with an interrupt already there does not wait', () => {
    m.real(asm16('fbf441f4', 'sti; hlt; inc cx; hlt'));
    m.cpu.irq = 0x70;
    expect(m.toHandler()).toBe(0x70);
    expect(frame().ip).toBe(2);
  });

  test('with IF clear waits for ever', () => {
    m.real(asm16('faf441f4', 'cli; hlt; inc cx; hlt'));
    m.cpu.irq = 0x70;
    for (let i = 0; i < 3; i++) m.runTo(EXIT_HLT);
    expect(m.cpu.regs.rip).toBe(CODE + 2);
    m.cpu.irq = -1;
  });

  test('is not left by a step, nor by save and restore', () => {
    m.real(asm16('f441f4', 'hlt; inc cx; hlt'));
    m.runTo(EXIT_BOUNDARY, () => m.cpu.step());
    m.runTo(EXIT_HLT, () => m.cpu.step());
    const state = m.cpu.save();
    m.real(asm16('f441f4', 'hlt; inc cx; hlt'));
    m.cpu.restore(state);
    expect(m.cpu.regs.halted).toBe(true);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(0);
    m.cpu.regs.halted = false;
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });
});

describe('single step (TF)', () => {
  const setTf = asm16('6802019d', 'push 0x102; popf');

  test('traps behind each instruction, an I/O instruction included, which makes one access', () => {
    // The instruction that sets TF is not trapped itself.
    m.real(Uint8Array.of(...setTf, ...asm16('41e46041f4', 'inc cx; in al,0x60; inc cx; hlt')));
    const ips = [];
    let accesses = 0;
    for (let guard = 0; guard < 12 && ips.length < 3; guard++) {
      m.runTo(EXIT_PIO);
      if (m.cpu.exitAddr === HANDLER_PORT) {
        expect(m.cpu.regs.gpr(RBX) & 0xff).toBe(1);
        expect(frame().flags & TF).toBe(TF);
        ips.push(frame().ip);
      } else accesses++;
      m.cpu.answer(0x33, 0);
    }
    expect(ips).toEqual([5, 7, 8]);
    expect(accesses).toBe(1);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(0x33);
  });

  test('also when the access is finished, rolled back or restored', () => {
    m.real(Uint8Array.of(...setTf, ...asm16('e46041f4', 'in al,0x60; inc cx; hlt')));
    m.runTo(EXIT_PIO);
    m.cpu.rollback();
    m.runTo(EXIT_PIO);
    const state = m.cpu.save();
    m.cpu.restore(state);
    m.runTo(EXIT_PIO);
    expect(m.cpu.exitAddr).toBe(0x60);
    m.runTo(EXIT_BOUNDARY, () => m.cpu.finish(0x44, 0));
    expect(m.toHandler()).toBe(1);
    expect(frame().ip).toBe(6);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(0x44);
  });

  test('traps behind each repetition of a REP', () => {
    m.real(
      Uint8Array.of(
        ...asm16('b90300bf0040', 'mov cx,3; mov di,0x4000'),
        ...setTf,
        ...asm16('f36c90f4', 'rep insb; nop; hlt'),
      ),
    );
    const left = [];
    for (let element = 0; element < 3; element++) {
      m.runTo(EXIT_PIO_STRING);
      m.cpu.answer(element, 0);
      expect(m.toHandler()).toBe(1);
      left.push([m.cpu.regs.gpr(RCX), frame().ip]);
      m.leaveHandler();
    }
    expect(left.slice(0, 2)).toEqual([
      [2, 10],
      [1, 10],
    ]);
    expect(left[2]?.[0]).toBe(0);
  });
});

describe('rolled back', () => {
  test('twice is as good as once, and a step meets the access again', () => {
    m.real(asm16('41e460f4', 'inc cx; in al,0x60; hlt'));
    m.runTo(EXIT_PIO);
    m.cpu.rollback();
    expect(m.cpu.regs.rip).toBe(CODE + 1);
    m.runTo(EXIT_PIO, () => m.cpu.step());
    m.cpu.rollback();
    m.cpu.rollback();
    expect(m.cpu.regs.rip).toBe(CODE + 1);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });
});
