// SPDX-License-Identifier: GPL-2.0-only
// The packed package in somebody else's project: strict types, no `any` in them, and it runs with the prebuilt addon.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../helpers/markdown.ts';
import { Consumer } from './packed.ts';

const OPTIONS = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  verbatimModuleSyntax: true,
};

let consumer: Consumer;
beforeAll(() => {
  consumer = new Consumer();
  const { folder } = consumer;
  cpSync(join(ROOT, 'test', 'package', 'consumer.ts.txt'), join(folder, 'consumer.ts'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
  for (const name of ['@types/node', 'undici-types']) {
    mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
    cpSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), {
      recursive: true,
    });
  }
}, 120_000);
afterAll(() => consumer[Symbol.dispose]());

test('forty lines compile without an error, and run', { timeout: 120_000 }, () => {
  const { folder } = consumer;
  expect(readFileSync(join(folder, 'consumer.ts'), 'utf8').trimEnd().split('\n')).toHaveLength(40);
  const tsc = join(ROOT, 'node_modules', 'typescript-7', 'bin', 'tsc');
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  expect(compiled.stdout).toBe('');
  expect(compiled.status).toBe(0);
  const env = { PATH: process.env.PATH ?? '', PREBUILDS_ONLY: '1' };
  const { stdout, stderr, status } = spawnSync(process.execPath, ['consumer.js'], {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).toMatch(/^dice: all well .* 0 verdict true success complete 3\n$/);
});

/** Places of a declaration file that say `any`. */
function anys(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      found.push(`${file}:${source.getLineAndCharacterOfPosition(node.pos).line + 1}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The declaration files that an export reaches through relative imports. */
function reached(file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, to] of text.matchAll(/(?:from|import)\s*\(?['"](\.[^'"]+)\.(?:js|ts)['"]/g)) {
    reached(join(file, '..', `${to}.d.ts`), seen);
  }
  return seen;
}

test('no public type is any', () => {
  const { exports } = JSON.parse(readFileSync(join(consumer.package, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>;
  };
  const files = Object.values(exports)
    .filter((entry) => typeof entry !== 'string')
    .flatMap(({ types }) => [...reached(join(consumer.package, types))]);
  expect(files.length).toBeGreaterThan(50);
  expect([...new Set(files)].flatMap(anys)).toEqual([]);
  // The search itself sees one.
  const probe = join(consumer.folder, 'probe.d.ts');
  writeFileSync(probe, 'export declare const anything: {\n  x: any;\n};\n');
  expect(anys(probe)).toEqual([`${probe}:2`]);
});

test('every subpath has types, and nothing of the machine it was built on', () => {
  const files = readdirSync(consumer.package, { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => file.endsWith('.map') && file.startsWith('dist'))).toEqual([]);
  const addon = files.find((file) => file.endsWith('.node')) ?? '';
  const bytes = readFileSync(join(consumer.package, addon)).toString('latin1');
  expect(bytes).not.toContain(ROOT);
  expect(bytes).not.toContain('libunicorn.so');
});
