// SPDX-License-Identifier: GPL-2.0-only
// Commands of the documents that take minutes, or change the machine: why each is not run as it stands, and what is run
// in its place. A command that is not here fails the test of the documents.

/** What stands for a long command. */
export interface Instead {
  /** Why it is not run as it stands. */
  readonly why: string;
  /** The same, shorter: run in the repository. */
  readonly short?: readonly string[];
  /** Its exit code; 0 unless said. */
  readonly exit?: number;
  /** Files that run the same program in these tests, or in CI; they exist, and the first one contains `says`. */
  readonly elsewhere?: readonly string[];
  readonly says?: string;
}

const ITSELF = 'is part of these tests already';
const MINUTES = 'takes minutes';

const TRAPLINE = ['npx', 'trapline'];
const BENCH = [...TRAPLINE, 'bench', '--time', '20ms', '--peers', 'none'];
const stress = (guest: string): Instead => ({
  why: MINUTES,
  short: [...TRAPLINE, 'stress', guest, '--checkpoints', '500', '--seed', '1'],
});

/** By the command as it stands, without comments. */
export const LONG_COMMANDS: Readonly<Record<string, Instead>> = {
  'npm start': { why: 'sets the machine up first', short: ['npm', 'start'] },
  'npm pack': {
    why: 'is what the tests of the package begin with',
    elsewhere: ['scripts/bare-root.mjs', 'test/package/bare-root.test.ts'],
    says: "'npm', ['pack'",
  },
  'npm install ./trapline-0.1.0.tgz': {
    why: 'needs a folder of its own: the test has a whole root for it',
    elsewhere: ['scripts/bare-root.mjs', 'test/package/bare-root.test.ts'],
    says: 'npm install --no-audit',
  },
  'npm test': {
    why: 'is what runs this test',
    short: ['npm', 'test', '--', 'test/unit/util/hex.test.ts'],
  },
  'npx vitest run test/guests': { why: ITSELF, elsewhere: ['test/guests/guests.test.ts'] },
  'npm test -- test/report': { why: ITSELF, elsewhere: ['test/report/browser.test.ts'] },
  'npm run check:package': {
    why: 'packs once more',
    elsewhere: ['.ci/run', 'test/package/consumer.test.ts'],
    says: 'check:package',
  },
  'npm run check:bare': {
    why: 'packs once more',
    elsewhere: ['test/package/bare-root.test.ts'],
    says: 'tryPackage',
  },
  'npm run check:bare -- --debootstrap': {
    why: 'needs root and a mirror of Debian; the test does the same in a root of this machine',
    elsewhere: ['test/package/bare-root.test.ts'],
    says: 'tryPackage',
  },
  'npx vitest run test/stress/campaign.test.ts': {
    why: ITSELF,
    elsewhere: ['test/stress/campaign.test.ts'],
  },
  'npx vitest run test/oracle': { why: ITSELF, elsewhere: ['test/oracle/cells.test.ts'] },
  'npx vitest run test/contract': { why: ITSELF, elsewhere: ['test/contract/device.test.ts'] },
  'npx vitest run test/suites': { why: ITSELF, elsewhere: ['test/suites/suites.test.ts'] },
  'npm run fuzz:cpu': {
    why: MINUTES,
    elsewhere: ['test/native/fuzz.test.ts'],
    says: 'scripts/fuzz-cpu.mjs',
  },
  'npm run oracle': { why: MINUTES, elsewhere: ['test/oracle/cells.test.ts'] },
  'npm run oracle -- --random 100000 --seed 1': {
    why: MINUTES,
    elsewhere: ['test/oracle/random.test.ts'],
  },
  'npm run guests:stress -- --bios seabios': {
    why: MINUTES,
    elsewhere: ['test/guests/stress.test.ts'],
  },
  'npm run guests:stress': { why: MINUTES, elsewhere: ['test/guests/stress.test.ts'] },
  'npm run suites -- ../80286/v1_real_mode ../virtualxt/tools/tests/286': {
    why: MINUTES,
    elsewhere: ['test/suites/suites.test.ts'],
  },
  'npm run bench:explore': {
    why: 'measures for a quarter of a minute',
    short: ['npm', 'run', 'bench:explore', '--', '--time', '50'],
  },
  'npm run museum:replay': {
    why: MINUTES,
    short: ['npm', 'run', 'museum:replay', '--', '--times', '20', '0c0cbf72cf', '378d31ab3e'],
  },
  'npm run image:damage': { why: MINUTES, elsewhere: ['test/image/damage.test.ts'] },
  'npm run image:verify -- 1000': { why: MINUTES, elsewhere: ['test/image/verifier.test.ts'] },
  'npm run image:chains -- 5': { why: MINUTES, elsewhere: ['test/image/process.test.ts'] },
  'npm run fuzz -- 10': { why: MINUTES, elsewhere: ['test/image/fuzz.test.ts'] },
  'npx trapline exactness': {
    why: MINUTES,
    short: [...TRAPLINE, 'exactness', '--filter', 'cmpxchg8b', '--quiet'],
  },
  'npx trapline stress counter --checkpoints 100000 --seed 1': stress('counter'),
  'npx trapline stress mmio-counter --checkpoints 100000 --seed 1': stress('mmio-counter'),
  'npx trapline stress rep-counter --checkpoints 100000 --seed 1': stress('rep-counter'),
  'npx trapline stress write-ledger --checkpoints 100000 --seed 1': stress('write-ledger'),
  'npx trapline stress rmw-ledger --checkpoints 100000 --seed 1': stress('rmw-ledger'),
  'npx trapline stress counter --image chain --restore fresh --checkpoints 1000 --seed 1': {
    why: 'starts a thousand processes',
    short: [
      ...TRAPLINE,
      ...['stress', 'counter', '--image', 'FOLDER/chain', '--restore', 'fresh'],
      ...['--checkpoints', '3', '--seed', '1'],
    ],
  },
  'npx trapline bench 16-pages': {
    why: 'measures for seconds',
    short: [...BENCH, '16-pages'],
  },
  'npx trapline bench image': {
    why: 'measures for seconds',
    short: [...BENCH, 'image'],
  },
  'npx trapline bench --report bench.html': {
    why: 'measures for minutes',
    short: [...BENCH, '16-pages', '--report', 'FOLDER/bench.html'],
  },
  'npx trapline bench in/bare --peers none': { why: MINUTES, short: [...BENCH, 'in/bare'] },
  'npx trapline bench stages --peers none': { why: MINUTES, short: [...BENCH, 'stages'] },
  'npx trapline bench in/ --json': { why: MINUTES, short: [...BENCH, 'in/bare', '--json'] },
  'npm run bench:check': {
    why: 'compares with figures of a quiet machine',
    elsewhere: ['package.json', 'test/unit/toolstack/bench-compare.test.ts'],
    says: '--compare bench/baseline.json',
  },
  'npx trapline stress counter --threads --duration 60s': {
    why: 'takes the minute it is asked for',
    short: [...TRAPLINE, 'stress', 'counter', '--threads', '--duration', '1s'],
  },
  'npx trapline stress counter --threads --duration 60s --revision before-b7e0d8978810': {
    why: 'takes up to a minute',
    short: [
      ...TRAPLINE,
      ...['stress', 'counter', '--threads', '--checkpoints', '20000'],
      ...['--revision', 'before-b7e0d8978810'],
    ],
    exit: 1,
  },
};
