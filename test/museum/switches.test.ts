// SPDX-License-Identifier: GPL-2.0-only
// Each defect's switch by itself, on one instruction: what it does where, and what the same step does without it.
import { describe, expect, it } from 'vitest';
import { parseDeviceSpec } from '../../src/dm/registry.ts';
import { readParameterBlock } from '../../src/machine/guest-manifest.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { MUSEUM, revisionOf } from '../../src/toolstack/museum/index.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';
import { domain_resume } from '../../src/xen/common/domain.ts';
import { DEFECTS, type DefectName, NO_DEFECTS } from '../../src/xen/hvm/defects.ts';
import { hvm_select_ioreq_server } from '../../src/xen/hvm/ioreq.ts';
import { p2m_mmio_dm, p2m_ram_rw } from '../../src/xen/hvm/p2m.ts';
import { REVISION_NAMES, REVISIONS, revisionWith } from '../../src/xen/hvm/revision.ts';
import { HVMIO_mmio_completion, HVMIO_no_completion } from '../../src/xen/hvm/state.ts';
import { IOREQ_TYPE_COPY, newIoreq } from '../../src/xen/public/hvm_ioreq.ts';
import { BUFFER, MMIO, PORT, RIP, Rig, runSample, SAMPLES, type Sample } from '../unit/xen/rig.ts';

const FIXED = REVISIONS.fixed;
const bug = (base: 'fixed' | 'exact', name: DefectName) => revisionWith(base, { [name]: true });
const sample = (name: string): Sample => SAMPLES.find((s) => s.name === name) as Sample;
const suspendAt = (at: string, nth = 1): object => ({
  inject: [{ at, nth, do: [{ op: 'shutdown', reason: 2 }] }],
});

describe('the switches', () => {
  it('are off in every revision, and each belongs to one exhibit', () => {
    for (const name of REVISION_NAMES) expect(REVISIONS[name]).toMatchObject(NO_DEFECTS);
    for (const [name, { commit, reason }] of Object.entries(DEFECTS)) {
      expect(reason).toMatch(/\.$/);
      const owners = MUSEUM.filter((b) => Object.hasOwn(b.change, name));
      expect(owners.map((b) => b.commit)).toEqual([commit]);
      expect(revisionOf(owners[0] as (typeof MUSEUM)[number])[name as DefectName]).toBe(true);
    }
  });
});

describe('refused_send_is_okay', () => {
  it.each([
    [FIXED, false, '0x1000', '0x1020304', 1],
    [bug('fixed', 'refused_send_is_okay'), true, '0x1001', '0x0', 0],
  ] as const)('IN refused by a shutdown', (revision, retires, rip, rax, served) => {
    const rig = new Rig(revision);
    rig.do('set_regs', { vcpu: 0, rip: RIP, rax: 0x01020304 });
    const pio = { vcpu: 0, port: PORT, size: 4, dir: 'in', len: 1 };
    expect(rig.do('pio', { ...pio, ...suspendAt('defer_set') } as never).ret).toBe(retires);
    expect([rig.reg('rip'), rig.reg('rax')]).toEqual([rip, rax]);
    domain_resume(rig.d);
    rig.run();
    if (!retires) {
      expect(rig.do('pio', pio).ret).toBe(true);
      rig.do('dm_answer', { server: 0, vcpu: 0, base: 0x77 });
    }
    expect(rig.served).toBe(served);
  });
});

describe('refused_write_retires', () => {
  const refused = { at: 'defer_set', nth: 1, turn: 0 };
  it.each(['OUT', 'REP OUTS from memory', 'REP INS to memory'])('%s is lost', (name) => {
    const lost = runSample(bug('fixed', 'refused_write_retires'), sample(name), refused);
    expect(lost).toMatchObject({ fired: true, retired: 1, served: 0 });
    expect(runSample(FIXED, sample(name), refused)).toMatchObject({ retired: 1, served: 1 });
  });
  it('IN is not', () => {
    const read = runSample(bug('fixed', 'refused_write_retires'), sample('IN'), refused);
    expect(read).toMatchObject({ fired: true, retired: 1, served: 1 });
  });
});

