// SPDX-License-Identifier: GPL-2.0-only
// Runs the command line in process: streams captured, clock turned by hand, signals sent by the test.
import type { CliCommand } from '../../src/cli/command.ts';
import type { CliIo } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/program.ts';
import type { StressRequest, StressResult } from '../../src/cli/stress-request.ts';
import { ManualClock } from '../../src/util/clock.ts';

/** A world of its own for one or several runs. */
export class FakeIo implements CliIo {
  out = '';
  err = '';
  readonly env: Record<string, string | undefined>;
  readonly clock: ManualClock = new ManualClock();
  readonly quits: number[] = [];
  breaths = 0;
  readonly stdout: { write(text: string): void; isTTY: boolean };
  readonly stderr: { write(text: string): void; isTTY: boolean; columns: number };
  readonly signals: CliIo['signals'];
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(options: { env?: Record<string, string>; tty?: boolean } = {}) {
    const isTTY = options.tty === true;
    this.env = options.env ?? {};
    this.stdout = {
      write: (text) => {
        this.out += text;
      },
      isTTY,
    };
    this.stderr = {
      write: (text) => {
        this.err += text;
      },
      isTTY,
      columns: 80,
    };
    this.signals = {
      on: (signal, listener) => {
        const set = this.#listeners.get(signal) ?? new Set();
        this.#listeners.set(signal, set.add(listener));
      },
      off: (signal, listener) => this.#listeners.get(signal)?.delete(listener),
    };
  }

  quit(code: number): void {
    this.quits.push(code);
  }

  breathe(): Promise<void> {
    this.breaths++;
    return Promise.resolve();
  }

  /** Listeners that are still there. */
  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  send(signal: 'SIGINT' | 'SIGTERM'): void {
    for (const listener of [...(this.#listeners.get(signal) ?? [])]) listener();
  }
}

/** What a run left behind. */
export interface CliRun {
  code: number;
  out: string;
  err: string;
}

/** One run in a fresh world, or in `io`. */
export async function cli(
  argv: readonly string[],
  options: { io?: FakeIo; commands?: readonly CliCommand[] } = {},
): Promise<CliRun> {
  const io = options.io ?? new FakeIo();
  const code =
    options.commands === undefined
      ? await runCli(argv, io)
      : await runCli(argv, io, options.commands);
  return { code, out: io.out, err: io.err };
}

/** A clean result of what was asked for. */
export function stressResult(
  request: StressRequest,
  more: Partial<StressResult> = {},
): StressResult {
  const { checkpoints, guest, revision, seed } = request;
  return {
    outcome: 'success',
    revision,
    guest,
    seed,
    checkpoints,
    checkpointsAsked: checkpoints,
    instructions: 10 * checkpoints + seed,
    accesses: { issued: checkpoints, answered: checkpoints, retired: checkpoints },
    lost: 0,
    duplicated: 0,
    violations: [],
    violationsTotal: 0,
    reproduce: null,
    windows: { sent: checkpoints },
    verdict: null,
    crash: null,
    story: null,
    script: null,
    end: null,
    measured: null,
    threads: false,
    deviceModels: [],
    ...more,
  };
}

/** An access issued twice around checkpoint 7. */
export function duplicateAt(window: string): StressResult['violations'][number] {
  return {
    kind: 'duplicate-issue',
    class: 'duplicated',
    identity: { vcpu: 0, insn: 12, access: 0, rep: 0, count: 1, lane: 0 },
    firstSeq: 30,
    seq: 33,
    checkpoint: { n: 7, window },
    message: 'vCPU 0, instruction 12 (port 0x200, read of 1 byte): issued twice',
  };
}
