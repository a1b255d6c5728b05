// SPDX-License-Identifier: GPL-2.0-only
// Every recorded scenario of the real Xen code, step by step, on this port. And the replayer itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { REVISIONS } from '../../src/xen/hvm/revision.ts';
import { differences, memoryMap, mergePatch } from './compare.ts';
import { loadVectors, main, vectorsFile } from './conformance.ts';
import { ReplayMachine } from './machine.ts';
import { miniCpu } from './mini-cpu.ts';
import { realCpu } from './real-cpu.ts';
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
  const cases = [
    ['A', 'no instruction emulation', realCpu],
    ['B', 'instructions on the real CPU', realCpu],
    ['B', 'instructions on the test CPU', miniCpu],
  ] as const;
  for (const [group, what, cpu] of cases) {
    it(`group ${group} (${what}): every scenario, both variants, equal in every field`, (context) => {
      if (scenarios === null) {
        report(absent);
        context.skip(absent);
        return;
      }
      const mismatches: Mismatch[] = [];
      const both = { pre: { equal: 0, steps: 0 }, post: { equal: 0, steps: 0 } };
      const summary = replayAll(pick(group), cpu, {
        each: ({ variant }, { mismatch, steps }) => {
          both[variant].steps += steps;
          if (mismatch === null) both[variant].equal++;
          else mismatches.push(mismatch);
        },
      });
      const { equal, scenarios: count } = group === 'A' ? summary.groupA : summary.groupB;
      for (const variant of ['pre', 'post'] as const) {
        const of = pick(group).filter((one) => one.variant === variant).length;
        const { equal: same, steps } = both[variant];
        const revision = variant === 'pre' ? 'before-b7e0d8978810' : 'fixed';
        report(`group ${group}, ${what}, ${revision}: ${same} of ${of} equal, ${steps} steps`);
      }
      expect(mismatches.map(describeMismatch)).toEqual([]);
      expect(summary.excused).toBe(0);
      expect(equal).toBe(count);
      expect(count).toBeGreaterThan(300);
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

describe('npm run conformance', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-conformance-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function command(...args: string[]): { code: number; out: string; error: string } {
    const text = { out: '', error: '' };
    const code = main(
      args,
      root,
      { real: realCpu, mini: miniCpu },
      {
        out: (line) => {
          text.out += `${line}\n`;
        },
        error: (line) => {
          text.error += `${line}\n`;
        },
      },
    );
    return { code, ...text };
  }
  function file(content: string | Uint8Array): string {
    const path = join(folder, 'recordings.jsonl');
    writeFileSync(path, content);
    return path;
  }
  const config: Operation = { op: 'config', vcpus: 1 };
  const own = (...ops: Operation[]): string => JSON.stringify(scenario([config, ...ops], {}));

  it('prints totals and exits 1 when a scenario differs, for either CPU', () => {
    for (const cpu of ['real', 'mini']) {
      const { code, out } = command(file(own()), '--json', '--cpu', cpu);
      expect(code).toBe(1);
      expect(JSON.parse(out)).toMatchObject({
        scenarios: 1,
        groupA: { scenarios: 1, equal: 0 },
        groupB: { scenarios: 0 },
        steps: 0,
        mismatches: 1,
        excused: 0,
        first: { seed: 0, step: 0 },
      });
    }
  });

  it.each([
    ['no JSON', 'hello\n', /line 1: no JSON/],
    ['bytes', Uint8Array.of(0xff, 0xfe, 0, 1), /line 1: no JSON/],
    ['a cut line', own().slice(0, -9), /line 1: no JSON/],
    ['another object', '{"a":1}', /line 1: "variant"/],
    ['null', 'null', /line 1: no JSON object/],
    ['nothing', '', /no scenarios/],
    ['operations that are none', '{"variant":"pre","ops":[1],"trace":[{}]}', /"ops"/],
    ['no config', '{"variant":"pre","ops":[{"op":"run"}],"trace":[{}]}', /"config"/],
    ['no trace', '{"variant":"pre","ops":[{"op":"config"}]}', /"trace"/],
    ['a short trace', '{"variant":"pre","ops":[{"op":"config"}],"trace":[]}', /0 trace entries/],
    [
      'too many vCPUs',
      JSON.stringify(scenario([{ op: 'config', vcpus: 1e30 }], {})),
      /1e\+30 vCPUs/,
    ],
    ['a broken injection', own({ op: 'run', inject: [{ at: 'x' }] }), /"ops"/],
  ])('refuses %s with one line and exit code 2', (_name, content, message) => {
    const { code, out, error } = command(file(content));
    expect(error).toMatch(message);
    expect(error.trimEnd().split('\n')).toHaveLength(1);
    expect(out).toBe('');
    expect(code).toBe(2);
  });

  it('refuses what the format does not define, naming the scenario', () => {
    const replayed = (op: Operation): { code: number; error: string } => {
      const recorded = scenario([config, op], {});
      const state = new ReplayMachine(config, REVISIONS.fixed, null).dump();
      recorded.trace[0] = { state };
      return command(file(JSON.stringify(recorded)));
    };
    expect(replayed({ op: 'dance' })).toMatchObject({ code: 2 });
    expect(replayed({ op: 'dance' }).error).toContain("scenario 0 post: unknown operation 'dance'");
    expect(replayed({ op: 'run', vcpu: 9 }).error).toContain('names vCPU 9');
    expect(replayed({ op: 'write_mem', gpa: 'here' }).error).toContain('"here" is no number');
    expect(replayed({ op: 'set_regs', vcpu: 0, rax: 'x' }).error).toContain('"x" is no number');
  });

  it('reports an error of the port itself as a mismatch, not as an end', () => {
    const recorded = scenario([config, { op: 'write_mem', gpa: 0xfffffff, hex: '00' }], {});
    recorded.trace[0] = { state: new ReplayMachine(config, REVISIONS.fixed, null).dump() };
    const { code, out } = command(file(JSON.stringify(recorded)));
    expect(out).toContain('threw HvmError');
    expect(code).toBe(1);
  });

  it.each([
    [['--frobnicate'], /unknown option --frobnicate/],
    [['--cpu', 'z80'], /unknown CPU 'z80'/],
    [['--cpu'], /unknown CPU ''/],
    [[join(tmpdir(), 'no-such-recordings.jsonl')], /no such file/],
    [[tmpdir()], /EISDIR/],
  ])('refuses %j', (args, message) => {
    const { code, error } = command(...args);
    expect(error).toMatch(message);
    expect(code).toBe(2);
  });
});