describe('answer_ends_deferral', () => {
  /** ADD to the device, its read answered; then a shutdown just after the completion has sent the write. */
  const sentTwo = (revision: typeof FIXED): Rig => {
    const rig = new Rig(revision);
    const { bytes, gpa, exit } = sample('ADD to the device');
    const length = bytes.length / 2;
    rig.do('prog', {
      vcpu: 0,
      rip: RIP,
      exit,
      len: length,
      bytes,
      gpa: gpa ?? 0,
      write: 0,
      gla_valid: 1,
    });
    rig.do('set_regs', { vcpu: 0, rip: RIP });
    rig.do('step', { vcpu: 0 });
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 1 });
    rig.run(suspendAt('send_notify') as never);
    return rig;
  };
  const pending = (rig: Rig): boolean =>
    rig.d.arch.hvm.ioreq_server[0]?.ioreq_vcpu_list[0]?.pending ?? false;

  it('calls the domain shut down with a request on its way', () => {
    const with_ = sentTwo(bug('exact', 'answer_ends_deferral'));
    expect([with_.d.is_shut_down, pending(with_)]).toEqual([true, true]);
    const without = sentTwo(REVISIONS.exact);
    expect([without.d.is_shut_down, pending(without)]).toEqual([false, true]);
  });
  it('lets a shutdown refuse the second access of an instruction', () => {
    const landing = { at: 'assist_done', nth: 1, turn: 1 };
    const add = sample('ADD to the device');
    const repeated = runSample(bug('exact', 'answer_ends_deferral'), add, landing);
    expect(repeated).toMatchObject({ fired: true, served: 3 });
    expect(runSample(REVISIONS.exact, add, landing)).toMatchObject({ fired: true, served: 2 });
  });
});

describe('partial_batch_wants_completion', () => {
  it.each([
    [FIXED, HVMIO_no_completion],
    [bug('fixed', 'partial_batch_wants_completion'), HVMIO_mmio_completion],
  ] as const)('REP INS over a page end from a port nobody claims', (revision, completion) => {
    const rig = new Rig(revision);
    rig.do('set_regs', { vcpu: 0, rip: RIP, rdx: PORT + 0x100, rdi: BUFFER + 0xffc, rcx: 8 });
    rig.do('prog', { vcpu: 0, rip: RIP, exit: 'pio_string', len: 2, bytes: 'f36c' });
    rig.do('step', { vcpu: 0 });
    expect(rig.reg('rcx')).toBe('0x4');
    expect(rig.v.arch.hvm.hvm_io.io_completion).toBe(completion);
  });
});

describe('outs_batch_as_one_access', () => {
  it.each([
    [FIXED, { size: 1, count: 4, data_is_ptr: 1 }],
    [bug('fixed', 'outs_batch_as_one_access'), { size: 4, count: 1, data_is_ptr: 0 }],
  ] as const)('REP OUTSB of four bytes', (revision, slot) => {
    const rig = new Rig(revision);
    rig.do('set_regs', { vcpu: 0, rip: RIP, rdx: PORT, rsi: BUFFER, rcx: 4 });
    rig.do('prog', { vcpu: 0, rip: RIP, exit: 'pio_string', len: 2, bytes: 'f36e' });
    rig.do('step', { vcpu: 0 });
    expect(rig.state().servers['0'].vcpus['0'].slot).toMatchObject(slot);
  });
});

describe('routing_ignores_direction', () => {
  it.each([
    [FIXED, 0],
    [bug('fixed', 'routing_ignores_direction'), null],
  ] as const)('a downward batch at the end of a device', (revision, server) => {
    const rig = new Rig(revision);
    const p = { ...newIoreq(), type: IOREQ_TYPE_COPY, size: 4, df: true } as const;
    const routed = (addr: number, count: number): number | null =>
      hvm_select_ioreq_server(rig.d, { ...p, addr, count })?.id ?? null;
    expect(routed(MMIO + 0x2ffc, 2)).toBe(server);
    expect(routed(MMIO + 0x2ffc, 1)).toBe(0);
  });
});

