// SPDX-License-Identifier: GPL-2.0-only
// Writes schemas/<name>.json, the JSON Schema of every --json document, from src/cli/schemas.ts.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotRun, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

CannotRun.orExit(() => setUp());
const { jsonSchemaFiles } = await import('../dist/cli/schemas.js');
const folder = join(ROOT, 'schemas');
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) rmSync(join(folder, name));
for (const [name, text] of jsonSchemaFiles()) writeFileSync(join(folder, name), text);
