// SPDX-License-Identifier: GPL-2.0-only
// A machine whose guest is not left for some accesses: when devices get them, what becomes of those that do what they may
// not, and what a checkpoint finds.
import { describe, expect, test } from 'vitest';
import type { Device, DeviceContext, DeviceState } from '../../src/dm/device.ts';
import { parseDeviceSpec } from '../../src/dm/registry.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { LiveChecker } from '../../src/ledger/live-checker.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/machine-options.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { StraightIo } from '../../src/machine/straight-io.ts';
import { guestOf } from '../../src/toolstack/bench/programs.ts';
import { checkpoint, pagesInUse } from '../../src/toolstack/checkpoint.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';
import { domain_shutdown } from '../../src/xen/common/domain.ts';
import { SHUTDOWN_suspend } from '../../src/xen/public/sched.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { rings } from './late.ts';

const PORT = 0x240;

function machineOf(
  code: Uint8Array,
  devices: MachineOptions['devices'],
  more: Partial<MachineOptions> = {},
): { machine: Machine; loop: RunLoop } {
  const guest = guestOf({ name: 'g', unit: 'access', code, roundInsns: 1, roundUnits: 1 });
  const machine = new Machine({ guest, devices, ...more });
  return { machine, loop: new RunLoop(machine) };
}

function stayed({ straight }: Machine): number {
  return straight instanceof StraightIo ? (straight.posted?.taken ?? 0) : 0;
}

/** Writes to all four ports are posted; `write` says what they do. */
function posting(
  write: (value: number, context: DeviceContext, machine: () => Machine) => void,
  machine: () => Machine,
): MachineOptions['devices'][number] {
  const create = (context: DeviceContext): Device => {
    let writes = 0;
    return {
      name: 'posting',
      posted: [{ first: 0, last: 3 }],
      read: () => writes,
      write: (_offset, _size, value) => {
        writes++;
        write(value, context, machine);
      },
      reset: () => {},
      sleep: () => {},
      wake: () => {},
      save: () => ({ writes }),
      restore: (state: DeviceState) => {
        writes = Number(state.writes);
      },
      witness: () => ({ writes }),
    };
  };
  const factory = { name: 'posting', summary: '', defaultRange: '0x240-0x243', create };
  return { factory, range: { space: 'pio', start: PORT, end: PORT + 3 } };
}

// mov dx, PORT; three OUTs; then for ever.
const THREE = asm16(
  'ba4002ee40ee40ee40ebfd',
  'mov dx,0x240; out dx,al; inc ax; out dx,al; inc ax; out dx,al; l: inc ax; jmp l',
);

test('of two interrupts at once the second one comes as soon as where every access leaves the guest', () => {
  const code = asm16(
    'c70628000006c7062a000000c7062c001006c7062e000000ba400231c9ec41eefb90faebf9',
    'mov word [0x28],0x600; mov word [0x2a],0; mov word [0x2c],0x610; mov word [0x2e],0; ' +
      'mov dx,0x240; xor cx,cx; in al,dx; l: inc cx; out dx,al; sti; nop; cli; jmp l',
  );
  // mov [0x700],cx; iret, and mov [0x702],cx; iret
  const handlers = [
    [0x600, Uint8Array.of(0x89, 0x0e, 0x00, 0x07, 0xcf)],
    [0x610, Uint8Array.of(0x89, 0x0e, 0x02, 0x07, 0xcf)],
  ] as const;
  const rounds = [true, false].map((posted) => {
    const device = posting(
      () => {},
      () => machine,
    );
    const { create } = device.factory;
    device.factory.create = (context) => {
      const inner = create(context);
      const read = inner.read.bind(inner);
      inner.read = (...at) => {
        context.raiseIrq(2);
        context.raiseIrq(3);
        return read(...at);
      };
      return inner;
    };
    const { machine, loop } = machineOf(code, [device], { posted });
    using m = machine;
    for (const [at, bytes] of handlers) m.ram.writeBytes(at, bytes);
    loop.deadline = 2000;
    expect(loop.run()).toBe('deadline');
    expect(stayed(m) > 0).toBe(posted);
    return [m.ram.read(0x700, 2), m.ram.read(0x702, 2)];
  });
  expect(rounds[0]).toEqual(rounds[1]);
  expect(rounds[0]).toEqual([1, 2]);
});

