// SPDX-License-Identifier: GPL-2.0-only
// npm run image:chains -- [checkpoints] [seed] [guest...]: every guest over processes that are killed, with its devices on
// the vCPU's thread, in threads, and in processes of their own. Needs dist/.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listGuestNames, loadGuest } from '../../src/machine/loader.ts';

const MODEL = 'node test/image/children/builtin-model.mjs';
const [checkpoints = '20', seed = '1', ...only] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'trapline-chains-'));

/** Where the devices of a guest are, and how that is asked for. */
function hosts(guest: string): [string, string[]][] {
  const { devices, vcpus } = loadGuest(guest).manifest;
  const processes = devices.flatMap((device) => ['--device-process', `${device}=${MODEL}`]);
  const all: [string, string[]][] = [
    ['same thread', []],
    ['threads', ['--threads']],
  ];
  if (vcpus > 1) all.push(['threads, 2 vCPUs', ['--threads', '--vcpus', '2']]);
  if (devices.length > 0) all.push(['processes', ['--threads', ...processes]]);
  return all;
}

function trapline(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, ['dist/cli/main.js', ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const total = {
  chains: 0,
  wrong: 0,
  idle: 0,
  killed: 0,
  restored: 0,
  accesses: 0,
  lost: 0,
  duplicated: 0,
};
say(
  '| Guest | Devices | Processes | Killed | Gone on from | Checkpoints | Accesses | Lost | Twice |',
);
say('|---|---|---|---|---|---|---|---|---|');
for (const guest of only.length > 0 ? only : listGuestNames()) {
  const first = trapline('run', guest, '--max-instructions', '1000', '--json');
  const short = JSON.parse(first.stdout).outcome !== 'limit';
  for (const [where, args] of hosts(guest)) {
    const chain = ['--image', join(folder, 'chain'), '--restore', 'fresh', '--no-fsync', '--json'];
    const amount = [
      '--checkpoints',
      checkpoints,
      '--seed',
      seed,
      ...(short ? ['--linger', '1'] : []),
    ];
    const { stdout, stderr, status } = trapline('stress', guest, ...chain, ...amount, ...args);
    total.chains++;
    if (status !== 0) total.wrong++;
    if (status === 2 || status === 70) {
      say(`| \`${guest}\` | ${where} | ${stderr.trim()} |`);
      continue;
    }
    const { killed, ledger, processes, restored, problem, ...rest } = JSON.parse(stdout);
    total.killed += killed;
    total.restored += restored;
    // The guest came to its end before anybody was killed: that shows nothing.
    if (restored === 0) total.idle++;
    total.accesses += ledger.accesses.retired;
    total.lost += ledger.lost;
    total.duplicated += ledger.duplicated;
    const cells = [`\`${guest}\``, where, processes, killed, restored, rest.checkpoints];
    cells.push(ledger.accesses.retired, ledger.lost, ledger.duplicated);
    say(`| ${cells.join(' | ')} |${problem === null ? '' : ` ${problem}`}`);
  }
}
rmSync(folder, { recursive: true, force: true });
say(
  `${total.chains} chains, ${total.wrong} of them went wrong, ${total.idle} went on from nothing: ${total.killed} processes killed, ${total.restored} checkpoints gone on from, ${total.accesses} accesses, ${total.lost} lost, ${total.duplicated} duplicated`,
);
process.exitCode = total.wrong === 0 ? 0 : 1;
