// SPDX-License-Identifier: GPL-2.0-only
// Every recorded scenario of the real Xen code, step by step, on this port. And the replayer itself.
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { differences, memoryMap, mergePatch } from './compare.ts';
import { describeSummary, loadVectors, vectorsFile } from './conformance.ts';
import { miniCpu } from './mini-cpu.ts';
import { describeMismatch, type Mismatch, replayAll, replayScenario } from './replay.ts';
import { groupOf, type Json, type Operation, type Scenario } from './scenario.ts';

const root = resolve(import.meta.dirname, '../..');
const scenarios = loadVectors(root);
const absent = `recorded traces not found at ${vectorsFile(root)}: nothing was compared`;

function report(text: string): void {
  process.stderr.write(`conformance: ${text.replaceAll('\n', '\nconformance: ')}\n`);
}

function pick(group: 'A' | 'B'): Scenario[] {
  return (scenarios ?? []).filter((scenario) => groupOf(scenario) === group);
}

describe('recorded traces of Xen 4.14.5', () => {
  for (const [group, what] of [
    ['A', 'no instruction emulation'],
    ['B', 'emulated instructions, on the test CPU'],
  ] as const) {
    it(`group ${group} (${what}): every scenario, both variants, equal in every field`, (context) => {
      if (scenarios === null) {
        report(absent);
        context.skip(absent);
        return;
      }
      const mismatches: Mismatch[] = [];
      const summary = replayAll(pick(group), miniCpu, {
        each: (_scenario, { mismatch }) => {
          if (mismatch !== null) mismatches.push(mismatch);
        },
      });
      report(describeSummary(summary).split('\n')[group === 'A' ? 0 : 1] ?? '');
      expect(mismatches.map(describeMismatch)).toEqual([]);
      expect(summary.excused).toBe(0);
      const totals = group === 'A' ? summary.groupA : summary.groupB;
      expect(totals.equal).toBe(totals.scenarios);
      expect(totals.scenarios).toBeGreaterThan(300);
    }, 60_000);
  }

  it('differ between the variants exactly where the recordings say so', (context) => {
    if (scenarios === null) {
      context.skip(absent);
      return;
    }
    // The post trace replayed without the fix must fail for `differs`, and only for those.
    const wrong = pick('A')
      .filter(({ variant }) => variant === 'post')
      .filter((scenario) => {
        const swapped: Scenario = {
          ...scenario,
          variant: 'pre',
          trace: withoutSuspended(scenario),
        };
        return (replayScenario(swapped).mismatch !== null) !== scenario.differs;
      });
    expect(wrong.map(({ seed }) => seed)).toEqual([]);
  }, 60_000);
});

/** The trace of a fixed run as the unfixed code would dump it: without the field it lacks. */
function withoutSuspended(scenario: Scenario): Scenario['trace'] {
  const text = JSON.stringify(scenario.trace);
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('suspended' in value)) return value;
    const { suspended: _dropped, ...rest } = value as Record<string, unknown>;
    return rest;
  }) as Scenario['trace'];
}

/** A scenario without recordings behind it. */
function scenario(ops: Operation[], state: Json): Scenario {
  return {
    seed: 0,
    variant: 'post',
    family: 'own',
    synthetic: false,
    differs: false,
    ops,
    trace: [{ state: state as { [key: string]: Json } }, ...ops.slice(1).map(() => ({ ret: 0 }))],
  };
}

describe('the replayer', () => {
  it('names step, field, and both values of a difference', () => {
    const { mismatch } = replayScenario(scenario([{ op: 'config', vcpus: 1 }], { domain: 1 }));
    expect(mismatch).toMatchObject({ step: 0, op: 'config', field: 'state.domain', xen: 1 });
    expect(describeMismatch(mismatch as Mismatch)).toContain(
      "step 0 'config', state.domain: Xen 1",
    );
  });

  it('sees a value, a missing key, an extra key and a longer list', () => {
    const fields = (a: Json, b: Json): string[] => differences(a, b, 'x').map(({ field }) => field);
    expect(fields({ a: 1, b: [1] }, { a: 1, b: [1] })).toEqual([]);
    expect(fields({ a: 1 }, { a: 2 })).toEqual(['x.a']);
    expect(fields({ a: 1 }, {})).toEqual(['x.a']);
    expect(fields({}, { a: null })).toEqual(['x.a']);
    expect(fields([1], [1, 2])).toEqual(['x[1]']);
    expect(fields({ a: {} }, { a: [] })).toEqual(['x.a']);
  });

  it('applies merge patches as RFC 7396 says', () => {
    const target = { a: 'b', c: { d: 'e', f: 'g' }, list: [1, 2] };
    expect(mergePatch(target, { a: 'z', c: { f: null }, list: [3] })).toEqual({
      a: 'z',
      c: { d: 'e' },
      list: [3],
    });
    expect(target.c.f).toBe('g');
    expect(mergePatch([1], { a: 1 })).toEqual({ a: 1 });
    expect(mergePatch({ a: 1 }, null)).toBeNull();
  });

  it('compares memory byte by byte, whatever the runs', () => {
    expect(memoryMap([{ gpa: '0x10', hex: 'aabb' }])).toEqual(
      memoryMap([
        { gpa: '0x10', hex: 'aa' },
        { gpa: '0x11', hex: 'bb' },
      ]),
    );
  });

  it('sorts scenarios into groups by their exits, injected instructions included', () => {
    const prog = (exit: string): Operation => ({ op: 'prog', exit });
    expect(groupOf(scenario([prog('pio'), prog('none')], {}))).toBe('A');
    expect(groupOf(scenario([prog('mmio')], {}))).toBe('B');
    const injected: Operation = { op: 'run', inject: [{ at: 'x', nth: 1, do: [prog('emul')] }] };
    expect(groupOf(scenario([injected], {}))).toBe('B');
  });
});
