// SPDX-License-Identifier: GPL-2.0-only
// The standalone checker: reads a ledger file, checks the frame (hashes, numbering, last line) and
// lets the same core judge the events as during the run.
import { CHAIN_START, chainHash, splitLine, trailerBody } from './chain.ts';
import {
  asObject,
  decodeCounts,
  decodeEvent,
  integer,
  LineError,
  parseJson,
  text,
} from './codec.ts';
import type { StageCounts } from './events.ts';
import type { RawLine } from './file-reader.ts';
import { readLines, requireHeader } from './file-reader.ts';
import type { CheckerOptions, LedgerReport } from './live-checker.ts';
import { LiveChecker } from './live-checker.ts';

/** The verdict on a file. */
export interface LedgerCheck extends LedgerReport {
  /** Whether each line's hash follows from the line before, or the first line where it does not. */
  chain: 'intact' | { brokenAt: number };
  /** Lines read. */
  lines: number;
}

/** What `checkLedger()` takes. */
export interface CheckLedgerOptions extends CheckerOptions {
  /** Name for error messages when lines are checked. Default `ledger`. */
  name?: string;
}

/** Judges a ledger line by line; damage becomes violations, never an exception. */
class FileChecker {
  readonly #core: LiveChecker;
  readonly #name: string;
  readonly #totals: StageCounts = { issued: 0, answered: 0, retired: 0 };
  #head = CHAIN_START;
  #brokenAt = 0;
  #lines = 0;
  #events = 0;
  #nextSeq = 0;
  #trailerSeen = false;
  #trailing = false;

  constructor(options: CheckLedgerOptions) {
    this.#core = new LiveChecker(options);
    this.#name = options.name ?? 'ledger';
  }

  /** @throws HvmError HVM_LEDGER when the first line is not a ledger's */
  line(raw: RawLine): void {
    this.#lines = raw.number;
    if (raw.number === 1) requireHeader(raw, this.#name);
    if (this.#trailerSeen) {
      if (this.#trailing) return;
      this.#trailing = true;
      this.#say('trailing-data', `line ${raw.number} comes after the last line`);
      return;
    }
    const split = splitLine(raw.text);
    if (raw.fault !== null || split === null) {
      this.#break(raw.number);
      const what = raw.fault ?? 'does not end in a hash';
      this.#say('malformed', `line ${raw.number}: ${what}`);
      return;
    }
    const expected = chainHash(this.#head, split.body);
    if (expected !== split.h) {
      // Go on from this line's own hash, so that one edit is one break.
      this.#break(raw.number);
      this.#say('chain', `line ${raw.number}: its hash does not follow from the line before`);
    }
    const previous = this.#head;
    this.#head = split.h;
    if (raw.number === 1) return;
    try {
      if (split.body.startsWith('{"trailer":')) this.#trailer(split.body, previous, raw.number);
      else this.#event(split.body, raw.number);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.#say('malformed', `line ${raw.number}: ${error.message}`);
    }
  }

  finish(): LedgerCheck {
    if (this.#lines === 0) requireHeader(undefined, this.#name);
    if (!this.#trailerSeen) {
      this.#say('trailer', `the last line is missing after line ${this.#lines}: truncated`);
    }
    return {
      ...this.#core.finish(),
      chain: this.#brokenAt === 0 ? 'intact' : { brokenAt: this.#brokenAt },
      lines: this.#lines,
    };
  }

  #event(body: string, line: number): void {
    const event = decodeEvent(body);
    if (event.seq !== this.#nextSeq) {
      this.#say('sequence', `line ${line}: expected event ${this.#nextSeq}, got ${event.seq}`);
    }
    this.#nextSeq = event.seq + 1;
    this.#events++;
    if (event.stage === 'mark') this.#core.mark(event.seq, event.mark);
    else {
      this.#totals[event.stage] += event.access.count;
      this.#core.access(event.stage, event.seq, event.access);
    }
  }

  #trailer(body: string, previous: string, line: number): void {
    this.#trailerSeen = true;
    const o = asObject(parseJson(body), 'the last line');
    const said = {
      events: integer(o, 'events', 0, Number.MAX_SAFE_INTEGER),
      totals: decodeCounts(asObject(o.totals, '"totals"')),
      head: text(o, 'head'),
    };
    if (trailerBody(said) !== body) throw new LineError('not spelled as a ledger spells it');
    const seen = { events: this.#events, totals: this.#totals, head: previous };
    if (trailerBody(seen) !== body) {
      const what = said.head === previous ? 'counts' : 'chain head';
      const message = `line ${line}: its ${what} differ from the lines before: expected ${trailerBody(seen)}`;
      this.#say('trailer', message);
    }
  }

  #break(line: number): void {
    if (this.#brokenAt === 0) this.#brokenAt = line;
  }

  #say(
    kind: 'trailing-data' | 'malformed' | 'chain' | 'sequence' | 'trailer',
    message: string,
  ): void {
    this.#core.fileViolation(kind, this.#nextSeq, message);
  }
}

/**
 * Checks lines already in memory; each with or without its line end.
 * @throws HvmError HVM_LEDGER when the first line is not that of a ledger of this version
 */
export function checkLedgerLines(
  lines: Iterable<string>,
  options: CheckLedgerOptions = {},
): LedgerCheck {
  const checker = new FileChecker(options);
  let number = 0;
  for (const line of lines) {
    number++;
    const ended = line.endsWith('\n') ? line.slice(0, -1) : line;
    checker.line({ number, text: ended, fault: null });
  }
  return checker.finish();
}

/**
 * Checks a file of any size in bounded memory. Damage is reported in the result.
 * @throws HvmError HVM_LEDGER when it cannot be read, or does not begin as a ledger of this version
 */
export async function checkLedger(
  path: string,
  options: CheckerOptions = {},
): Promise<LedgerCheck> {
  const checker = new FileChecker({ ...options, name: path });
  for await (const line of readLines(path)) checker.line(line);
  return checker.finish();
}
