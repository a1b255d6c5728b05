// SPDX-License-Identifier: GPL-2.0-only
// What a DOS program left goes into the host's folder: nothing else does, and nothing leaves it.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DosError } from '../../../../src/dm/devices/dos-entry.ts';
import { DosVolume } from '../../../../src/dm/devices/dos-volume.ts';
import { hostFolder } from '../../../../src/machine/pc/folder.ts';
import { writeFolder } from '../../../../src/machine/pc/folder-write.ts';
import { isHvmError } from '../../../../src/util/errors.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-folder-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const NOW = { time: 0x6000, date: 0x5021 };
let made = 0;

function root(): string {
  const path = join(scratch, String(made++));
  mkdirSync(join(path, 'sub'), { recursive: true });
  writeFileSync(join(path, 'old.txt'), 'old');
  writeFileSync(join(path, 'sub', 'in.txt'), 'in');
  return path;
}

const text = (...path: string[]): string => readFileSync(join(...path), 'utf8');

test('written, renamed, deleted and made; names keep the host’s letters', () => {
  const path = root();
  const volume = new DosVolume(hostFolder(path));
  volume.write(['OLD.TXT'], 3, Buffer.from('er'));
  volume.rename(['SUB', 'IN.TXT'], ['OUT.TXT']);
  volume.removeFolder(['SUB']);
  volume.makeFolder(['MADE'], NOW);
  volume.create(['MADE', 'A'], 1, NOW, true);
  expect(writeFolder(path, volume)).toBe(5);
  expect(readdirSync(path).sort()).toEqual(['MADE', 'OUT.TXT', 'old.txt']);
  expect(text(path, 'old.txt')).toBe('older');
  expect(text(path, 'OUT.TXT')).toBe('in');
  expect(statSync(join(path, 'MADE', 'A')).mode & 0o222).toBe(0);
  expect(statSync(join(path, 'MADE', 'A')).mtimeMs).toBe(Date.UTC(2020, 0, 1, 12));
  // Again: nothing is left to do that is not done.
  expect(readdirSync(join(path, 'MADE'))).toEqual(['A']);
});

test('a folder that was renamed, with what was changed in it', () => {
  const path = root();
  const volume = new DosVolume(hostFolder(path));
  volume.create(['SUB', 'NEW'], 0, NOW, true);
  volume.rename(['SUB'], ['THERE']);
  writeFolder(path, volume);
  expect(readdirSync(path).sort()).toEqual(['THERE', 'old.txt']);
  expect(readdirSync(join(path, 'THERE')).sort()).toEqual(['IN.TXT', 'NEW']);
  expect(text(path, 'THERE', 'IN.TXT')).toBe('in');
});

test('a file that is read only is so for the program', () => {
  const path = root();
  chmodSync(join(path, 'old.txt'), 0o444);
  const volume = new DosVolume(hostFolder(path));
  expect(volume.find(['OLD.TXT']).attributes).toBe(0x21);
  expect(() => volume.remove(['OLD.TXT'])).toThrow(DosError);
});

test('a name that is a link by now is not written through', () => {
  const path = root();
  const outside = join(scratch, 'outside.txt');
  writeFileSync(outside, 'outside');
  const volume = new DosVolume(hostFolder(path));
  volume.create(['A.TXT'], 0, NOW, true);
  volume.create(['SUB', 'B.TXT'], 0, NOW, true);
  symlinkSync(outside, join(path, 'A.TXT'));
  expect(() => writeFolder(path, volume)).toThrow(/A\.TXT in --dir: EEXIST/);
  rmSync(join(path, 'A.TXT'));
  rmSync(join(path, 'sub'), { recursive: true });
  symlinkSync(scratch, join(path, 'sub'));
  expect(() => writeFolder(path, volume)).toThrow(/SUB\/B\.TXT in --dir: ENOENT/);
  expect(text(outside)).toBe('outside');
  expect(existsSync(join(scratch, 'B.TXT'))).toBe(false);
});

test('what cannot be seen keeps its folder', () => {
  const path = root();
  const volume = new DosVolume(hostFolder(path));
  volume.remove(['SUB', 'IN.TXT']);
  volume.removeFolder(['SUB']);
  writeFileSync(join(path, 'sub', 'a name that DOS does not know'), 'kept');
  try {
    writeFolder(path, volume);
    expect.unreachable();
  } catch (error) {
    expect(isHvmError(error) && error.code).toBe('HVM_OUTPUT');
  }
  expect(readdirSync(join(path, 'sub'))).toEqual(['a name that DOS does not know']);
});
