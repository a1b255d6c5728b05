// SPDX-License-Identifier: GPL-2.0-only
// What is true of a device because its author says so: effects of reads, widths, mirrors, registers, examples.
import { hex } from '../util/hex.ts';
import type { Property } from './always.ts';
import { type Example, hasReadEffects, type Subject } from './rules.ts';
import { play, Run, sameLines, Wrong } from './run.ts';
import { type Access, formatStep, formatValue, isAccess, type Script, type Step } from './step.ts';

export const DECLARED: readonly Property[] = [
  {
    name: 'quiet-read',
    rule: 'a read that is not declared to have effects can be made twice, and nobody sees it',
    test({ factory, rules }, script) {
      const twice = play(
        factory,
        script.flatMap((step) => (quiet(rules, step) ? [step, step] : [step])),
      );
      const once = play(factory, script);
      let at = 0;
      for (const step of script) {
        if (step.do === 'mark') continue;
        const again = quiet(rules, step) ? twice.lines.splice(at + 1, 1)[0] : undefined;
        at++;
        if (again === undefined || again === twice.lines[at - 1]) continue;
        throw new Wrong(`read twice, '${twice.lines[at - 1]}' and then '${again}'`);
      }
      sameLines(once, twice, 'with each read once');
    },
  },
  {
    name: 'widths',
    rule: 'accesses of every width agree as declared',
    test({ factory, rules, sizes, rangeBytes }, script) {
      if (rules.widths === undefined) return;
      if (rules.widths === 'bytes')
        sameLines(play(factory, script), bytewise(factory, script), 'as one access');
      else lowBits({ factory, sizes, rangeBytes }, script);
    },
  },
  {
    name: 'mirrors',
    rule: 'the same registers are found again at every multiple of the declared length',
    test({ factory, rules, rangeBytes }, script) {
      const { mirrorBytes } = rules;
      if (mirrorBytes === undefined) return;
      const places = Math.floor(rangeBytes / mirrorBytes);
      const moved = play(
        factory,
        script.map((step, i) => {
          if (!isAccess(step)) return step;
          const offset = (step.offset % mirrorBytes) + mirrorBytes * (i % places);
          return offset + step.size <= rangeBytes ? { ...step, offset } : step;
        }),
      );
      const plain = (run: Run): void => {
        run.lines.forEach((line, i) => {
          run.lines[i] = line.replace(/@0x[0-9a-f]+/, '');
        });
      };
      const expected = play(factory, script);
      plain(expected);
      plain(moved);
      sameLines(expected, moved, 'at its first place');
    },
  },
  {
    name: 'registers',
    rule: 'registers read as declared after power-on, and read back the bits that can be written',
    test(subject, script) {
      for (const { rule, after } of subject.registers) {
        const { name, offset, size, reset, writable = 0 } = rule;
        const place = { do: 'read', offset, size } as const;
        const fresh = play(subject.factory, after);
        const first = fresh.readValue(place).low;
        if (first !== reset) {
          throw new Wrong(
            `register '${name}' reads ${hex(first)} after power-on, declared ${hex(reset)}`,
          );
        }
        const run = play(subject.factory, script);
        for (const step of after) run.step(step);
        const written = writtenBy(script, size);
        const before = run.readValue(place).low;
        run.write(place, written, 0);
        const want = ((written & writable) | (before & ~writable)) >>> 0;
        const got = run.readValue(place).low;
        if (got !== want) {
          throw new Wrong(
            `register '${name}' was ${hex(before)}, ${hex(written)} written, reads ${hex(got)}: expected ${hex(want)}`,
          );
        }
      }
    },
  },
];

function quiet(rules: Subject['rules'], step: Step): boolean {
  return step.do === 'read' && !hasReadEffects(rules, step.offset, step.size);
}

/** A value to write that the script decides: the one it writes last. */
function writtenBy(script: Script, size: number): number {
  const last = script.findLast((step) => step.do === 'write');
  const value = last?.do === 'write' ? last.value.low : 0xffffffff;
  return size === 4 ? value : value & ((1 << (8 * size)) - 1);
}

