// SPDX-License-Identifier: GPL-2.0-only
// examples/campaign/ at work: GNU parallel here and on "two machines", the Job's command lines. Needs dist/ and parallel.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { linesOf, MAIN } from '../helpers/campaign.ts';
import { blocksOf, linksOf, ROOT, textOf } from '../helpers/markdown.ts';

const world = mkdtempSync(join(tmpdir(), 'trapline-parallel-'));
afterAll(() => rmSync(world, { recursive: true }));
const at = (...names: string[]): string => join(world, ...names);

function program(name: string, script: string): void {
  writeFileSync(at('bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(at('bin', name), 0o755);
}

const SMALL = ['counter', '--seeds', '1-24', '--checkpoints', '600'];
const env = {
  PATH: `${at('bin')}:${process.env.PATH}`,
  HOME: at('home'),
  PARALLEL_HOME: at('home', '.parallel'),
};
let undisturbed: string;

beforeAll(() => {
  for (const name of ['bin', 'home', 'home/.parallel', 'work']) mkdirSync(at(name));
  symlinkSync(join(ROOT, 'examples'), at('work', 'examples'));
  program('trapline', `echo $$ "$@" >> '${at('pids')}'\nexec '${process.execPath}' '${MAIN}' "$@"`);
  // Another machine: nothing of this one but the file system, and another folder to begin with.
  program(
    'other-machine',
    `host=$1; shift; [ "$1" = -- ] && shift\necho "$host" >> '${at('hosts')}'\nexport SHELL=/bin/sh; cd / && exec sh -c "$*"`,
  );
  const whole = run(['trapline', 'stress', ...SMALL, '--report', at('whole.json')]);
  expect(whole.status).toBe(0);
  expect(run(['trapline', 'merge', at('whole.json'), '--report', at('all.json')]).status).toBe(0);
  undisturbed = readFileSync(at('all.json'), 'utf8');
});

interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

function run([command = '', ...args]: readonly string[], more: Record<string, string> = {}): Run {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: at('work'),
    env: { ...env, ...more },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { status, stdout, stderr };
}

/** A block of the examples' page, with a small campaign of three shards in place of the large one. */
function documented(mark: string): string {
  const page = textOf('examples/campaign/README.md');
  const block = blocksOf(page).find(({ body, info }) => info === 'sh' && body.includes(mark));
  const small = (block?.body ?? '')
    .replace('--seeds 1-1000', '--seeds 1-24')
    .replace(' --checkpoints 10000', '')
    .replace('--seeds 1-24', '--seeds 1-24 --checkpoints 600')
    .replace('1 2 3 4 5 6 7 8', '1 2 3')
    .replace('{}/8', '{}/3')
    .replace('campaign 8', 'campaign 3');
  expect(small).toContain('--seeds 1-24 --checkpoints 600');
  return small;
}

it('the page links to files that exist, and this file runs all its blocks', () => {
  const page = textOf('examples/campaign/README.md');
  const links = linksOf(page);
  expect(links.length).toBeGreaterThan(0);
  for (const link of links)
    expect(existsSync(join(ROOT, 'examples/campaign', link)), link).toBe(true);
  expect(blocksOf(page).filter(({ info }) => info === 'sh')).toHaveLength(3);
});

const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

describe('GNU parallel', () => {
  it('runs the line of the page to the undisturbed result', () => {
    const { status, stdout } = run(['sh', '-c', documented('--joblog joblog')]);
    expect(status).toBe(0);
    expect(stdout).toContain('  seeds         24 of 24, success 24\n');
    const files = Array.from({ length: 3 }, (_, i) => at('work', `shard-${i + 1}.jsonl`));
    run(['trapline', 'merge', ...files, '--report', at('line.json')]);
    expect(readFileSync(at('line.json'), 'utf8')).toBe(undisturbed);
    expect(readFileSync(at('work', 'joblog'), 'utf8').trim().split('\n')).toHaveLength(4);
  }, 120_000);

  it('runs the script of the page, and finds everything done the second time', () => {
    const line = documented('parallel.sh campaign').split('\n').at(-1) ?? '';
    for (const jobs of [4, 4]) {
      expect(run(['sh', '-c', line])).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(at('work', 'campaign', 'campaign.json'), 'utf8')).toBe(undisturbed);
      const log = readFileSync(at('work', 'campaign', 'joblog'), 'utf8');
      expect(log.trim().split('\n')).toHaveLength(jobs);
    }
    const other = run(['sh', '-c', line.replace('--seeds 1-24', '--seeds 1-25')]);
    expect(other.status).toBe(2);
    expect(other.stderr).toContain('is of another campaign');
    expect(run(['sh', 'examples/campaign/parallel.sh', 'x']).status).toBe(2);
  }, 120_000);

  it('runs it on several machines', () => {
    const line = documented('--sshlogin one,two')
      .replace('--sshlogin', '--ssh other-machine --sshlogin')
      .replace('campaign 3', 'machines 3');
    expect(run(['sh', '-c', line])).toMatchObject({ status: 0 });
    expect(readFileSync(at('work', 'machines', 'campaign.json'), 'utf8')).toBe(undisturbed);
    const hosts = new Set(readFileSync(at('hosts'), 'utf8').trim().split('\n'));
    expect([...hosts].sort()).toEqual(['one', 'two']);
  }, 120_000);

  it('goes on with shards that were killed', async () => {
    const folder = at('work', 'killed');
    const words = ['examples/campaign/parallel.sh', folder, '2', ...SMALL];
    writeFileSync(at('pids'), '');
    const both = { ...env, PARALLEL: '--jobs 2' };
    const child = spawn('sh', words, { cwd: at('work'), env: both, stdio: 'ignore' });
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    const shards = [1, 2].map((i) => join(folder, `shard-${i}.jsonl`));
    // Each as soon as it has finished a seed.
    await Promise.all(
      shards.map(async (path, i) => {
        const lines = (): number => (existsSync(path) ? linesOf(path).length : 0);
        await expect.poll(lines, { timeout: 120_000, interval: 2 }).toBeGreaterThan(1);
        const started = readFileSync(at('pids'), 'utf8').split('\n');
        const pid = started.find((line) => line.includes(`--shard ${i + 1}/2`))?.split(' ')[0];
        process.kill(Number(pid), 'SIGKILL');
      }),
    );
    // The merge tells what is missing.
    expect(await closed).toBe(4);
    const log = readFileSync(join(folder, 'joblog'), 'utf8').trim().split('\n').slice(1);
    expect(log.map((job) => job.split('\t')[6])).toEqual(['137', '137']);
    const before = shards.map(size);
    expect(run(['sh', ...words])).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(folder, 'campaign.json'), 'utf8')).toBe(undisturbed);
    for (const [i, path] of shards.entries()) expect(size(path)).toBeGreaterThan(before[i] ?? 0);
  }, 120_000);

  it('ends with the verdict of the merge', () => {
    const words = ['examples/campaign/parallel.sh', 'unfixed', '2', ...SMALL];
    const line = ['sh', ...words, '--revision', 'before-b7e0d8978810'];
    const first = run(line);
    expect(first.status).toBe(1);
    expect(first.stdout).toContain('accesses went wrong in 24 of 24 seeds: see above');
    expect(run(line)).toEqual(first);
  }, 120_000);
});

