// SPDX-License-Identifier: GPL-2.0-only
// The state file of a search: which search it is of, read before and written after.
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { ExploreOptions, ExploreReport } from '../explore/explorer.ts';
import { formatState, parseState } from '../explore/resume.ts';
import { extrasOf } from '../explore/scenario.ts';
import { HvmError } from '../util/errors.ts';
import { OutputFile } from './output-file.ts';

/** A state file larger than this is none. */
const MOST_STATE_BYTES = 2 ** 28;

/** What decides which search a state file is of. */
function identityOf({ scenario, bounds, prune }: ExploreOptions): string {
  const { guest, load, devices, revision, bug, cpu, ios, checkpoints } = scenario;
  const places = devices.map(({ factory, range }) => [factory.name, range]);
  return JSON.stringify([
    guest,
    load,
    places,
    revision,
    bug?.id ?? null,
    cpu,
    ios,
    checkpoints,
    extrasOf(scenario),
    bounds.preemptions,
    prune,
  ]);
}

function readState(file: string): string | null {
  try {
    if (!existsSync(file)) return null;
    const { size } = statSync(file);
    if (size > MOST_STATE_BYTES) {
      throw new HvmError(
        'HVM_USAGE',
        `cannot go on from '${file}': ${size} bytes; expected at most ${MOST_STATE_BYTES}`,
      );
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof HvmError) throw error;
    throw new HvmError(
      'HVM_USAGE',
      `cannot read '${file}': ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Runs the search between a state file read and one written. */
export async function withState(
  file: string | null,
  options: ExploreOptions,
  run: (options: ExploreOptions) => Promise<ExploreReport>,
): Promise<ExploreReport> {
  if (file === null) return run(options);
  if (options.strategy !== 'dfs') {
    throw new HvmError(
      'HVM_USAGE',
      `--state with --strategy ${options.strategy}: only dfs can go on from a file`,
    );
  }
  const identity = identityOf(options);
  const text = readState(file);
  const from = text === null ? null : parseState(text, identity, file);
  using output = new OutputFile(file);
  const report = await run({ ...options, from });
  if (report.state === null) rmSync(file, { force: true });
  else {
    output.write(formatState(identity, report.state));
    output.commit();
  }
  return report;
}
