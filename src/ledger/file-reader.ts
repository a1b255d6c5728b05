// SPDX-License-Identifier: GPL-2.0-only
// Ledger files, read: as streams, in bounded memory.
import { isUtf8 } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { HvmError } from '../util/errors.ts';
import {
  CHAIN_START,
  chainHash,
  headerBody,
  LEDGER_FORMAT,
  LEDGER_VERSION,
  MAX_LINE_BYTES,
  splitLine,
} from './chain.ts';
import type { LedgerEvent } from './codec.ts';
import { asObject, decodeEvent, LineError, parseJson } from './codec.ts';

const READ_BYTES = 256 * 1024;

/** One line of a file: its text, or why there is none. */
export interface RawLine {
  /** 1 for the first */
  number: number;
  text: string;
  /** What is wrong with the line as such: too long, not UTF-8, no line end. */
  fault: string | null;
}

/**
 * Lines of a file of any size, one at a time.
 * @throws HvmError HVM_LEDGER when it cannot be read
 */
export async function* readLines(path: string): AsyncGenerator<RawLine, void, void> {
  const buffer = Buffer.alloc(READ_BYTES);
  let rest: Buffer[] = [];
  let restBytes = 0;
  let number = 0;
  const take = (piece: Buffer, ended: boolean): RawLine => {
    const whole = restBytes === 0 ? piece : Buffer.concat([...rest, piece]);
    const tooLong = restBytes + piece.length > MAX_LINE_BYTES;
    rest = [];
    restBytes = 0;
    number++;
    if (tooLong) return { number, text: '', fault: `longer than ${MAX_LINE_BYTES} bytes` };
    if (!isUtf8(whole)) return { number, text: '', fault: 'not UTF-8 text' };
    return { number, text: whole.toString('utf8'), fault: ended ? null : 'cut off: no line end' };
  };
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        yield take(chunk.subarray(from, end), true);
        from = end + 1;
      }
      if (from === bytesRead) continue;
      // Of an endless line only its length is kept.
      if (restBytes <= MAX_LINE_BYTES) rest.push(Buffer.from(chunk.subarray(from)));
      restBytes += bytesRead - from;
    }
    if (restBytes > 0) yield take(Buffer.alloc(0), false);
  } catch (cause) {
    if (cause instanceof HvmError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HvmError('HVM_LEDGER', `cannot read ledger '${path}': ${why}`, { cause });
  } finally {
    await file?.close();
  }
}

/**
 * Checks a first line.
 * @throws HvmError HVM_LEDGER when it is not the first line of a ledger of this version
 */
export function requireHeader(line: RawLine | undefined, file: string): void {
  const expected = `expected the first line of a ${LEDGER_FORMAT} file, version ${LEDGER_VERSION}`;
  const refuse = (got: string): HvmError =>
    new HvmError('HVM_LEDGER', `${file}:1: ${expected}, got ${got}`, {
      details: { file, line: 1 },
    });
  if (line === undefined) throw refuse('an empty file');
  const split = line.fault === null ? splitLine(line.text) : null;
  if (split === null) throw refuse(line.fault ?? 'something else');
  let header: Record<string, unknown>;
  try {
    header = asObject(parseJson(split.body), 'the line');
  } catch (cause) {
    throw refuse(cause instanceof LineError ? cause.message : String(cause));
  }
  if (header.format !== LEDGER_FORMAT) throw refuse('another format');
  if (header.version !== LEDGER_VERSION) {
    throw refuse(`version ${JSON.stringify(header.version)?.slice(0, 20) ?? 'nothing'}`);
  }
  if (split.body !== headerBody()) throw refuse('a first line with other fields');
}

/**
 * The events of a file, strictly: the first thing that is not as written ends it.
 * @throws HvmError HVM_LEDGER with file, line and what was expected
 */
export async function* readLedger(path: string): AsyncGenerator<LedgerEvent, void, void> {
  let head = CHAIN_START;
  let number = 0;
  let done = false;
  const refuse = (why: string): HvmError =>
    new HvmError('HVM_LEDGER', `${path}:${number}: ${why}`, {
      details: { file: path, line: number },
    });
  for await (const line of readLines(path)) {
    ({ number } = line);
    if (number === 1) requireHeader(line, path);
    if (done) throw refuse('expected nothing after the last line');
    if (line.fault !== null) throw refuse(`expected an event, got a line ${line.fault}`);
    const split = splitLine(line.text);
    if (split === null) throw refuse('expected a line ending in its hash');
    const next = chainHash(head, split.body);
    if (next !== split.h) throw refuse(`expected hash ${next}, got ${split.h}`);
    const previous = head;
    head = next;
    if (number === 1) continue;
    if (split.body.startsWith('{"trailer":')) {
      if (!split.body.endsWith(`"head":"${previous}"}`)) throw refuse(`expected head ${previous}`);
      done = true;
      continue;
    }
    try {
      yield decodeEvent(split.body);
    } catch (cause) {
      if (!(cause instanceof LineError)) throw cause;
      throw new HvmError('HVM_LEDGER', `${path}:${number}: ${cause.message}`, {
        cause,
        details: { file: path, line: number },
      });
    }
  }
  if (number === 0) requireHeader(undefined, path);
  if (!done) {
    number++;
    throw refuse('expected the last line of the ledger, got the end of the file');
  }
}