describe('what was written', () => {
  test('arrives while the guest does not come out by itself, in order and with its time', () => {
    const seen: string[] = [];
    let m: Machine | null = null;
    const device = posting(
      (value, { nowNs }) => seen.push(`${value} at ${nowNs()}`),
      () => m as Machine,
    );
    const { machine, loop } = machineOf(THREE, [device]);
    using _ = machine;
    m = machine;
    const start = machine.cpu.icount;
    loop.deadline = start + 200_000;
    let atFirst = -1;
    const { cpu } = machine;
    const takeIn = cpu.goOn.bind(cpu);
    cpu.goOn = () => {
      const exit = takeIn();
      if (seen.length === 0) atFirst = cpu.icount - start;
      return exit;
    };
    expect(loop.run()).toBe('deadline');
    expect(seen).toEqual([0, 1, 2].map((n) => `${n} at ${start + 1 + 2 * n}`));
    // Long before the deadline.
    expect(atFirst).toBeLessThan(70_000);
    expect([cpu.icount - start, stayed(machine)]).toEqual([200_000, 3]);
  });

  test('a checkpoint finds nothing of it', () => {
    const { machine, loop } = machineOf(
      asm16('ba2802ee40ebfc', 'mov dx,0x228; l: out dx,al; inc ax; jmp l'),
      [parseDeviceSpec('mailbox')],
    );
    using _ = machine;
    const snapshot = new Snapshot(machine);
    for (let n = 1; n < 40; n++) {
      loop.deadline = machine.cpu.icount + n;
      expect(loop.run()).toBe('deadline');
      expect(rings(machine)).toEqual([0]);
      domain_shutdown(machine.domain, SHUTDOWN_suspend);
      expect(loop.run()).toBe('shutdown');
      expect(pagesInUse(machine)).toEqual([]);
      checkpoint(machine, snapshot, () => {});
    }
    const { writesTaken } = machine.testimonies()['mailbox@0x228-0x22f'] ?? {};
    expect(stayed(machine)).toBe(writesTaken);
    expect(writesTaken).toBeGreaterThan(200);
    // Taken back, it goes on from there.
    snapshot.restore(machine);
    loop.deadline = machine.cpu.icount + 3;
    loop.run();
    expect(machine.testimonies()['mailbox@0x228-0x22f']?.writesTaken).toBe(Number(writesTaken) + 1);
  });

  test('is in the books as it would be otherwise, read registers too', () => {
    const events: string[][] = [];
    for (const posted of [true, false]) {
      const heard: string[] = [];
      const sink = {
        access: (stage: string, seq: number, a: object) =>
          heard.push(`${seq} ${stage} ${JSON.stringify(a)}`),
        mark: () => {},
      };
      const checker = new LiveChecker();
      const ledger = new Ledger({ sinks: [sink, checker] });
      const { machine, loop } = machineOf(
        // mov dx,0x228; l: out dx,eax; mov dx,0x22c; in eax,dx; rol eax,7; mov dx,0x228; jmp l
        asm16(
          'ba280266efba2c0266ed66c1c007ba2802ebf0',
          'mov dx,0x228; l: out dx,eax; mov dx,0x22c; in eax,dx; rol eax,7; mov dx,0x228; jmp l',
        ),
        [parseDeviceSpec('mailbox')],
        { ledger, posted },
      );
      using _ = machine;
      const devices = machine.ledgerDevices;
      ledger.start({ guest: 'g', revision: 'exact', seed: 0, vcpus: 1, devices });
      loop.deadline = machine.cpu.icount + 5000;
      loop.run();
      ledger.end({ stop: 'boundary', reason: 'over', witnesses: machine.witnesses() });
      expect(checker.finish().violations).toEqual([]);
      expect(stayed(machine) > 500).toBe(posted);
      events.push(heard);
    }
    expect(events[0]).toEqual(events[1]);
    expect(events[0]?.length).toBeGreaterThan(3000);
  });
});

