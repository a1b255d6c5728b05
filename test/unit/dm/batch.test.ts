// SPDX-License-Identifier: GPL-2.0-only
// A REP INS or OUTS served at once leaves what one served element by element leaves: an observer makes the difference.
import { describe, expect, test } from 'vitest';
import { parseDeviceSpec } from '../../../src/dm/registry.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { RunLoop } from '../../../src/machine/run-loop.ts';
import { guestOf, type Program } from '../../../src/toolstack/bench/programs.ts';

/** mov cx, 40; mov di, 0x2000; mov si, di; then the instruction, for ever; it is run twice. */
function program(insn: readonly number[]): Program {
  const body = [0xb9, 40, 0, 0xbf, 0x00, 0x20, 0x89, 0xfe, ...insn];
  const code = Uint8Array.from([...body, 0xeb, -(body.length + 2) & 0xff]);
  return { name: 'batch', unit: 'byte', code, roundInsns: 45, roundUnits: 40 };
}

function left(insn: readonly number[], device: string, watched: boolean) {
  const devices = [parseDeviceSpec(`${device}@0x220-0x227`)];
  using machine = new Machine({ guest: guestOf(program(insn)), devices });
  const elements: number[] = [];
  for (const server of machine.servers) {
    if (watched) server.onAccess = ({ element }) => elements.push(element);
  }
  const loop = new RunLoop(machine);
  loop.deadline = 90;
  const stop = loop.run();
  return {
    elements: elements.length,
    stop,
    memory: Buffer.from(machine.ram.bytes.subarray(0x1fff, 0x20a1)).toString('hex'),
    dirty: [...machine.cpu.dirty],
    witnesses: machine.witnesses(),
    states: machine.servers.map((server) => server.save()),
    served: machine.servers.map((server) => server.served),
    cpu: Buffer.from(machine.cpu.save()).toString('hex'),
  };
}

describe.each(['blank', 'counter', 'sequence'])('%s', (device) => {
  test.each([
    ['rep insb', [0xf3, 0x6c]],
    ['rep insw', [0xf3, 0x6d]],
    ['rep insd', [0x66, 0xf3, 0x6d]],
    ['rep outsb', [0xf3, 0x6e]],
    ['rep outsd', [0x66, 0xf3, 0x6f]],
  ] as const)('%s', (_, insn) => {
    const { elements, ...one } = left(insn, device, true);
    const { elements: none, ...many } = left(insn, device, false);
    expect(many).toEqual(one);
    // The observer was there, and heard of each.
    expect([elements > 60, none]).toEqual([true, 0]);
  });
});
