// SPDX-License-Identifier: GPL-2.0-only
// Who may import whom, and who alone may touch the outside world. The table is that of ARCHITECTURE.md.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

/**
 * Folders of src/ and the folders they may import, beside themselves. `types:` in front: types only.
 * A file lying directly in a folder that has no entry of its own belongs to the entry of that folder's name.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  util: [],
  'xen/public': ['util'],
  ledger: ['util'],
  mem: ['util', 'xen/public'],
  image: ['util', 'mem', 'xen/public'],
  xen: ['util', 'mem', 'xen/public', 'xen/common', 'xen/hvm'],
  'xen/common': ['util', 'mem', 'xen/public', 'xen/hvm', 'xen'],
  'xen/hvm': ['util', 'mem', 'xen/public', 'xen/common', 'xen'],
  dm: ['util', 'mem', 'xen/public'],
  cpu: ['util', 'mem', 'xen/public', 'types:xen/hvm'],
  machine: ['util', 'mem', 'ledger', 'xen/public', 'xen/common', 'xen/hvm', 'xen', 'dm', 'cpu'],
  toolstack: ['*0-2', 'machine'],
  peers: ['util', 'toolstack'],
  report: ['util', 'types:ledger'],
  check: ['util', 'dm'],
  trace: ['*0-2', 'machine'],
  gdb: ['*0-2', 'machine'],
  screen: ['*0-2', 'machine'],
  explore: ['*0-2', 'machine', 'toolstack', 'trace', 'gdb', 'screen'],
  web: ['*0-2', 'machine', 'toolstack', 'trace', 'gdb', 'screen'],
  api: ['*0-2', 'machine', 'toolstack', 'explore'],
  cli: ['*'],
  index: ['*0-2', 'machine', 'toolstack', 'explore', 'api'],
  parts: ['*0-2', 'machine', 'toolstack', 'trace', 'gdb', 'screen', 'explore', 'web'],
};

/** Layers 0 to 2, named `*0-2` above. */
const LOW = [
  'util',
  'ledger',
  'mem',
  'image',
  'xen/public',
  'xen/common',
  'xen/hvm',
  'xen',
  'dm',
  'cpu',
];

interface Import {
  /** Relative to src/. */
  from: string;
  /** Relative to src/, or a package name. */
  to: string;
  typeOnly: boolean;
}

function sourceFiles(folder: string = SRC): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

const IMPORT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

/** Every import and re-export in `text`, the text of the file `from`. */
function importsOf(from: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map(([, type, still, dynamic]) => {
    const name = still ?? dynamic ?? '';
    const to = name.startsWith('.') ? relative(SRC, resolve(dirname(join(SRC, from)), name)) : name;
    return { from, to, typeOnly: type !== undefined };
  });
}

/** The entry of the table a file belongs to. */
function layerOf(file: string): string {
  const parts = file.split('/');
  if (parts.length === 1) return file.replace(/\.ts$/, '');
  const two = parts.slice(0, 2).join('/');
  return two in MAY_IMPORT ? two : (parts[0] ?? '');
}

/** Why an import is not allowed, or null. */
function breach({ from, to, typeOnly }: Import): string | null {
  if (!to.includes('/') && !to.endsWith('.ts')) return null;
  if (to.startsWith('node:') || to.startsWith('@')) return null;
  const [own, other] = [layerOf(from), layerOf(to)];
  const entry = MAY_IMPORT[own];
  if (entry === undefined) return `${from}: src/${own}/ is not in the table`;
  const allowed = entry.flatMap((name) => (name === '*0-2' ? LOW : [name]));
  if (own === other || allowed.includes('*') || allowed.includes(other)) return null;
  if (typeOnly && allowed.includes(`types:${other}`)) return null;
  return `${from} imports ${to}`;
}

const files = sourceFiles().map((path) => ({
  file: relative(SRC, path),
  text: readFileSync(path, 'utf8'),
}));

/** Source without comments: what is said about a thing is not the thing. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/[^\n]*/g, '$1');
}

/** Files that import themselves by way of others, types included. */
function circling(imports: readonly Import[]): string[] {
  const from = new Set(imports.map((it) => it.from));
  const to = new Set(imports.map((it) => it.to));
  // Who imports nobody of these, or is imported by nobody of them, is in no circle.
  const left = imports.filter((it) => from.has(it.to) && to.has(it.from));
  return left.length === imports.length ? [...from].sort() : circling(left);
}

/** Files outside `home` whose code matches. */
function elsewhere(pattern: RegExp, home: (file: string) => boolean): string[] {
  return files
    .filter(({ file, text }) => !home(file) && pattern.test(code(text)))
    .map((f) => f.file);
}

