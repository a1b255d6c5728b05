// SPDX-License-Identifier: GPL-2.0-only
// The frame of a ledger file: first line, last line, and the hash that ties each line to all before.
import { hash } from 'node:crypto';
import type { StageCounts } from './events.ts';

/** In the first line of every ledger file. */
export const LEDGER_FORMAT = 'trapline-ledger';
/** A reader refuses any other version. */
export const LEDGER_VERSION = 1;
/** What the first line's hash follows from. */
export const CHAIN_START: string = '0'.repeat(64);
/** Longest line a reader takes, in bytes. */
export const MAX_LINE_BYTES: number = 2 ** 20;

/** SHA-256 over the hash of the line before (64 hex digits) and this line's content, as 64 hex digits. */
export function chainHash(previous: string, body: string): string {
  return hash('sha256', previous + body, 'hex');
}

/** The line as it stands in the file: the content with its hash as last field, and a line end. */
export function chainLine(body: string, hashHex: string): string {
  return `${body.slice(0, -1)},"h":"${hashHex}"}\n`;
}

const TAIL = /,"h":"([0-9a-f]{64})"\}$/;

/** Content and hash of a line without its line end; null when it does not end in a hash. */
export function splitLine(line: string): { body: string; h: string } | null {
  const match = TAIL.exec(line.length > 80 ? line.slice(-80) : line);
  if (match === null) return null;
  return { body: `${line.slice(0, line.length - match[0].length)}}`, h: match[1] as string };
}

/** Content of the first line. */
export function headerBody(): string {
  return JSON.stringify({ format: LEDGER_FORMAT, version: LEDGER_VERSION });
}

/** What the last line says: its own count of events, and the hash of the line before it. */
export interface Trailer {
  events: number;
  totals: StageCounts;
  head: string;
}

/** Content of the last line. */
export function trailerBody({ events, totals, head }: Trailer): string {
  const { issued, answered, retired } = totals;
  return JSON.stringify({ trailer: true, events, totals: { issued, answered, retired }, head });
}