describe('memory_before_mmio_cache', () => {
  it.each([
    [FIXED, false],
    [bug('fixed', 'memory_before_mmio_cache'), true],
  ] as const)('a device page that becomes RAM before the answer', (revision, crashes) => {
    const rig = new Rig(revision);
    const gpa = BUFFER + 0x1000;
    const { p2m } = rig.d.arch.hvm;
    rig.do('server_map', { id: 0, type: 1, start: gpa, end: gpa + 0xfff });
    p2m.set_type(gpa / 4096, 1, p2m_mmio_dm);
    rig.do('prog', {
      vcpu: 0,
      rip: RIP,
      exit: 'mmio',
      len: 5,
      bytes: `a300100200`,
      gpa,
      write: 1,
      gla_valid: 1,
    });
    rig.do('set_regs', { vcpu: 0, rip: RIP });
    rig.do('step', { vcpu: 0 });
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 0 });
    p2m.set_type(gpa / 4096, 1, p2m_ram_rw);
    rig.run();
    expect(rig.reg('rip')).toBe('0x1005');
    rig.do('pio', { vcpu: 0, port: PORT, size: 4, dir: 'in', len: 1 });
    expect(rig.d.crashed !== null).toBe(crashes);
  });
});

describe('one_server_waited_for', () => {
  it.each([
    [FIXED, 'descheduled'],
    [bug('fixed', 'one_server_waited_for'), 'in_guest'],
  ] as const)('a broadcast to two, answered by the newer one', (revision, ran) => {
    const rig = new Rig(revision);
    rig.do('server_create', { bufioreq: 0 });
    rig.do('server_info', { id: 1, gfns: 1 });
    rig.do('server_state', { id: 1, enabled: 1 });
    rig.run();
    rig.do('invalidate', { vcpu: 0 });
    rig.do('dm_answer', { server: 1, vcpu: 0, base: 0 });
    expect(rig.run()).toBe(ran);
    expect(rig.state().servers['0'].vcpus['0'].slot).toMatchObject({ state: 1 });
  });
});

describe('a page that becomes RAM', () => {
  it('is what it was in a machine that a snapshot is put into', () => {
    const machine = (): Machine => {
      const guest = loadGuest('ballooned', { iterations: 3 });
      return new Machine({ guest, devices: guest.manifest.devices.map(parseDeviceSpec) });
    };
    using first = machine();
    using second = machine();
    const before = new Snapshot(first);
    before.capture(first);
    expect(before.pageIsRam).toBe(false);
    const loop = new RunLoop(first);
    loop.deadline = 20;
    expect(loop.run()).toBe('deadline');
    first.regs.settle();
    const after = new Snapshot(first);
    after.capture(first);
    expect(after.pageIsRam).toBe(true);
    after.restore(second);
    expect(second.pageIsRam).toBe(true);
    expect(new RunLoop(second).run()).toBe('verdict');
    expect(second.verdict).toBe('success');
    before.restore(second);
    expect(second.pageIsRam).toBe(false);
  });
});

describe('fault_keeps_reps', () => {
  it.each([
    [FIXED, 'success', 6, 3],
    [bug('fixed', 'fault_keeps_reps'), 'failure', 0, 1],
  ] as const)('a downward batch whose upper page is missing', (revision, verdict, reads, got) => {
    const guest = loadGuest('fault-batch', { iterations: 3 });
    const devices = guest.manifest.devices.map(parseDeviceSpec);
    using machine = new Machine({ guest, devices, revision });
    expect(new RunLoop(machine).run()).toBe('verdict');
    expect(machine.verdict).toBe(verdict);
    expect(machine.testimonies()['counter@mmio:0xd0000-0xd0fff']?.readsServed).toBe(reads);
    const block = readParameterBlock(machine.ram.bytes, guest.blockBase ?? 0);
    expect(block?.expected).toBe(verdict === 'failure' ? got : 0);
  });
});
