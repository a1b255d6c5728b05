// SPDX-License-Identifier: GPL-2.0-only
// `trapline diff <a> <b>`: what changed between two images, in the guest's terms.
import { diffImages } from '../../toolstack/image/diff.ts';
import { type ImageSource, loadImage } from '../../toolstack/image/read.ts';
import type { CliCommand } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount, formatTable } from '../format.ts';
import { type DiffDocument, diffSchema } from '../image-schemas.ts';
import type { Styler } from '../output.ts';

/** Memory ranges shown in text; --json has all. */
const SHOWN = 20;

const address = (n: number): string => `0x${n.toString(16).padStart(5, '0')}`;

/** The result as text. */
export function renderDiff(document: DiffDocument, style: Styler): string {
  const { after, before, devices, memory, other, registers } = document;
  if (document.same) return `${before} and ${after} are the same`;
  const part = (title: string, rows: string[][]): string[] =>
    rows.length === 0 ? [] : [style('bold', title), formatTable(rows, { indent: '  ' })];
  const fields = (list: DiffDocument['registers']): string[][] =>
    list.map((c) => [c.field, c.before ?? '(absent)', '->', c.after ?? '(absent)']);
  const ranges = memory
    .slice(0, SHOWN)
    .map((m) => [
      `${address(m.first)}-${address(m.last)}`,
      m.bytes === 1 ? '1 byte' : `${formatCount(m.bytes)} bytes`,
      m.before,
      '->',
      m.after,
    ]);
  const more = memory.length > SHOWN ? [`  and ${formatCount(memory.length - SHOWN)} more`] : [];
  return [
    ...part('registers', fields(registers)),
    ...part('memory', ranges),
    ...more,
    ...part('devices', fields(devices)),
    ...part('other', fields(other)),
  ].join('\n');
}

/** @param source - opens a file, or `-` */
export function diffCommand(source: (file: string) => ImageSource): CliCommand {
  return {
    name: 'diff',
    summary: 'what changed between two images',
    purpose:
      'Compares two images in terms of the guest: registers by name, ranges of memory, fields of devices, and the rest of the state.',
    examples: [
      ['before.img after.img', 'what did the guest do in between?'],
      ['before.img after.img --json', 'all of it for a program'],
    ],
    exitCodes: [0, 1],
    configure(command) {
      command
        .argument('<before>', 'an image; -: stdin')
        .argument('<after>', 'another; 1 is the exit code when they differ');
    },
    async run({ output }, args): Promise<ExitCode> {
      const [a, b] = [source(args[0] ?? '-'), source(args[1] ?? '-')];
      const [before, after] = [await loadImage(a), await loadImage(b)];
      const document: DiffDocument = {
        schema: 'trapline.diff/1',
        before: a.name,
        after: b.name,
        ...diffImages(before, after),
      };
      output.result(diffSchema, document, (style) => renderDiff(document, style));
      return document.same ? 0 : 1;
    },
  };
}