/** As much of a Job as the manifests use: an unknown or misplaced field is refused. */
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
const container = z.strictObject({
  name,
  // A placeholder: no registry's host.
  image: z.string().regex(/^[a-z-]+$/),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  command: z.array(z.string()),
  resources: z
    .strictObject({ requests: z.strictObject({ cpu: z.string(), memory: z.string() }) })
    .optional(),
  volumeMounts: z.tuple([z.strictObject({ name, mountPath: z.literal('/campaign') })]),
});
const job = z.strictObject({
  apiVersion: z.literal('batch/v1'),
  kind: z.literal('Job'),
  metadata: z.strictObject({ name }),
  spec: z.strictObject({
    completionMode: z.literal('Indexed').optional(),
    completions: z.int().min(1).optional(),
    parallelism: z.int().min(1).optional(),
    backoffLimit: z.int().min(0).optional(),
    backoffLimitPerIndex: z.int().min(0).optional(),
    podFailurePolicy: z
      .strictObject({
        rules: z.array(
          z.union([
            z.strictObject({
              action: z.literal('Ignore'),
              onPodConditions: z.array(z.strictObject({ type: z.literal('DisruptionTarget') })),
            }),
            z.strictObject({
              action: z.literal('FailIndex'),
              onExitCodes: z.strictObject({
                containerName: name,
                operator: z.literal('In'),
                values: z.array(z.int().min(1).max(255)),
              }),
            }),
          ]),
        ),
      })
      .optional(),
    template: z.strictObject({
      spec: z.strictObject({
        // What podFailurePolicy needs.
        restartPolicy: z.literal('Never'),
        containers: z.tuple([container]),
        volumes: z.tuple([
          z.strictObject({ name, persistentVolumeClaim: z.strictObject({ claimName: name }) }),
        ]),
      }),
    }),
  }),
});