/** The script with each access made byte by byte, as one line per access. */
function bytewise(factory: Subject['factory'], script: Script): Run {
  const run = new Run(factory);
  for (const step of script) {
    if (step.do === 'mark') continue;
    if (!isAccess(step)) {
      run.step(step);
      continue;
    }
    const words = [0, 0];
    for (let i = 0; i < step.size; i++) {
      const part: Access = { do: 'read', offset: step.offset + i, size: 1 };
      const word = i >> 2;
      const shift = 8 * (i & 3);
      if (step.do === 'read')
        words[word] = ((words[word] ?? 0) | (run.readValue(part).low << shift)) >>> 0;
      else run.write(part, ((i < 4 ? step.value.low : step.value.high) >>> shift) & 0xff, 0);
    }
    const answer = `answers ${formatValue({ low: words[0] ?? 0, high: words[1] ?? 0 })}`;
    const { world } = run;
    run.lines.push(
      [formatStep(step), ...(step.do === 'read' ? [answer] : []), ...world.events].join(' '),
    );
    world.events = [];
  }
  return run;
}

/** Each read against the widest there: its low bits. */
function lowBits(subject: Pick<Subject, 'factory' | 'sizes' | 'rangeBytes'>, script: Script): void {
  const { factory, sizes, rangeBytes } = subject;
  const widest = Math.min(4, sizes.at(-1) ?? 1) as Access['size'];
  script.forEach((step, i) => {
    if (step.do !== 'read' || step.size >= widest || step.offset + widest > rangeBytes) return;
    const before = script.slice(0, i);
    const narrow = play(factory, before).readValue(step).low;
    const wide = play(factory, before).readValue({ ...step, size: widest }).low;
    if (narrow === (wide & ((1 << (8 * step.size)) - 1))) return;
    throw new Wrong(
      `${formatStep(step)} answers ${hex(narrow)}, ${widest} bytes there ${hex(wide)}`,
    );
  });
}

/** Offsets whose declared effect no script shows; of `'all'`, 0 if none shows any. */
export function unseenEffects({ factory, rules }: Subject, scripts: readonly Script[]): number[] {
  const { readEffects = 'none' } = rules;
  if (readEffects === 'none') return [];
  const shows = (script: Script, covers: (step: Access) => boolean): boolean => {
    const twice = script.flatMap((step) =>
      step.do === 'read' && covers(step) ? [step, step] : [step],
    );
    if (twice.length === script.length) return false;
    const once = play(factory, script).lines;
    const again = play(factory, twice).lines;
    // The second of each two goes: what is left differs, or the two did.
    let differs = false;
    for (const step of script) {
      if (step.do === 'mark') continue;
      const line = again.shift();
      if (line !== once.shift()) differs = true;
      if (step.do === 'read' && covers(step) && again.shift() !== line) differs = true;
    }
    return differs;
  };
  if (readEffects === 'all') return scripts.some((s) => shows(s, () => true)) ? [] : [0];
  return readEffects.filter(
    (at) =>
      !scripts.some((s) => shows(s, ({ offset, size }) => at >= offset && at < offset + size)),
  );
}

/** Carries out an example; `between` before every step of it. @throws Wrong where something else is seen */
export function followExample(
  { factory }: Subject,
  { state, witness = {} }: Example,
  script: Script,
  between: (run: Run) => void,
): void {
  const run = new Run(factory);
  if (state !== undefined) run.restore(state);
  let events: string[] = [];
  const nothingLeft = (): void => {
    if (events.length > 0) throw new Wrong(`it shows ${events.join(' ')} besides`);
  };
  script.forEach((step, i) => {
    const where = `step ${i + 1}, ${formatStep(step)}`;
    if (step.do === 'line') {
      if (run.world.lines.has(step.line) !== step.high) throw new Wrong(`${where}: it is not`);
    } else if (step.do === 'output' || step.do === 'verdict') {
      const event = events.shift();
      if (event !== formatStep(step)) throw new Wrong(`${where}: it shows ${event ?? 'nothing'}`);
    } else if (step.do !== 'mark') {
      nothingLeft();
      between(run);
      const { answer, events: seen } = run.perform(step);
      events = seen.filter((event) => !event.startsWith('irq'));
      if (step.do !== 'read' || step.expect === undefined) return;
      if (answer !== formatValue(step.expect)) throw new Wrong(`${where}: answers ${answer}`);
    }
  });
  nothingLeft();
  const testimony = run.device.witness();
  for (const [fact, want] of Object.entries(witness)) {
    if (testimony[fact] === want) continue;
    throw new Wrong(`its witness says ${fact} ${testimony[fact]}: expected ${want}`);
  }
}
