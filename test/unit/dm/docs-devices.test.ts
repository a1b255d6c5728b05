// SPDX-License-Identifier: GPL-2.0-only
// docs/devices.md: its example runs, and its table is the list of devices there is.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkDevice, formatCheck } from '../../../src/check/index.ts';
import {
  Bus,
  formatIoRange,
  listDevices,
  parseDeviceSpec,
  silentContext,
} from '../../../src/dm/index.ts';
import { deviceClauses } from '../../contract/device.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/devices.md'), 'utf8');
const example = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? '';

describe('the example', () => {
  let folder = '';

  beforeAll(async () => {
    mkdirSync(join(root, 'build'), { recursive: true });
    folder = mkdtempSync(join(root, 'build', 'docs-example-'));
    const path = join(folder, 'dice.ts');
    const library = join(root, 'src/dm/index.ts');
    expect(example).toContain("from 'trapline'");
    writeFileSync(path, example.replace("from 'trapline'", `from ${JSON.stringify(library)}`));
    await import(pathToFileURL(path).href);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('has ten lines besides blank ones and the import', () => {
    const lines = example
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('import'));
    expect(lines.length).toBeLessThanOrEqual(10);
  });

  test('is a device like any other: found by name, placed, answering', () => {
    const { factory, range } = parseDeviceSpec('dice@0x320-0x323');
    expect(listDevices()).toContain(factory);
    expect(formatIoRange(range)).toBe('0x320-0x323');
    const bus = new Bus();
    bus.attach(factory.create(silentContext()), range);
    bus.write('pio', 0x320, 1, 7, 0);
    const thrown = Array.from({ length: 60 }, () => bus.read('pio', 0x320, 1));
    expect(new Set(thrown)).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    expect(bus.misses).toBe(0);
  });

  test('passes the contract', () => {
    const { factory } = parseDeviceSpec('dice');
    for (const { check } of deviceClauses((context) => factory.create(context), {
      rangeBytes: 4,
    })) {
      check();
    }
  });
});

test('the table lists the built-in devices with their ranges', () => {
  const rows = [...page.matchAll(/^\| `([a-z]+)` \| (?:`([^`]+)`)? ?\| (?:`([^`]+)`)? ?\|/gm)].map(
    ([, name, ports, memory]) => ({ name, ports, memory }),
  );
  const built = listDevices()
    .filter(({ name }) => name !== 'dice')
    .map(({ name, defaultRange, defaultMmioRange }) =>
      defaultRange.startsWith('mmio:')
        ? { name, ports: undefined, memory: defaultRange }
        : { name, ports: defaultRange, memory: defaultMmioRange },
    );
  expect(rows).toEqual(built);
});

describe('the example of accesses that stay in the guest', () => {
  let folder = '';
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('keeps what it declares', async () => {
    const block = page.split('```ts\n').find((text) => text.includes('PublishedRegister(')) ?? '';
    const library = join(root, 'src/dm/index.ts');
    folder = mkdtempSync(join(root, 'build', 'docs-example-'));
    const path = join(folder, 'queue.ts');
    const code = block.slice(0, block.indexOf('```'));
    writeFileSync(
      path,
      `${code.replace("from 'trapline'", `from ${JSON.stringify(library)}`)}\nexport { Queue };\n`,
    );
    const { Queue } = await import(pathToFileURL(path).href);
    const create = () => new Queue();
    const factory = { name: 'queue', summary: '', defaultRange: '0x300-0x307', create };
    expect(formatCheck(checkDevice(factory))).toMatch(/: all well \(/);
  }, 60_000);
});
