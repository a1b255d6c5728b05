// SPDX-License-Identifier: GPL-2.0-only
// What a run reports at its end, and who stands at its terminal meanwhile.
import type { DeviceContext, InputSource } from '../dm/device.ts';
import type { Operator } from '../machine/operator.ts';
import type { Pc } from '../machine/pc/platform.ts';
import type { BooksReport } from './books.ts';
import type { RunImagesReport } from './image/run-images.ts';
import type { StressOutcome } from './stress-report.ts';

export interface RunReport {
  outcome: StressOutcome;
  revision: string;
  guest: string;
  verdict: StressOutcomeVerdict;
  crash: { reason: string } | null;
  limit: string | null;
  instructions: number;
  exits: Record<string, number>;
  unclaimed: number;
  devices: Record<string, Record<string, unknown>>;
  /** null: none were asked for. */
  checkpoints: RunImagesReport | null;
  /** null: no books were kept. */
  ledger: BooksReport | null;
  /** null: a bare machine. */
  pc: PcReport | null;
  /** null: nobody typed or waited. */
  script: ScriptReport | null;
}

/** What became of the script at keyboard and screen. */
export interface ScriptReport {
  /** What did not happen; null: all of it did. */
  problem: string | null;
}

/** What a PC has to say at the end. */
export interface PcReport {
  bios: string;
  /** What the guest wanted that is not there: a port, a command, a service; and how often. */
  missing: Record<string, number>;
  /** What a .COM program ended with; null: it has not, or there is none. */
  exitCode: number | null;
  /** Sectors of image files that were written. */
  sectorsWritten: number;
  /** Of drive C, with --writable. */
  filesWritten: number;
}
type StressOutcomeVerdict = 'success' | 'skip' | 'error' | 'failure' | null;

/** The guest's side of the terminal. */
export interface RunTerminal {
  output(byte: number): void;
  /** Absent: nothing ever arrives. */
  input?: InputSource;
  /** Resolves when everything written so far has left the process. Absent: it has at once. */
  flushed?(): Promise<void>;
  /** The machine is ready: what it is, in a line. */
  started?(what: string): void;
  /** What comes in over COM1 of a PC, if not `input`. */
  lineInput?: InputSource;
  /** Where COM1 of a PC goes, if not to `output`. */
  line?: Partial<DeviceContext>;
  /** True: the guest's time does not run ahead of the clock. */
  realTime?: boolean;
  /** Somebody at the screen of a PC. The run ends when he leaves. */
  operator?: Operator | null;
  /** A `look` of the script, by its number. */
  look?(number: number, pc: Pc): void;
  /** A PC has stopped for good: the last look at it. */
  ended?(pc: Pc): void;
}
