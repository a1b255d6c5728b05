// SPDX-License-Identifier: GPL-2.0-only
// The documents as tests see them: fenced blocks with their outputs, links, and output lines without times.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** Paths of every document, from the root of the repository. */
export function documents(): string[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return [...top, ...docs.map((name) => `docs/${name}`)].sort();
}

export function textOf(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8');
}

/** A fenced block. `info` is what follows the opening fence; `output` the `text` block right behind it. */
export interface Block {
  line: number;
  info: string;
  body: string;
  output: string | null;
}

/** The fenced blocks of a document; a `text` block that follows another one closely is its output. */
export function blocksOf(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split('\n');
  let previous: { block: Block; end: number } | null = null;
  for (let i = 0; i < lines.length; i++) {
    const info = /^```(.*)$/.exec(lines[i] ?? '')?.[1];
    if (info === undefined) continue;
    const end = lines.indexOf('```', i + 1);
    if (end < 0) throw new Error(`line ${i + 1}: a block without an end`);
    const block: Block = {
      line: i + 1,
      info,
      body: lines.slice(i + 1, end).join('\n'),
      output: null,
    };
    if (info === 'text' && previous !== null && i - previous.end <= 2) {
      previous.block.output = block.body;
    }
    found.push(block);
    previous = { block, end };
    i = end;
  }
  return found;
}

/** The targets of relative links, without their anchors. */
export function linksOf(text: string): string[] {
  const prose = text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target ?? '')
    .filter((target) => !/^(https?:|#)/.test(target))
    .map((target) => target.replace(/#.*$/, ''));
}

/** Output without what differs from run to run: durations, and rates per second. */
export function withoutTimes(text: string): string {
  return text
    .replaceAll(/\b\d+ (?:h|min) \d+ (?:min|s)\b|\b\d+(?:\.\d+)? (?:ms|s)\b/g, 'TIME')
    .replaceAll(/\b[\d,]+\/s\b/g, 'RATE/s')
    .trimEnd();
}

/** Whether `actual` is what `shown` shows; a line `…` stands for any number of lines. */
export function shows(shown: string, actual: string): boolean {
  const want = withoutTimes(shown).split('\n');
  const have = withoutTimes(actual).split('\n');
  const match = (w: number, h: number): boolean => {
    if (w === want.length) return h === have.length;
    if (want[w] !== '…') return h < have.length && want[w] === have[h] && match(w + 1, h + 1);
    for (let skip = h; skip <= have.length; skip++) if (match(w + 1, skip)) return true;
    return false;
  };
  return match(0, 0);
}

/** `actual` with as many lines before and behind its `…` as `shown` has; whole if that has none. */
export function shortened(actual: string, shown: string): string {
  const have = actual.trimEnd().split('\n');
  const want = shown.split('\n');
  const gap = want.indexOf('…');
  if (gap < 0) return have.join('\n');
  const behind = want.length - want.lastIndexOf('…') - 1;
  return [...have.slice(0, gap), '…', ...have.slice(have.length - behind)].join('\n');
}
