// SPDX-License-Identifier: GPL-2.0-only
// `trapline save`: a guest up to an instruction, and its image.
import { StreamWriter } from '../../image/writer.ts';
import { chooseDevices } from '../../machine/choose-devices.ts';
import { loadGuest } from '../../machine/loader.ts';
import { Machine } from '../../machine/machine.ts';
import { RunLoop } from '../../machine/run-loop.ts';
import { HvmError } from '../../util/errors.ts';
import { booksOf } from '../books.ts';
import { Limits, type Watch } from '../limits.ts';
import type { RunOptions } from '../run.ts';
import type { RunTerminal } from '../run-report.ts';
import { Snapshot } from '../snapshot.ts';
import { saveThreads } from '../threads/run-threads.ts';
import type { ThreadsOptions } from '../threads/threads-options.ts';
import { allPages, epochState } from './epoch.ts';
import { ImageFile } from './file.ts';
import { suspend } from './suspend.ts';

/** What is asked for. */
export interface SaveOptions extends Omit<RunOptions, 'maxInstructions' | 'image' | 'bug'> {
  /** Instructions before the image is taken. */
  after: number;
  /** A file, or a way out for the bytes. */
  to: { path: string; fsync: boolean } | { write: (bytes: Uint8Array) => Promise<void> };
}

export interface SaveReport {
  outcome: 'success' | 'interrupted';
  guest: string;
  revision: string;
  instructions: number;
  pages: number;
  bytes: number;
}

const SLICE = 100_000;

/** @throws HvmError when something asked for cannot be, or the guest ends before it is saved */
export async function saveGuest(
  options: SaveOptions,
  watch: Watch & RunTerminal,
): Promise<SaveReport> {
  if (options.threads) return await saveInThreads(options, options.threads, watch);
  const guest = loadGuest(options.guest, options.load);
  const devices = chooseDevices(guest, options.devices);
  const { revision, to } = options;
  // Claimed before anything long begins.
  using file = 'path' in to ? new ImageFile(to.path, to.fsync) : null;
  using books = booksOf(options.ledgerPath ?? null, null);
  using machine = new Machine({
    guest,
    devices,
    revision,
    output: watch.output,
    ledger: books?.ledger ?? null,
    ...(watch.input === undefined ? {} : { input: watch.input }),
  });
  books?.open(machine, revision, null);
  const limits = new Limits(watch, options.after, options.timeoutMs);
  const loop = new RunLoop(machine);
  await runUntil(machine, loop, options.after, limits, watch);
  const snapshot = new Snapshot(machine);
  let state: ReturnType<typeof epochState> | null = null;
  const stop = suspend(machine, loop, snapshot, () => {
    books?.ledger.checkpoint(1, 'between-instructions');
    const ledger = books?.position('path' in to && to.fsync) ?? null;
    const facts = { revision, checkpoint: 1, ledger, log: null };
    state = epochState(machine, snapshot, facts);
  });
  if (stop !== null || state === null) throw tooShort(machine, options.after, stop ?? 'stuck');
  const whole = state;
  const fill = (writer: StreamWriter): void => {
    writer.epoch(allPages(machine, snapshot.ram), whole);
  };
  const bytes = 'path' in to ? toFile(file, fill) : await toPipe(to.write, fill);
  return {
    outcome: limits.interrupted ? 'interrupted' : 'success',
    guest: guest.name,
    revision,
    instructions: snapshot.icount,
    pages: machine.ram.sizeBytes / 4096,
    bytes,
  };
}

async function saveInThreads(
  options: SaveOptions,
  threads: ThreadsOptions,
  watch: Watch & RunTerminal,
): Promise<SaveReport> {
  const { revision, to } = options;
  using file = 'path' in to ? new ImageFile(to.path, to.fsync) : null;
  let bytes = 0;
  const request = { ...options, fsync: 'path' in to && to.fsync };
  const { interrupted, ...saved } = await saveThreads(request, threads, watch, async (fill) => {
    bytes = 'path' in to ? toFile(file, fill) : await toPipe(to.write, fill);
  });
  return { outcome: interrupted ? 'interrupted' : 'success', revision, bytes, ...saved };
}

function toFile(file: ImageFile | null, fill: (writer: StreamWriter) => void): number {
  file?.create(fill);
  return file?.bytes ?? 0;
}

async function toPipe(
  write: (bytes: Uint8Array) => Promise<void>,
  fill: (writer: StreamWriter) => void,
): Promise<number> {
  const pieces: Uint8Array[] = [];
  const writer = new StreamWriter((piece) => pieces.push(piece));
  fill(writer);
  writer.end();
  for (const piece of pieces) await write(piece);
  return pieces.reduce((sum, p) => sum + p.length, 0);
}

async function runUntil(
  machine: Machine,
  loop: RunLoop,
  after: number,
  limits: Limits,
  watch: Watch & RunTerminal,
): Promise<void> {
  const { cpu } = machine;
  while (cpu.icount < after) {
    loop.deadline = Math.min(cpu.icount + SLICE, after);
    machine.inputArrived();
    const stop = loop.run();
    const pause = watch.tick(cpu.icount, after);
    if (pause !== undefined) await pause;
    // Ctrl-C: what there is up to here is saved.
    if (limits.interrupted) return;
    if (stop !== 'deadline') throw tooShort(machine, after, stop);
    if (limits.reached(cpu.icount) !== null) return;
  }
}

function tooShort(machine: Machine, after: number, stop: string): HvmError {
  const how = machine.domain.crashed?.reason ?? machine.verdict ?? stop;
  return new HvmError(
    'HVM_USAGE',
    `--after ${after}: guest '${machine.guest.name}' ended before, after ${machine.cpu.icount} instructions (${how})`,
  );
}
