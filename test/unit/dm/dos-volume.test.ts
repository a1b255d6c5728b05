// SPDX-License-Identifier: GPL-2.0-only
// Drive C of a DOS program: what it changed over what the host has; names, dates, searches, and the way through an image.
import { describe, expect, test } from 'vitest';
import { changesOf } from '../../../src/dm/devices/dos-change.ts';
import { DosError } from '../../../src/dm/devices/dos-entry.ts';
import type { HostFolder } from '../../../src/dm/devices/dos-host.ts';
import { fits, pathNames, template } from '../../../src/dm/devices/dos-names.ts';
import { DosSearches } from '../../../src/dm/devices/dos-search.ts';
import { dosTime, secondsOf } from '../../../src/dm/devices/dos-time.ts';
import { DosVolume, MOST_BYTES, MOST_NAMES } from '../../../src/dm/devices/dos-volume.ts';

const NOW = { time: 0x6000, date: 0x5021 };

/** A host with OLD.TXT and a folder SUB with IN.TXT; HID.TXT cannot be seen. */
function host(): HostFolder {
  const bytes = Buffer.from('old text');
  const entry = (name: string, folder: boolean) => ({
    name,
    folder,
    bytes: folder ? 0 : bytes.length,
    readOnly: false,
    modified: 1_000_000_000,
  });
  return {
    list: (path) => {
      if (path.length === 0) return [entry('OLD.TXT', false), entry('SUB', true)];
      return path.join() === 'SUB' ? [entry('IN.TXT', false)] : null;
    },
    hidden: (path) => (path.length === 0 ? ['HID.TXT'] : []),
    read: (_path, offset, count) => bytes.subarray(offset, offset + count),
  };
}

const names = (volume: DosVolume, ...path: string[]): string[] =>
  [...(volume.list(path)?.keys() ?? ['no folder'])].sort();
const read = (volume: DosVolume, ...path: string[]): string =>
  Buffer.from(volume.read(path, 0, 100)).toString('latin1');

/** The DOS error of what is tried. */
function error(act: () => unknown): number | null {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof DosError) return thrown.code;
    throw thrown;
  }
  return null;
}

describe('changes', () => {
  test('a file is written over a copy, the rest stays the host’s', () => {
    const volume = new DosVolume(host());
    expect(volume.write(['OLD.TXT'], 4, Buffer.from('TALES'))).toBe(5);
    expect(read(volume, 'OLD.TXT')).toBe('old TALES');
    expect(Buffer.from(host().read(['OLD.TXT'], 0, 9)).toString()).toBe('old text');
    volume.resize(['OLD.TXT'], 3);
    volume.write(['OLD.TXT'], 5, Buffer.from('!'));
    expect(read(volume, 'OLD.TXT')).toBe('old\0\0!');
  });

  test('what is deleted is gone, and may be made again', () => {
    const volume = new DosVolume(host());
    volume.remove(['OLD.TXT']);
    expect(names(volume)).toEqual(['SUB']);
    expect(error(() => volume.find(['OLD.TXT']))).toBe(2);
    volume.create(['OLD.TXT'], 0, NOW, true);
    expect(read(volume, 'OLD.TXT')).toBe('');
  });

  test('a folder that is renamed takes what is in it along, a deleted one nothing back', () => {
    const volume = new DosVolume(host());
    volume.create(['SUB', 'NEW.TXT'], 0, NOW, true);
    volume.rename(['SUB'], ['MOVED']);
    expect(names(volume)).toEqual(['MOVED', 'OLD.TXT']);
    expect(names(volume, 'MOVED')).toEqual(['IN.TXT', 'NEW.TXT']);
    expect(read(volume, 'MOVED', 'IN.TXT')).toBe('old text');
    expect(names(volume, 'SUB')).toEqual(['no folder']);
    volume.makeFolder(['SUB'], NOW);
    expect(names(volume, 'SUB')).toEqual([]);
  });

  test('refusals', () => {
    const volume = new DosVolume(host());
    expect(error(() => volume.create(['HID.TXT'], 0, NOW, false))).toBe(5);
    expect(error(() => volume.create(['NO', 'A.TXT'], 0, NOW, false))).toBe(3);
    expect(error(() => volume.create(['A+B'], 0, NOW, false))).toBe(3);
    expect(error(() => volume.create(['OLD.TXT'], 0, NOW, true))).toBe(80);
    expect(error(() => volume.removeFolder(['SUB']))).toBe(5);
    expect(error(() => volume.remove(['SUB']))).toBe(5);
    expect(error(() => volume.rename(['OLD.TXT'], ['SUB']))).toBe(5);
    volume.setAttributes(['OLD.TXT'], 0x01);
    expect(error(() => volume.remove(['OLD.TXT']))).toBe(5);
    volume.remove(['SUB', 'IN.TXT']);
    volume.removeFolder(['SUB']);
    expect(names(volume)).toEqual(['OLD.TXT']);
  });

  test('a disk that is full takes what fits', () => {
    const volume = new DosVolume(host());
    volume.create(['BIG'], 0, NOW, true);
    volume.resize(['BIG'], MOST_BYTES - 2);
    expect(volume.write(['BIG'], MOST_BYTES - 2, Buffer.from('four'))).toBe(2);
    expect(volume.freeBytes).toBe(0);
    expect(error(() => volume.write(['OLD.TXT'], 0, Buffer.from('x')))).toBe(5);
    volume.remove(['BIG']);
    expect(volume.freeBytes).toBe(MOST_BYTES);
  });

  test('names come to an end, too', () => {
    const volume = new DosVolume(host());
    let made = 0;
    while (error(() => volume.create([`F${made}`], 0, NOW, true)) === null) made++;
    expect(made).toBe(MOST_NAMES);
    volume.remove(['F7']);
    expect(error(() => volume.makeFolder(['F7'], NOW))).toBeNull();
  });

  test('the same after a way through text', () => {
    const volume = new DosVolume(host());
    volume.write(['OLD.TXT'], 0, Buffer.from('NEW'));
    volume.remove(['SUB', 'IN.TXT']);
    volume.rename(['SUB'], ['SUB2']);
    volume.makeFolder(['MADE'], NOW);
    const other = new DosVolume(host());
    other.text = volume.text;
    expect(other.text).toBe(volume.text);
    expect(names(other)).toEqual(['MADE', 'OLD.TXT', 'SUB2']);
    expect(names(other, 'SUB2')).toEqual([]);
    expect(read(other, 'OLD.TXT')).toBe('NEW text');
    expect(other.freeBytes).toBe(MOST_BYTES - 8);
  });

  test.for([
    '',
    '{}',
    '[1]',
    '[["","..","file",0,0,0,null,""]]',
    '[["..","A","file",0,0,0,null,""]]',
    '[["","A/B","file",0,0,0,null,""]]',
    '[["","A","file",0,0,0,"..\\\\X",null]]',
    '[["","A","link",0,0,0,null,null]]',
    '[["","A","file",0,0,65536,null,null]]',
  ])('an image may not say %s', (text) => {
    expect(() => changesOf(text)).toThrow(/no list of files/);
  });
});