describe('layers', () => {
  it('every import goes where the table allows', () => {
    const imports = files.flatMap(({ file, text }) => importsOf(file, text));
    expect(imports.length).toBeGreaterThan(files.length);
    expect(imports.map(breach).filter((text) => text !== null)).toEqual([]);
  });

  it('the check sees what it is there to see', () => {
    const text = [
      "import { a } from '../xen/hvm/io.ts';",
      "import type { b } from '../xen/common/sched.ts';",
      'import {',
      '  c,',
      "} from '../machine/machine.ts';",
      "export { d } from '../toolstack/checkpoint.ts';",
      "import '../cli/main.ts';",
      "const e = await import('../cpu/native.ts');",
      "import { f } from '../util/bits.ts';",
      "import { g } from 'commander';",
      "import { h } from 'node:fs';",
    ].join('\n');
    // The order is that of the lines: each pattern finds its own.
    expect(importsOf('dm/x.ts', text).map(breach)).toEqual([
      'dm/x.ts imports xen/hvm/io.ts',
      'dm/x.ts imports xen/common/sched.ts',
      'dm/x.ts imports machine/machine.ts',
      'dm/x.ts imports toolstack/checkpoint.ts',
      'dm/x.ts imports cli/main.ts',
      'dm/x.ts imports cpu/native.ts',
      null,
      null,
      null,
    ]);
    const types = "import type { a } from '../xen/hvm/io.ts';";
    expect(importsOf('cpu/x.ts', types).map(breach)).toEqual([null]);
    const values = "import { a } from '../xen/hvm/io.ts';";
    expect(importsOf('cpu/x.ts', values).map(breach)).toEqual(['cpu/x.ts imports xen/hvm/io.ts']);
    expect(importsOf('xen/hvm/x.ts', "import '../../dm/bus.ts';").map(breach)).toHaveLength(1);
    expect(breach({ from: 'news/x.ts', to: 'util/hex.ts', typeOnly: false })).toContain('table');
  });
});

describe('circles', () => {
  const isXen = (file: string): boolean => file.startsWith('xen/');

  it("there are none but that of Xen's own structures", () => {
    const imports = files.flatMap(({ file, text }) => importsOf(file, text));
    expect(circling(imports.filter(({ from, to }) => !isXen(from) || !isXen(to)))).toEqual([]);
    expect(circling(imports)).toContain('xen/common/sched.ts');
  });

  it('the check sees what it is there to see', () => {
    const imports = (text: string): Import[] =>
      text.split(' ').map((pair) => ({ from: pair[0] ?? '', to: pair[1] ?? '', typeOnly: true }));
    expect(circling(imports('ab bc ac dc'))).toEqual([]);
    expect(circling(imports('ab bc ca xa cy'))).toEqual(['a', 'b', 'c']);
  });
});

describe('the outside world', () => {
  it('only src/cpu/native.ts loads the addon', () => {
    expect(elsewhere(/node-gyp-build/, (file) => file === 'cpu/native.ts')).toEqual([]);
  });

  it('only src/cli/ writes to stdout, reads the arguments or sets an exit code', () => {
    const inCli = (file: string): boolean => file.startsWith('cli/');
    const pattern = /\bprocess\.(stdout|stderr|argv|exit|exitCode)\b|\bconsole\./;
    expect(elsewhere(pattern, inCli)).toEqual([]);
  });

  it('only src/gdb/tcp.ts, src/web/ and device models in other processes open sockets', () => {
    const homes = ['gdb/tcp.ts', 'dm/process/client.ts', 'machine/threads/bridge-worker.ts'];
    const home = (file: string): boolean => homes.includes(file) || file.startsWith('web/');
    expect(elsewhere(/from 'node:(net|http|https|http2|tls|dgram)'/, home)).toEqual([]);
  });

  it('the deterministic layers take time and chance from outside', () => {
    const free = (file: string): boolean => !/^(xen|dm|machine|toolstack|ledger)\//.test(file);
    const pattern =
      /\bMath\.random\b|\bDate\b\s*[.(]|\bnew Date\b|\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bperformance\.|node:timers|node:perf_hooks|\brandom(Bytes|Int|UUID)\b|\bhrtime\b/;
    expect(elsewhere(pattern, free)).toEqual([]);
  });
});

it('every source file begins with its licence and what it is', () => {
  const bare = files.filter(
    ({ text }) => !/^(#![^\n]*\n)?\/\/ SPDX-License-Identifier: GPL-2\.0-only\n\/\/ \S/.test(text),
  );
  expect(bare.map(({ file }) => file)).toEqual([]);
});