function manifest(file: string): z.infer<typeof job> {
  return job.parse(parse(textOf(`examples/campaign/${file}`), { strict: true }));
}

describe('the Kubernetes Job', () => {
  const { spec } = manifest('job.yaml');
  const [shard] = spec.template.spec.containers;
  const set = Object.fromEntries(shard.env.map((one) => [one.name, one.value]));
  const folder = at('volume');

  /** The container's command as the cluster starts it, with the small campaign of three shards and our folder. */
  const command = (index: number, from = shard) => {
    const given = Object.fromEntries(from.env.map((one) => [one.name, one.value]));
    const small = { SEEDS: '1-24', CHECKPOINTS: '600', SHARDS: '3', FOLDER: folder };
    return {
      words: from.command,
      env: { ...given, ...small, JOB_COMPLETION_INDEX: String(index) },
    };
  };

  /** Starts a command and kills it once it has begun its file. */
  async function killed(
    [program = '', ...args]: readonly string[],
    variables: Record<string, string>,
    path: string,
  ): Promise<void> {
    const child = spawn(program, args, {
      cwd: at('work'),
      env: { ...env, ...variables },
      stdio: 'ignore',
    });
    const closed = new Promise((resolve) => child.once('close', (_, signal) => resolve(signal)));
    await expect.poll(() => size(path), { timeout: 120_000, interval: 1 }).toBeGreaterThan(0);
    child.kill('SIGKILL');
    expect(await closed).toBe('SIGKILL');
  }

  it('has an index for every shard, and gives up only on exit codes that are final', () => {
    expect(spec).toMatchObject({ completionMode: 'Indexed', completions: Number(set.SHARDS) });
    const rule = spec.podFailurePolicy?.rules[1];
    const values = rule?.action === 'FailIndex' ? rule.onExitCodes : null;
    expect(values).toMatchObject({ containerName: shard.name });
    // Of the program's exit codes only 143, a clean stop because the pod has to go, is tried again; and 130.
    expect(values?.values).toEqual([1, 2, 3, 4, 5, 6, 70]);
    const mounted = [shard, manifest('merge.yaml').spec.template.spec.containers[0]];
    for (const { env: variables, volumeMounts } of mounted) {
      const path = variables.find((one) => one.name === 'FOLDER')?.value;
      expect(path).toBe(volumeMounts[0].mountPath);
    }
  });

  it('has command lines that run every shard once, and one again that is killed', async () => {
    mkdirSync(folder);
    for (const index of [2, 0, 1]) {
      const { env: variables, words } = command(index);
      if (index === 1) await killed(words, variables, join(folder, 'shard-1.jsonl'));
      expect(run(words, variables)).toMatchObject({ status: 0, stderr: '' });
    }
    const [merge] = manifest('merge.yaml').spec.template.spec.containers;
    const { env: variables, words } = command(0, merge);
    expect(run(words, variables)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(folder, 'campaign.json'), 'utf8')).toBe(undisturbed);
  }, 120_000);
});