describe('searches', () => {
  function all(searches: DosSearches, number: number, wanted: string, attributes = 0): string[] {
    const found: string[] = [];
    for (let from = 0; ; ) {
      const next = searches.next(number, from, attributes, wanted);
      if (next === null) return found;
      found.push(next.entry.name);
      from = next.place + 1;
    }
  }

  test('what is found may be deleted, and nothing is left out', () => {
    const volume = new DosVolume(host());
    for (const name of ['C.T', 'A.T', 'B.T']) volume.create([name], 0, NOW, true);
    const searches = new DosSearches(volume);
    const number = searches.number([]) ?? 0;
    const found: string[] = [];
    for (let from = 0; ; ) {
      const next = searches.next(number, from, 0, '????????T  ');
      if (next === null) break;
      found.push(next.entry.name);
      volume.remove([next.entry.name]);
      from = next.place + 1;
    }
    expect(found).toEqual(['A.T', 'B.T', 'C.T']);
  });

  test('folders, hidden files and the entries of a folder itself', () => {
    const volume = new DosVolume(host());
    volume.create(['H'], 2, NOW, true);
    const searches = new DosSearches(volume);
    const root = searches.number([]) ?? 0;
    expect(all(searches, root, '???????????')).toEqual(['OLD.TXT']);
    expect(all(searches, root, '???????????', 0x12)).toEqual(['H', 'OLD.TXT', 'SUB']);
    const sub = searches.number(['SUB']) ?? 0;
    expect(all(searches, sub, '???????????', 0x10)).toEqual(['.', '..', 'IN.TXT']);
  });
});

test('paths stay below the root, names are cut to 8.3', () => {
  expect(pathNames('', 'a\\..\\b/c.text')).toEqual(['B', 'C.TEX']);
  expect(pathNames('A\\B', '..\\longer-than-8.x')).toEqual(['A', 'LONGER-T.X']);
  expect(pathNames('A', 'c:\\x.')).toEqual(['X']);
  expect(pathNames('', '..')).toBeNull();
  expect(pathNames('', 'd:x')).toBeNull();
  expect(template('A*.?')).toBe('A????????  ');
  expect(fits('README.TXT', template('R*.*'))).toBe(true);
  expect(fits('README', template('*.TXT'))).toBe(false);
});

test('dates there and back', () => {
  for (const text of ['1980-01-01T00:00:00', '2000-02-29T23:59:58', '2100-03-01T12:30:30']) {
    const seconds = Date.parse(`${text}Z`) / 1000;
    expect(secondsOf(dosTime(seconds))).toBe(seconds);
  }
  expect(dosTime(0)).toEqual({ time: 0, date: 0x21 });
  expect(secondsOf({ time: 0, date: 0 })).toBe(Date.parse('1980-01-01T00:00:00Z') / 1000);
});
