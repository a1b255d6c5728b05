// SPDX-License-Identifier: GPL-2.0-only
// `trapline bugs`: the museum, as a table, as one story, or as a document.
import type { MuseumBug } from '../../toolstack/museum/index.ts';
import { findBug, MUSEUM, revisionLabel, stressCommandOf } from '../../toolstack/museum/index.ts';
import type { CliCommand } from '../command.ts';
import { formatTable, wrap } from '../format.ts';
import type { BugsDocument } from '../list-schemas.ts';
import { bugsSchema } from '../list-schemas.ts';
import type { Styler } from '../output.ts';

function documented(bug: MuseumBug): BugsDocument['bugs'][number] {
  const { base, change, faults, ...told } = bug;
  return {
    ...told,
    revision: base,
    switches: { ...change },
    session: Object.keys(faults),
    command: stressCommandOf(bug),
  };
}

function table(bugs: readonly MuseumBug[], style: Styler): string {
  const rows = bugs.map(({ id, date, guest, title }) => [id, date ?? '', guest, title]);
  return formatTable([['id', 'date', 'guest', 'what'].map((text) => style('bold', text)), ...rows]);
}

function story(bug: MuseumBug, style: Styler): string {
  const { commit, date, guest, invariant, modelled, notModelled, title } = bug;
  const paragraph = (text: string): string[] => wrap(text, 78).map((line) => `  ${line}`);
  const facts = [
    ...(commit === null ? [] : [['repaired by', `Xen commit ${commit}, ${date}`]]),
    ['breaks', invariant],
    ['put into', revisionLabel(bug.base, bug)],
    ['well in', bug.cure],
    ['guest', guest],
    ['see it', stressCommandOf(bug)],
  ];
  return [
    style('bold', `${bug.id}: ${title}`),
    '',
    ...paragraph(bug.story),
    '',
    style('bold', 'modelled'),
    ...paragraph(modelled),
    style('bold', 'not modelled'),
    ...paragraph(notModelled),
    '',
    formatTable(facts),
  ].join('\n');
}

export const bugs: CliCommand = {
  name: 'bugs',
  summary: 'defects of the past that can be put back',
  purpose:
    'The bug museum: defects that Xen had on this path, those that are observed in it still, and two of its surroundings. `stress` and `run` put one back with --bug.',
  examples: [
    ['60a56dc006', 'the story of one, what of it is modelled, and how to see it'],
    ['--json', 'all of them, for a program'],
  ],
  exitCodes: [0],
  configure(command) {
    command.argument('[id]', 'one of them, as listed or by its commit');
  },
  run({ output }, args) {
    const [id] = args;
    const shown = id === undefined ? MUSEUM : [findBug(id)];
    const document = { schema: 'trapline.bugs/1' as const, bugs: shown.map(documented) };
    output.result(bugsSchema, document, (style) =>
      id === undefined ? table(shown, style) : shown.map((bug) => story(bug, style)).join(''),
    );
    return 0;
  },
};
