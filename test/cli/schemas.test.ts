// SPDX-License-Identifier: GPL-2.0-only
// The shipped JSON Schemas are those of the program.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { jsonSchemaFiles, SCHEMAS } from '../../src/cli/schemas.ts';

const folder = fileURLToPath(new URL('../../schemas/', import.meta.url));

it('schemas/ holds what `npm run schemas` writes, and nothing else', () => {
  const files = jsonSchemaFiles();
  expect(files.size).toBe(SCHEMAS.length);
  expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
  for (const [name, text] of files) {
    expect(readFileSync(`${folder}${name}`, 'utf8'), `${name}: npm run schemas`).toBe(text);
  }
});
