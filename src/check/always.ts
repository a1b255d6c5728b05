// SPDX-License-Identifier: GPL-2.0-only
// What is true of every device, whatever it is. Most of it has one form: something done at the marks of a script must
// not be seen. The expected run is the same script without it.
import type { DeviceState } from '../dm/device.ts';
import type { Subject } from './rules.ts';
import { guarded, play, Run, sameLines, sameRun, Wrong } from './run.ts';
import {
  foreignStates,
  move,
  refuses,
  restoreQuietly,
  sameInside,
  scribble,
  throughJson,
} from './states.ts';
import { isAccess, type Script } from './step.ts';

/** One thing to be true of a device. */
export interface Property {
  readonly name: string;
  /** The sentence it stands for. */
  readonly rule: string;
  /** Scripts also have accesses of any width, anywhere in the range. */
  readonly wild?: boolean;
  /** Scripts have marks: places where it does something. */
  readonly marks?: boolean;
  /** @throws Wrong when it is not true for this script */
  test(subject: Subject, script: Script): void;
}

/** A byte that arrives while a device sleeps. */
const SLEEP_BYTE = 0xa5;
const SECOND_NS = 1e9;

export const ALWAYS: readonly Property[] = [
  {
    name: 'any-access',
    rule: 'no access of any width at any offset makes it throw, or answers anything but a number',
    wild: true,
    test: ({ factory }, script) => void play(factory, script),
  },
  {
    name: 'repeatable',
    rule: 'the same accesses give the same again, also beside a second device of its kind',
    test({ factory }, script) {
      const first = play(factory, script);
      sameRun(first, play(factory, script), 'the first time');
      const beside = new Run(factory);
      const got = new Run(factory);
      for (const step of script) {
        if (step.do === 'mark') continue;
        beside.step(step);
        got.step(step);
      }
      sameRun(first, got, 'alone');
    },
  },
  {
    name: 'look',
    rule: 'save() and witness() change nothing, and what they gave stays as it was',
    marks: true,
    test({ factory }, script) {
      const kept: [object, string][] = [];
      const got = play(factory, script, (run) => {
        run.silently('save()', () => {
          for (const given of [run.save(), run.device.witness()]) {
            kept.push([given, JSON.stringify(given)]);
          }
        });
      });
      for (const [given, text] of kept) {
        const now = JSON.stringify(given);
        if (now !== text) throw new Wrong(`what it gave away was ${text} and is now ${now}`);
      }
      sameRun(play(factory, script), got, 'without looking');
    },
  },
  {
    name: 'restore',
    rule: 'saved and restored into a new device between any two accesses, it goes on as if nothing had happened',
    marks: true,
    test: ({ factory }, script) =>
      sameRun(
        play(factory, script),
        play(factory, script, (run) => move(run)),
        'without save and restore',
      ),
  },
  {
    name: 'restore-twice',
    rule: "restored twice, and into itself, it is the same; the state it was given stays its owner's",
    marks: true,
    test({ factory }, script) {
      const got = play(factory, script, (run) => {
        const state = throughJson(run.save());
        move(run, state);
        run.silently('restore()', () => run.restore(state));
        run.silently('restore()', () => run.restore(run.save()));
        run.silently('restore()', () => run.restore(state));
        scribble(state);
      });
      sameRun(play(factory, script), got, 'without save and restore');
    },
  },
  {
    name: 'restore-used',
    rule: 'restored into a device that was in use, nothing of its past is left',
    marks: true,
    test({ factory }, script) {
      const got = play(factory, script, (run) => {
        const state = throughJson(run.save());
        const { world } = run;
        const [queue, nowNs, lines] = [world.queue, world.nowNs, run.lines.length];
        const high = world.high;
        Object.assign(world, { queue: [1, 2, 3], events: [], lines: new Set() });
        run.device = run.create();
        for (const step of script) if (step.do !== 'mark') run.step(step);
        for (const step of script.toReversed()) if (isAccess(step)) run.step(step);
        run.lines.length = lines;
        Object.assign(world, { queue, nowNs, events: [] });
        restoreQuietly(run, state, high);
      });
      sameRun(play(factory, script), got, 'without save and restore');
    },
  },
  {
    name: 'sleep',
    rule: 'between sleep() and wake() nothing changes and no input is taken; both may be called twice',
    marks: true,
    test({ factory }, script) {
      const expected = play(factory, script, (run) => run.step({ do: 'input', byte: SLEEP_BYTE }));
      const got = play(factory, script, (run) => {
        const { device, world } = run;
        guarded('sleep()', () => {
          device.sleep();
          device.sleep();
        });
        const before = run.inside().state;
        world.queue.push(SLEEP_BYTE);
        run.silently('inputArrived() asleep', () => run.arrived());
        const after = run.inside().state;
        if (before !== after) throw new Wrong(`asleep its state goes from ${before} to ${after}`);
        guarded('wake()', () => {
          device.wake();
          device.wake();
        });
        run.arrived();
        run.lines.push(['in=0xa5', ...world.events].join(' '));
        world.events = [];
      });
      sameRun(expected, got, 'without sleep');
    },
  },
  {
    name: 'reset',
    rule: 'reset() brings back the state after power-on and shows nothing; what follows is as with a new device',
    marks: true,
    test({ factory }, script) {
      const expected = play(factory, script, (run) => {
        run.world.lines = new Set();
        run.device = run.create();
        run.world.events = [];
      });
      const got = play(factory, script, (run) => {
        // Power-on is not where it was restored to last.
        run.restore(run.save());
        for (let i = 0; i < 2; i++) {
          run.silently('reset()', () => guarded('reset()', () => run.device.reset()));
          if (run.world.high !== '') throw new Wrong(`reset() leaves ${run.world.high} high`);
        }
        const fresh = new Run(factory);
        fresh.world.nowNs = run.world.nowNs;
        fresh.device = fresh.create();
        sameInside(fresh, run, 'a new device has');
      });
      sameRun(expected, got, 'a new device');
    },
  },
  {
    name: 'idle',
    rule: 'after a reset, nothing happens by itself: neither time nor a call without input changes it',
    marks: true,
    test({ factory, rules }, script) {
      if (rules.idle === 'runs') return;
      const reset = (run: Run): void => {
        guarded('reset()', () => run.device.reset());
        Object.assign(run.world, { queue: [], events: [], nowNs: 0 });
      };
      const expected = play(factory, script, reset);
      const got = play(factory, script, (run) => {
        reset(run);
        const before = run.inside().state;
        run.world.nowNs += SECOND_NS;
        run.arrived();
        const { events } = run.world;
        if (events.length > 0) throw new Wrong(`a second after the reset: ${events.join(' ')}`);
        const after = run.inside().state;
        if (before !== after) throw new Wrong(`a second turns its state ${before} into ${after}`);
      });
      sameLines(expected, got, 'without the wait');
    },
  },
  {
    name: 'plain-state',
    rule: 'its state is JSON of flat, named fields, always the same ones; its testimony is JSON, too',
    test({ factory }, script) {
      const named = Object.keys(new Run(factory).save()).sort().join();
      const run = play(factory, script);
      const state = run.save();
      if (Object.keys(state).sort().join() !== named) {
        throw new Wrong(`its fields are ${Object.keys(state).join()}, after power-on ${named}`);
      }
      for (const [field, value] of Object.entries(state)) {
        const items: readonly unknown[] = Array.isArray(value) ? value : [value];
        const flat = (item: unknown): boolean =>
          Number.isSafeInteger(item) || (item === value && /^(str|boo)/.test(typeof item));
        if (!items.every(flat)) throw new Wrong(`field '${field}' is ${JSON.stringify(value)}`);
      }
      const testimony = run.device.witness();
      if (JSON.stringify(throughJson(testimony as DeviceState)) !== JSON.stringify(testimony)) {
        throw new Wrong('its testimony is not JSON');
      }
    },
  },
  {
    name: 'bounded-state',
    rule: 'its state does not grow without end',
    test({ factory, rules }, script) {
      const run = new Run(factory);
      const size = (rounds: number): number => {
        for (let i = 0; i < rounds; i++) {
          for (const step of script) if (step.do !== 'mark') run.step(step);
          run.lines.length = 0;
        }
        return run.inside().state.length;
      };
      const [first, second, third] = [size(25), size(25), size(50)];
      const [early, late] = [second - first, third - second];
      if (third <= (rules.maxStateBytes ?? 1024) || early <= 0 || late < 1.5 * early) return;
      throw new Wrong(`after 25, 50, 100 rounds it takes ${first}, ${second}, ${third} bytes`);
    },
  },
  {
    name: 'foreign-state',
    rule: 'a state that is not its own is refused with HVM_DEVICE_STATE, and changes nothing',
    test({ factory }, script) {
      const run = play(factory, script);
      const own = run.save();
      const before = JSON.stringify(own);
      for (const bad of foreignStates(own)) {
        refuses(run, bad);
        const after = run.inside().state;
        if (after !== before) {
          throw new Wrong(
            `refused ${JSON.stringify(bad)}, but its state is ${after}, not ${before}`,
          );
        }
      }
    },
  },
];
