// SPDX-License-Identifier: GPL-2.0-only
// What the lanes tell of real runs: the access that went twice, the answer that is lost, and where books and world part.
import { describe, expect, it } from 'vitest';
import type { LaneEvent, LaneMark, LaneStory } from '../../src/ledger/lanes.ts';
import type { Watch } from '../../src/toolstack/limits.ts';
import { race } from '../../src/toolstack/race.ts';
import { CheckpointSession } from '../../src/toolstack/session.ts';
import { stress } from '../../src/toolstack/stress.ts';
import type { StressReport } from '../../src/toolstack/stress-report.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { RunMeter } from '../../src/util/measure.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';

const clock = new ManualClock();
const watch: Watch = {
  signal: new AbortController().signal,
  // Time goes by between checkpoints.
  tick: () => {
    clock.advance(1);
    return undefined;
  },
  clock,
  idle: (_ms, then) => then(),
};

function run(
  guest: string,
  revision: RevisionName,
  seed: number,
  meter: RunMeter | null = null,
): Promise<StressReport> {
  const limits = { maxInstructions: null, timeoutMs: null, ledgerPath: null, meter };
  return stress(
    { guest, load: {}, devices: [], revision, seed, checkpoints: 500, ...limits },
    watch,
  );
}

async function storyOf(guest: string, revision: RevisionName, seed: number): Promise<LaneStory> {
  const { story } = await run(guest, revision, seed);
  if (story === null) throw new Error('no story');
  return story;
}

const marked = (story: LaneStory, mark: LaneMark): LaneEvent[] =>
  story.events.filter((e) => e.mark === mark);
const labels = (events: readonly LaneEvent[]): string[] => events.map((e) => e.label);

describe('an instruction that was executed again', () => {
  it('window 1: the request is forgotten while it lies in the slot, and its answer thrown away', async () => {
    const story = await storyOf('counter', 'before-b7e0d8978810', 1);
    expect(story).toMatchObject({ about: 'again', checkpoint: 1, omitted: 0 });
    expect(labels(marked(story, 'first'))).toEqual(['gives 1']);
    expect(labels(marked(story, 'again'))).toEqual(['READY', 'gives 2']);
    expect(labels(marked(story, 'lost'))).toEqual(['thrown away']);
    const [parts] = marked(story, 'parts');
    expect(parts).toMatchObject({
      xen: 'hvmemul_do_io',
      state: { slot: 'READY', latch: 'NONE', deferring: true, stopping: true },
    });
    // In this order: sent, forgotten, served, thrown away, saved, served again, done.
    expect(labels(story.events)).toEqual([
      'exit',
      'granted',
      'suspend',
      'READY',
      'forgotten',
      'RETRY',
      'gives 1',
      'RESP_READY',
      'thrown away',
      'undefer',
      'paused',
      'shut down',
      'not done',
      'resume',
      'exit',
      'granted',
      'READY',
      'RETRY',
      'gives 2',
      'RESP_READY',
      'taken',
      'undefer',
      'EAX = 2',
      'retired',
    ]);
  });

  it('window 2: RIP stays although the answer is written', async () => {
    const story = await storyOf('counter', 'before-b7e0d8978810', 156);
    expect(marked(story, 'parts')).toMatchObject([{ label: 'RIP stays', xen: 'handle_pio' }]);
    expect(labels(marked(story, 'lost'))).toEqual(['not done']);
    expect(labels(story.events)).toContain('EAX = 3');
    expect(labels(story.events)).toContain('EAX = 4');
  });

  it('agrees with the ledger about the events', async () => {
    for (const [guest, seed] of [
      ['counter', 1],
      ['counter', 156],
      ['write-ledger', 1],
      ['mmio-counter', 1],
      ['rep-counter', 1],
    ] as const) {
      const { story, violations } = await run(guest, 'before-b7e0d8978810', seed);
      const violation = violations.find((v) => v.kind === 'duplicate-issue');
      const [first] = marked(story as LaneStory, 'first');
      const again = marked(story as LaneStory, 'again').concat(story?.events ?? []);
      expect(first?.ledger).toMatchObject({ stage: 'issued', first: violation?.firstSeq });
      expect(again.map((e) => e.ledger?.first)).toContain(violation?.seq);
      expect(story?.checkpoint).toBe(violation?.checkpoint?.n);
      expect(story?.access).not.toBe('');
    }
  });

  it('a write is done twice and nothing is lost by that', async () => {
    const story = await storyOf('write-ledger', 'before-b7e0d8978810', 1);
    expect(labels(marked(story, 'again'))).toEqual(['READY', 'takes 1']);
    expect(marked(story, 'lost')).toEqual([]);
    expect(marked(story, 'parts')).toHaveLength(1);
  });

  it('a batch is one event, unless a shutdown falls into it', async () => {
    const story = await storyOf('rep-counter', 'before-b7e0d8978810', 1);
    expect(labels(marked(story, 'first'))).toEqual(['gives 1 … 16']);
    expect(labels(marked(story, 'again'))).toEqual(['READY', 'gives 17 … 18', 'gives 19 … 32']);
    expect(labels(marked(story, 'shutdown'))).toHaveLength(2);
  });

  it('two accesses, with the fix: the second is refused after the first was served', async () => {
    const story = await storyOf('rmw-ledger', 'fixed', 1);
    expect(marked(story, 'parts')).toMatchObject([
      { label: 'withdrawn', parts: { world: 'A device has served an earlier access of it.' } },
    ]);
    expect(labels(marked(story, 'again'))).toEqual(['READY', 'gives 0']);
  });

  it('is told the same way each time', async () => {
    const a = await storyOf('counter', 'before-b7e0d8978810', 35);
    expect(await storyOf('counter', 'before-b7e0d8978810', 35)).toEqual(a);
  });
});

