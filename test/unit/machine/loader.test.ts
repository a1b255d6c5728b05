// SPDX-License-Identifier: GPL-2.0-only
// Names, folders and files to laid-out guests; every refusal one line.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseDeviceSpec } from '../../../src/dm/index.ts';
import {
  type ParameterBlock,
  parseGuestManifest,
  readLog,
  readParameterBlock,
} from '../../../src/machine/guest-manifest.ts';
import {
  formatSegOff,
  type LoadOptions,
  listGuestNames,
  listGuests,
  loadGuest,
  packageGuestsFolder,
} from '../../../src/machine/loader.ts';
import type { HvmError } from '../../../src/util/errors.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-loader-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  return path;
}

function bootSector(): Uint8Array {
  const sector = new Uint8Array(512).fill(0x90);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** The error of `loadGuest`; its message must be one line. */
function refusal(ref: string, options: LoadOptions = {}): { code: string; message: string } {
  try {
    loadGuest(ref, options);
  } catch (error) {
    const { code, message } = error as HvmError;
    expect(message).not.toMatch(/\n/);
    return { code, message };
  }
  throw new Error(`'${ref}' was accepted`);
}

describe('the guests of the package', () => {
  const names = listGuestNames();

  test('are all there', () => {
    expect(names).toEqual([
      'ballooned',
      'broadcast',
      'counter',
      'down-counter',
      'echo',
      'emulated-in',
      'fault-batch',
      'hello',
      'hello-boot',
      'hello-com',
      'hello-rom',
      'ins-mmio',
      'interrupts',
      'irq-counter',
      'loop',
      'mmio-counter',
      'outs-batch',
      'page-batch',
      'posted-writes',
      'rep-counter',
      'rmw-ledger',
      'selftest',
      'smp-counter',
      'storm',
      'write-ledger',
    ]);
    expect(listGuests().map(({ name }) => name)).toEqual(names);
  });

  test.each(names)('%s loads by name and by folder, with devices that exist', (name) => {
    const guest = loadGuest(name);
    expect(guest).toEqual({ ...loadGuest(join(packageGuestsFolder(), name)), path: guest.path });
    expect(guest.name).toBe(name);
    expect(guest.hasManifest).toBe(true);
    expect(guest.manifest.purpose).toMatch(/^[A-Z].*\.$/);
    for (const spec of guest.manifest.devices) parseDeviceSpec(spec);
    for (const { gpa, bytes } of guest.pieces) {
      expect(gpa + bytes.length).toBeLessThanOrEqual(guest.memoryBytes);
    }
  });

  test.each(names)('%s: block and manifest say the same', (name) => {
    const { format, pieces, blockBase, manifest } = loadGuest(name);
    if (format !== 'flat') {
      expect(blockBase).toBeNull();
      expect([manifest.log, manifest.iterations, manifest.parameter]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      return;
    }
    const block = readParameterBlock(pieces[0]?.bytes as Uint8Array, 0) as ParameterBlock;
    expect(blockBase).toBe(0x7c00);
    expect(block.logIndex).toBe(0);
    if (manifest.log !== undefined) {
      expect({ base: block.logBase, entries: block.logEntries }).toEqual({
        base: manifest.log.base,
        entries: manifest.log.entries,
      });
    }
    if (manifest.iterations !== undefined) expect(block.iterations).toBe(manifest.iterations);
    if (manifest.parameter !== undefined) expect(block.parameter).toBe(manifest.parameter);
  });

  test('options go into the parameter block', () => {
    const { pieces } = loadGuest('counter', { iterations: 0, parameter: 0xfffffffe });
    expect(readParameterBlock(pieces[0]?.bytes as Uint8Array, 0)).toMatchObject({
      iterations: 0,
      parameter: 0xfffffffe,
      logBase: 0x10000,
      logEntries: 4096,
    });
  });
});

describe('formats', () => {
  test('flat: 0000:7C00 unless told otherwise, stack below it', () => {
    const path = file('plain.bin', Uint8Array.of(0xf4));
    expect(loadGuest(path)).toMatchObject({
      name: 'plain',
      format: 'flat',
      hasManifest: false,
      memoryBytes: 0x100000,
      blockBase: null,
      pieces: [{ gpa: 0x7c00, bytes: Uint8Array.of(0xf4), readOnly: false }],
      entry: { cs: 0, ip: 0x7c00, ds: 0, es: 0, ss: 0, sp: 0x7c00, flags: 2 },
    });
    expect(loadGuest(path, { load: { seg: 0x1000, off: 0 } })).toMatchObject({
      pieces: [{ gpa: 0x10000 }],
      entry: { cs: 0x1000, ip: 0, ds: 0x1000, ss: 0x1000, sp: 0xfffe },
    });
  });

  test('boot: by mark or extension, as a BIOS leaves it; only the first sector', () => {
    const expected = {
      format: 'boot',
      entry: { cs: 0, ip: 0x7c00, dx: 0x80, sp: 0x7c00, flags: 0x202 },
      pieces: [{ gpa: 0x7c00, bytes: bootSector() }],
    };
    expect(loadGuest(file('sector', bootSector()))).toMatchObject(expected);
    const disk = new Uint8Array(1474560);
    disk.set(bootSector());
    expect(loadGuest(file('disk.IMG', disk))).toMatchObject(expected);
    expect(refusal(file('short.img', new Uint8Array(511)))).toEqual({
      code: 'HVM_GUEST_FORMAT',
      message: expect.stringMatching(/short\.img is no boot sector: .*it has 511$/),
    });
    expect(refusal(file('unmarked.img', new Uint8Array(512))).message).toMatch(/are 0x0 0x0$/);
  });

  test('.COM: PSP, command tail, INT 20h behind a RET, the stub behind the vectors', () => {
    const program = Uint8Array.of(0xb4, 0x4c, 0xcd, 0x21);
    const { pieces, entry } = loadGuest(file('prog.com', program), { commandLine: '/x y' });
    const [segment, ivt, stub] = pieces.map(({ bytes }) => bytes) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    expect(entry).toMatchObject({
      cs: 0x1000,
      ip: 0x100,
      ds: 0x1000,
      es: 0x1000,
      ss: 0x1000,
      sp: 0xfffe,
    });
    expect(pieces.map(({ gpa }) => gpa)).toEqual([0x10000, 0x80, 0x600]);
    expect([...segment.slice(0, 4)]).toEqual([0xcd, 0x20, 0x00, 0xa0]);
    expect(Buffer.from(segment.slice(0x80, 0x87)).toString('latin1')).toBe('\x05 /x y\r');
    expect([...segment.slice(0x100, 0x104)]).toEqual([...program]);
    expect([...segment.slice(0xfffe)]).toEqual([0, 0]);
    const view = new DataView(ivt.buffer);
    expect([view.getUint16(2, true), view.getUint16(6, true)]).toEqual([0x60, 0x60]);
    for (const offset of [0, 4]) expect(view.getUint16(offset, true)).toBeLessThan(stub.length);
    expect(refusal(join(scratch, 'prog.com'), { commandLine: 'x'.repeat(126) }).code).toBe(
      'HVM_USAGE',
    );
  });

  test('ROM: ends at the top of the first megabyte, starts at F000:FFF0', () => {
    expect(loadGuest(file('bios.rom', new Uint8Array(65536).fill(1)))).toMatchObject({
      format: 'rom',
      pieces: [{ gpa: 0xf0000, readOnly: true }],
      entry: { cs: 0xf000, ip: 0xfff0, ss: 0, sp: 0, flags: 2 },
    });
    expect(refusal(file('tiny.rom', new Uint8Array(15))).code).toBe('HVM_GUEST_FORMAT');
  });

  test('an option overrides the guess', () => {
    expect(loadGuest(file('x.com', bootSector()), { format: 'boot' }).format).toBe('boot');
    expect(loadGuest(join(scratch, 'sector'), { format: 'flat' }).format).toBe('flat');
  });
});

describe('refusals', () => {
  test('missing: with the nearest name, or what was expected', () => {
    expect(refusal('conter')).toEqual({
      code: 'HVM_GUEST_MISSING',
      message: "no guest 'conter': did you mean 'counter'?",
    });
    expect(refusal('/no/such/file.bin').message).toMatch(
      /expected a file, a folder, or one of ballooned, broadcast, counter,/,
    );
    expect(refusal('').code).toBe('HVM_GUEST_MISSING');
    mkdirSync(join(scratch, 'folder'));
    expect(refusal(join(scratch, 'folder'))).toEqual({
      code: 'HVM_GUEST_MISSING',
      message: expect.stringMatching(/the folder has no guest\.json$/),
    });
  });

  test('a manifest whose image is not there, or a name that leaves the guests', () => {
    const folder = join(scratch, 'hollow');
    mkdirSync(folder);
    writeFileSync(join(folder, 'guest.json'), JSON.stringify({ ...minimal, name: 'hollow' }));
    expect(refusal(folder)).toEqual({
      code: 'HVM_GUEST_MISSING',
      message: expect.stringMatching(/hollow\.bin: no such file$/),
    });
    expect(refusal('../guests/counter/../nothing').code).toBe('HVM_GUEST_MISSING');
  });

  test('empty', () => {
    expect(refusal(file('empty.bin', ''))).toEqual({
      code: 'HVM_GUEST_EMPTY',
      message: expect.stringMatching(/empty\.bin is empty: expected at least one byte$/),
    });
  });

  test.each([
    [
      'big.bin',
      0x10000,
      0x10000,
      /image of 65536 bytes at 0x7c00 ends at 0x17c00, guest memory at 0x10000$/,
    ],
    ['big.com', 65279, 0x100000, /has at most 65278 bytes/],
    ['big.rom', 0x40001, 0x100000, /has at most 262144 bytes/],
    [
      'small.rom',
      0x1000,
      0x10000,
      /ROM of 4096 bytes at 0xff000 ends at 0x100000, guest memory at 0x10000$/,
    ],
  ])('too large: %s', (name, size, memoryBytes, message) => {
    expect(refusal(file(name, new Uint8Array(size).fill(0x90)), { memoryBytes })).toEqual({
      code: 'HVM_GUEST_TOO_LARGE',
      message: expect.stringMatching(message),
    });
  });

  test('an image that just fits is accepted', () => {
    const bytes = new Uint8Array(0x10000 - 0x7c00).fill(0x90);
    expect(loadGuest(file('fits.bin', bytes), { memoryBytes: 0x10000 }).pieces[0]?.gpa).toBe(
      0x7c00,
    );
    expect(loadGuest(file('fits.com', new Uint8Array(65278))).format).toBe('com');
  });

  test('an image that cannot be read', () => {
    const folder = join(scratch, 'unreadable');
    mkdirSync(join(folder, 'unreadable.bin'), { recursive: true });
    writeFileSync(join(folder, 'guest.json'), JSON.stringify({ ...minimal, name: 'unreadable' }));
    expect(refusal(folder)).toEqual({
      code: 'HVM_GUEST_MISSING',
      message: expect.stringMatching(/unreadable\.bin: EISDIR$/),
    });
  });
});

const minimal = {
  name: 'm',
  purpose: 'Nothing.',
  format: 'flat',
  devices: [],
  limits: { maxInstructions: 1 },
  verdict: 'success',
  windows: [],
};

describe('guest.json', () => {
  test('defaults, and numbers as strings', () => {
    expect(parseGuestManifest(JSON.stringify(minimal), 'f').memory).toBe(0x100000);
    const text = JSON.stringify({
      ...minimal,
      memory: '2M',
      load: { seg: '0x1000', off: 16 },
      log: { holds: 'x', rule: 'any', base: '0x10000', entries: 8 },
    });
    expect(parseGuestManifest(text, 'f')).toMatchObject({
      memory: 2 ** 21,
      load: { seg: 0x1000, off: 16 },
      log: { base: 0x10000 },
    });
  });

  test.each([
    ['{', /^g\/guest\.json: not JSON: /],
    ['[]', /field '\(whole file\)'/],
    [{ ...minimal, name: 'Has Blanks' }, /field 'name': expected lower-case/],
    [{ ...minimal, format: 'elf' }, /field 'format'/],
    [{ ...minimal, verdict: 'fine' }, /field 'verdict'/],
    [{ ...minimal, windows: ['pio'] }, /field 'windows\.0'/],
    [
      { ...minimal, load: { seg: '0x10000', off: 0 } },
      /field 'load\.seg': expected at most 0xffff/,
    ],
    [{ ...minimal, memory: 'lots' }, /field 'memory': 'lots' is not a number/],
    [{ ...minimal, image: '../x.bin' }, /field 'image': expected a file name/],
    [
      { ...minimal, log: { holds: 'x', rule: 'any', base: 0, entries: 3 } },
      /field 'log\.entries': expected a power/,
    ],
    [{ ...minimal, surprise: 1 }, /surprise/],
    [{ ...minimal, format: 'rom', load: { seg: 0, off: 0 } }, /field 'load': only a flat guest/],
  ])('refuses %j', (json, message) => {
    const text = typeof json === 'string' ? json : JSON.stringify(json);
    expect(() => parseGuestManifest(text, 'g/guest.json')).toThrowError(
      expect.objectContaining({
        code: 'HVM_GUEST_MANIFEST',
        message: expect.stringMatching(message),
      }),
    );
  });
});

describe('readLog()', () => {
  const block: ParameterBlock = {
    iterations: 0,
    logBase: 16,
    logEntries: 4,
    logIndex: 0,
    parameter: 0,
    expected: 0,
    got: 0,
  };
  const ram = new Uint8Array(64);
  const view = new DataView(ram.buffer);

  function log(values: number[], first: number): void {
    values.forEach((value, i) => {
      view.setUint32(16 + 4 * ((first + i) % 4), value, true);
    });
  }

  test('gives what is new, oldest first, and where to go on', () => {
    log([10, 11, 12], 0);
    expect(readLog(ram, { ...block, logIndex: 3 }, 0)).toEqual({
      values: Uint32Array.of(10, 11, 12),
      missed: 0,
      next: 3,
    });
    log([13, 14], 3);
    expect(readLog(ram, { ...block, logIndex: 5 }, 3)?.values).toEqual(Uint32Array.of(13, 14));
    expect(readLog(ram, { ...block, logIndex: 5 }, 5)?.values).toHaveLength(0);
  });

  test('says how many were overwritten; the index wraps at 2^32', () => {
    expect(readLog(ram, { ...block, logIndex: 9 }, 2)).toMatchObject({ missed: 3, next: 9 });
    log([1, 2], 3);
    expect(readLog(ram, { ...block, logIndex: 1 }, 0xffffffff)).toEqual({
      values: Uint32Array.of(1, 2),
      missed: 0,
      next: 1,
    });
  });

  test('a block overwritten by its guest is no reason to fail', () => {
    for (const damage of [
      { logBase: 0xffffffff },
      { logEntries: 0 },
      { logEntries: 5 },
      { logEntries: 16 },
    ]) {
      expect(readLog(ram, { ...block, ...damage }, 0)).toBeNull();
    }
    expect(readParameterBlock(ram, 0)).toBeNull();
    expect(readParameterBlock(ram, 60)).toBeNull();
    expect(readParameterBlock(ram, -1)).toBeNull();
  });
});

test('formatSegOff() writes addresses as people do', () => {
  expect(formatSegOff({ seg: 0, off: 0x7c00 })).toBe('0000:7C00');
});

test('docs/guests.md lists the guests of the package with format and I/O', () => {
  const page = readFileSync(new URL('../../../docs/guests.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (flat|boot|com|rom) \| (?:`([^`]*)`)? ?\|/gm)];
  const listed = rows.map(([, name, format, windows]) => `${name} ${format} ${windows ?? ''}`);
  const built = listGuests().map((g) => `${g.name} ${g.format} ${g.windows.join(' ')}`);
  expect(listed.sort()).toEqual(built.sort());
});
