// SPDX-License-Identifier: GPL-2.0-only
// Every cell of the matrix, and those of them that are asked for.
import { HvmError } from '../../util/errors.ts';
import { suggest } from '../../util/suggest.ts';
import { addressCells } from './address-cells.ts';
import type { Cell } from './cell.ts';
import { knownCells } from './known-cells.ts';
import { longCells } from './long-cells.ts';
import { mmioCells } from './mmio-cells.ts';
import { modeCells } from './mode-cells.ts';
import { moreCells } from './more-cells.ts';
import { oddCells } from './odd-cells.ts';
import { portCells } from './port-cells.ts';
import { stayingCells } from './staying-cells.ts';
import { wideCells } from './wide-cells.ts';

/** Which cells. */
export interface Selection {
  /** Those whose name or family contains this text. */
  filter?: string | null;
  /** The one of this name. */
  cell?: string | null;
  /** Also those with the largest counts and of accesses in a row; and more stops of each. */
  full: boolean;
}

/** Every cell of a run. */
export function matrixCells(full: boolean): Cell[] {
  return [
    ...portCells(),
    ...mmioCells(),
    ...wideCells(),
    ...moreCells(),
    ...addressCells(),
    ...modeCells(),
    ...oddCells(16),
    ...knownCells(),
    ...(full ? [...longCells(), ...stayingCells()] : []),
  ];
}

/**
 * The cells of a selection, at least one.
 * @throws HvmError HVM_USAGE when there is none
 */
export function selectCells({ filter = null, cell = null, full }: Selection): Cell[] {
  if (cell !== null) return [namedCell(cell)];
  if (filter === null) return matrixCells(full);
  const text = filter.toLowerCase();
  const matching = (cells: readonly Cell[]): Cell[] =>
    cells.filter((c) => `${c.family}: ${c.name}`.toLowerCase().includes(text));
  const found = matching(matrixCells(full));
  if (found.length > 0) return found;
  const families = [...new Set(matrixCells(true).map((c) => c.family))];
  const hint = matching(matrixCells(true)).length > 0 ? 'only with --full there is one' : null;
  const usual = `the families are ${families.join(', ')}`;
  throw new HvmError(
    'HVM_USAGE',
    `--filter '${filter}': no cell's family or name contains it; ${hint ?? usual}`,
    { details: { filter, families } },
  );
}

function namedCell(name: string): Cell {
  const cells = matrixCells(true);
  const found = cells.find((c) => c.name === name);
  if (found !== undefined) return found;
  const near = suggest(
    name,
    cells.map((c) => c.name),
  );
  throw new HvmError(
    'HVM_USAGE',
    `no cell '${name}': ${near === null ? 'the names are in cells[] of trapline exactness --json' : `did you mean '${near}'?`}`,
    { details: { cell: name, suggestion: near } },
  );
}
