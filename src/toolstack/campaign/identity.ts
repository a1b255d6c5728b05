// SPDX-License-Identifier: GPL-2.0-only
// What a campaign is of: two of the same identity give the same result for the same seed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { loadGuest } from '../../machine/loader.ts';
import { commandLine } from '../stress-command.ts';
import type { StressOptions } from '../stress-report.ts';
import type { CampaignIdentity } from './shapes.ts';

/** The running program. */
export interface BuildFiles {
  version: string;
  /** The folder of the modules that run: dist/, or src/ in tests. */
  program: string;
  addon: string;
}

/** Modules below `folder`, in one order on every machine. */
function modulesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /(?<!\.d)\.(js|ts)$/.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

export function buildIdentity({ version, program, addon }: BuildFiles): CampaignIdentity['build'] {
  const digest = createHash('sha256');
  for (const path of modulesUnder(program)) {
    const bytes = readFileSync(join(program, path));
    digest.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  digest.update('addon\0').update(readFileSync(addon));
  return { version, digest: digest.digest('hex') };
}

/** @throws HvmError as `loadGuest` does */
function guestIdentity({ guest: ref, load }: StressOptions): CampaignIdentity['guest'] {
  // As a session loads it.
  const guest = loadGuest(ref, { iterations: 0, ...load });
  const { blockBase, entry, format, hasManifest, manifest, memoryBytes, name } = guest;
  const digest = createHash('sha256');
  digest.update(
    JSON.stringify({ blockBase, entry, format, hasManifest, manifest, memoryBytes, name }),
  );
  for (const { gpa, bytes } of guest.pieces) {
    digest.update(`\0${gpa}\0${bytes.length}\0`).update(bytes);
  }
  return { name, digest: digest.digest('hex') };
}

/**
 * @param options - of any of its seeds
 * @param repeatable - whether the runner gives the same result for the same seed every time
 * @throws HvmError when the guest cannot be loaded
 */
export function identityOf(
  build: CampaignIdentity['build'],
  options: StressOptions,
  repeatable: boolean,
): CampaignIdentity {
  const { checkpoints, revision } = options;
  return {
    build,
    guest: guestIdentity(options),
    revision,
    checkpoints,
    command: commandLine(options, [`--checkpoints ${checkpoints}`]),
    repeatable,
  };
}

/** What tells two campaigns apart, in words; null: nothing does. */
export function difference(ours: CampaignIdentity, theirs: CampaignIdentity): string | null {
  const short = (digest: string): string => digest.slice(0, 12);
  const build = ({ build: { version, digest } }: CampaignIdentity): string =>
    `build ${version} (${short(digest)})`;
  const guest = ({ guest: { name, digest } }: CampaignIdentity): string =>
    `guest ${name} (${short(digest)})`;
  const command = (identity: CampaignIdentity): string => `'${identity.command}'`;
  for (const say of [build, command, guest]) {
    if (say(ours) !== say(theirs)) return `it is of ${say(theirs)}, expected ${say(ours)}`;
  }
  return JSON.stringify(ours) === JSON.stringify(theirs) ? null : 'it is of another campaign';
}