describe('without an instruction that was executed again', () => {
  const session = (): CheckpointSession =>
    new CheckpointSession({
      guest: 'counter',
      load: {},
      devices: [],
      revision: 'exact',
      seed: 1,
      ledgerPath: null,
    });

  it('the last one with a shutdown in it is told, and called that', () => {
    using s = session();
    expect(s.story.lanes).toBeNull();
    while ((s.hits.get('sent') ?? 0) < 3) expect(s.next(1e9)).toBeNull();
    s.letGuestNotice();
    const story = s.story.lanes as LaneStory;
    expect(story).toMatchObject({ about: 'last', checkpoint: s.checkpoints });
    expect(marked(story, 'shutdown')).toHaveLength(1);
    expect(marked(story, 'parts')).toEqual([]);
    expect(story.events.at(-1)?.label).toBe('retired');
  });

  it('keeps the first events and the last, and counts the others', () => {
    using s = session();
    s.story.exit(1);
    for (let n = 1; n <= 500; n++) s.story.shutdown(n, 'sent', '');
    s.story.settled(true);
    const story = s.story.lanes as LaneStory;
    expect(story.events).toHaveLength(96);
    expect(story.omitted).toBe(502 - 96);
    expect(labels([story.events[0] as LaneEvent, story.events[95] as LaneEvent])).toEqual([
      'exit',
      'retired',
    ]);
  });
});

describe('the other side of the race', () => {
  it.each([112, 156])('seed %i: the same shutdown, nothing parted, nothing twice', async (seed) => {
    const { without, with: fixed } = await race({ seed, checkpoints: 300 }, watch);
    const [broken, kept] = [without.story as LaneStory, fixed.story as LaneStory];
    expect(kept.about).toBe('chosen');
    expect(marked(kept, 'shutdown')).toEqual(marked(broken, 'shutdown'));
    for (const mark of ['again', 'first', 'lost', 'parts'] as const) {
      expect(marked(kept, mark)).toEqual([]);
      expect(marked(broken, mark).length).toBeGreaterThan(0);
    }
    expect(marked(kept, 'decides').at(-1)).toMatchObject({ label: 'RIP moves on' });
  });
});

describe('what is measured', () => {
  it('only when asked for', async () => {
    const report = await run('counter', 'exact', 1);
    expect([report.measured, report.story]).toEqual([null, null]);
  });

  it('every checkpoint and every round trip, by the clock that is given', async () => {
    const meter = new RunMeter(clock);
    const { measured, accesses, checkpoints } = await run('counter', 'exact', 1, meter);
    const counted = measured?.rate.counts.reduce((a, b) => a + b, 0);
    expect(counted).toBe(checkpoints);
    expect(measured?.rate.elapsedMs).toBe(checkpoints);
    expect(measured?.latency.total).toBe(accesses.answered);
  });

  it('changes nothing else', async () => {
    const plain = await run('rep-counter', 'exact', 3);
    const metered = await run('rep-counter', 'exact', 3, new RunMeter(clock));
    expect({ ...metered, measured: null }).toEqual(plain);
  });
});