describe('a device that does in a posted write what it may not', () => {
  const attempt = (
    write: (value: number, context: DeviceContext, machine: () => Machine) => void,
  ) => {
    let m: Machine | null = null;
    const made = machineOf(THREE, [posting(write, () => m as Machine)]);
    m = made.machine;
    made.loop.deadline = made.machine.cpu.icount + 100_000;
    return made;
  };

  test('throws: the others arrive, the error is told, and the guest can go on', () => {
    const { machine, loop } = attempt((value) => {
      if (value === 1) throw new Error('a device that throws');
    });
    using _ = machine;
    expect(() => loop.run()).toThrow('a device that throws');
    expect(machine.testimonies()['posting@0x240-0x243']).toEqual({ writes: 3 });
    expect(rings(machine)).toEqual([0]);
    expect(loop.run()).toBe('deadline');
  });

  test('shuts the domain down: late, but whole', () => {
    const { machine, loop } = attempt((value, _context, its) => {
      if (value === 1) domain_shutdown(its().domain, SHUTDOWN_suspend);
    });
    using _ = machine;
    expect(loop.run()).toBe('shutdown');
    expect(rings(machine)).toEqual([0]);
    checkpoint(machine, new Snapshot(machine), () => {});
    expect(loop.run()).toBe('deadline');
    expect(machine.testimonies()['posting@0x240-0x243']).toEqual({ writes: 3 });
  });

  test('gives a verdict: late, at the next exit', () => {
    const { machine, loop } = attempt((value, { endGuest }) => {
      if (value === 0) endGuest('failure');
    });
    using _ = machine;
    expect(loop.run()).toBe('verdict');
    expect(machine.testimonies()['posting@0x240-0x243']).toEqual({ writes: 3 });
  });
});

test('what a device model makes of its ring does no harm', () => {
  const { machine, loop } = machineOf(
    asm16('ba2802ee40ebfc', 'mov dx,0x228; l: out dx,al; inc ax; jmp l'),
    [parseDeviceSpec('mailbox')],
  );
  using _ = machine;
  const ring = machine.domain.arch.hvm.ioreq_server[0]?.bufioreq.va;
  const { cpu } = machine;
  const takeIn = cpu.goOn.bind(cpu);
  let stays = 0;
  cpu.goOn = () => {
    const exit = takeIn();
    stays++;
    // In turns: as if far more were there, less than nothing, and other requests than were made.
    if (stays % 3 === 0) ring?.setWritePointer(ring.read_pointer() + 1_000_000);
    else if (stays % 3 === 1) ring?.setReadPointer(ring.write_pointer() + 7);
    else ring?.bytes.fill(0xa5, 8);
    return exit;
  };
  for (let i = 0; i < 30; i++) {
    loop.deadline = cpu.icount + 3000;
    expect(['deadline', 'crashed']).toContain(loop.run());
  }
  expect(stays).toBeGreaterThanOrEqual(30);
});

test('a device that sleeps gets nothing until it wakes', () => {
  const { machine, loop } = machineOf(THREE, [parseDeviceSpec('mailbox@0x240-0x247')]);
  using _ = machine;
  machine.servers[0]?.sleep();
  loop.deadline = machine.cpu.icount + 100;
  expect(loop.run()).toBe('stuck');
  expect(stayed(machine)).toBe(0);
  machine.servers[0]?.wake();
  expect(loop.run()).toBe('deadline');
  expect(machine.testimonies()['mailbox@0x240-0x247']).toMatchObject({ writesTaken: 3 });
});
