// SPDX-License-Identifier: GPL-2.0-only
// What has to be true of a device so that accesses of it need not leave the guest: of what it declares as `posted` and
// `published`.
import { hex } from '../util/hex.ts';
import type { Property } from './always.ts';
import { Run, Wrong } from './run.ts';
import { move } from './states.ts';
import { formatStep, isAccess } from './step.ts';

/** Marks take turns: as far as a published register goes, these are steps like others. */
const TURNS: readonly ((run: Run) => void)[] = [
  (run) => move(run),
  (run) => run.restore(run.save()),
  (run) => {
    run.device.sleep();
    run.device.wake();
  },
  (run) => run.device.reset(),
];

/** Each register beside what `read()` says. @throws Wrong */
function compare(run: Run, when: string): void {
  for (const { offset, size, value } of run.device.published ?? []) {
    const before = run.inside();
    const { nowNs } = run.world;
    const { low } = run.readValue({ do: 'read', offset, size });
    run.world.nowNs = nowNs;
    const shown = size === 4 ? value : value & ((1 << (8 * size)) - 1);
    if (shown !== low) {
      throw new Wrong(
        `${when} it publishes ${hex(shown)} at offset ${offset}, and read() answers ${hex(low)}`,
      );
    }
    const after = run.inside();
    const { events } = run.world;
    if (before.state !== after.state || before.witness !== after.witness || events.length > 0) {
      throw new Wrong(`reading the published register at offset ${offset} has an effect`);
    }
  }
}

export const STAYING: readonly Property[] = [
  {
    name: 'published',
    rule: 'after every step a published register is what read() answers, and reading it has no effect',
    marks: true,
    test({ factory, rangeBytes }, script) {
      const run = new Run(factory);
      for (const { offset, size } of run.device.published ?? []) {
        if (offset < 0 || offset + size > rangeBytes) {
          throw new Wrong(`the published register at offset ${offset} is not inside its range`);
        }
      }
      if ((run.device.published ?? []).length === 0) return;
      compare(run, 'after power-on');
      let turn = 0;
      for (const step of script) {
        if (step.do === 'mark') TURNS[turn++ % TURNS.length]?.(run);
        else run.step(step);
        run.world.events = [];
        compare(run, step.do === 'mark' ? 'between two accesses' : `after ${formatStep(step)}`);
      }
    },
  },
  {
    name: 'posted',
    rule: 'a write that may come late drives no interrupt line and gives no verdict',
    test({ factory }, script) {
      const run = new Run(factory);
      const { posted = [] } = run.device;
      for (const step of script) {
        if (step.do === 'mark') continue;
        const { events } = run.perform(step);
        if (!isAccess(step) || step.do === 'read') continue;
        const end = step.offset + step.size - 1;
        if (!posted.some(({ first, last }) => step.offset >= first && end <= last)) continue;
        const early = events.filter((event) => !event.startsWith('out='));
        if (early.length > 0) throw new Wrong(`${formatStep(step)} shows ${early.join(' ')}`);
      }
    },
  },
];
