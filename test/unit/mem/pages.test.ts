// SPDX-License-Identifier: GPL-2.0-only
// The ABI of the shared pages, byte by byte, against the published layout; and guest RAM.
import { describe, expect, it } from 'vitest';
import { BufferedPage } from '../../../src/mem/buffered-page.ts';
import { GuestRam } from '../../../src/mem/guest-ram.ts';
import { IoreqPage } from '../../../src/mem/ioreq-page.ts';
import { newSharedPage } from '../../../src/mem/shared-page.ts';
import * as dm from '../../../src/xen/public/hvm_dm_op.ts';
import * as abi from '../../../src/xen/public/hvm_ioreq.ts';
import * as sched from '../../../src/xen/public/sched.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Every field different in every byte, so that a swapped or shifted field shows. */
const REQUEST: abi.ioreq_t = {
  addr: 0x0011_1213_1415_1617 - 0x17 + 0x18,
  data: 0x24252627,
  data_hi: 0x20212223,
  count: 0x30313233,
  size: 0x40414243,
  vp_eport: 0x50515253,
  state: abi.STATE_IORESP_READY,
  data_is_ptr: true,
  dir: abi.IOREQ_READ,
  df: true,
  type: 0x86,
};

describe('constants', () => {
  it('have the values of the public headers', () => {
    expect([abi.IOREQ_WRITE, abi.IOREQ_READ]).toEqual([0, 1]);
    expect([
      abi.STATE_IOREQ_NONE,
      abi.STATE_IOREQ_READY,
      abi.STATE_IOREQ_INPROCESS,
      abi.STATE_IORESP_READY,
    ]).toEqual([0, 1, 2, 3]);
    expect([
      abi.IOREQ_TYPE_PIO,
      abi.IOREQ_TYPE_COPY,
      abi.IOREQ_TYPE_PCI_CONFIG,
      abi.IOREQ_TYPE_TIMEOFFSET,
      abi.IOREQ_TYPE_INVALIDATE,
    ]).toEqual([0, 1, 2, 7, 8]);
    expect([abi.IOREQ_SIZE, abi.IOREQ_SLOTS_PER_PAGE, abi.IOREQ_BUFFER_SLOT_NUM]).toEqual([
      32, 128, 511,
    ]);
    expect([
      dm.HVM_IOREQSRV_BUFIOREQ_OFF,
      dm.HVM_IOREQSRV_BUFIOREQ_LEGACY,
      dm.HVM_IOREQSRV_BUFIOREQ_ATOMIC,
    ]).toEqual([0, 1, 2]);
    expect([
      dm.XEN_DMOP_IO_RANGE_PORT,
      dm.XEN_DMOP_IO_RANGE_MEMORY,
      dm.XEN_DMOP_IO_RANGE_PCI,
    ]).toEqual([0, 1, 2]);
    expect([dm.MAX_NR_IOREQ_SERVERS, dm.MAX_NR_IO_RANGES, dm.NR_IO_HANDLERS]).toEqual([8, 256, 32]);
    expect([
      dm.XENMEM_resource_ioreq_server_frame_bufioreq,
      dm.XENMEM_resource_ioreq_server_frame_ioreq(0),
      dm.XENMEM_resource_ioreq_server_frame_ioreq(3),
    ]).toEqual([0, 1, 4]);
    expect([
      sched.SHUTDOWN_poweroff,
      sched.SHUTDOWN_reboot,
      sched.SHUTDOWN_suspend,
      sched.SHUTDOWN_crash,
      sched.SHUTDOWN_watchdog,
      sched.SHUTDOWN_soft_reset,
      sched.SHUTDOWN_MAX,
      sched.SHUTDOWN_CODE_INVALID,
    ]).toEqual([0, 1, 2, 3, 4, 5, 5, 0xffffffff]);
  });

  it('packs a PCI address as segment:bus:device.function', () => {
    expect(dm.XEN_DMOP_PCI_SBDF(0xffff, 0xee, 0x1f, 7)).toBe(0xffffeeff);
    expect(dm.XEN_DMOP_PCI_SBDF(1, 2, 3, 4)).toBe(0x0001021c);
  });
});

describe('IoreqSlot', () => {
  it('writes the 32 bytes of struct ioreq and nothing else', () => {
    const page = new IoreqPage(newSharedPage());
    page.slot(2).write(REQUEST);
    expect(hex(page.bytes.subarray(64, 96))).toBe(
      '1816151413121100' + // addr
        '2726252423222120' + // data
        '33323130' + // count
        '43424140' + // size
        '53525150' + // vp_eport
        '0000' + // padding
        '73' + // state 3, data_is_ptr, dir, df
        '86', // type
    );
    expect(page.bytes.subarray(0, 64).every((byte) => byte === 0)).toBe(true);
    expect(page.bytes.subarray(96).every((byte) => byte === 0)).toBe(true);
  });

  it('reads back what it wrote, as a whole and field by field', () => {
    const slot = new IoreqPage(newSharedPage()).slot(127);
    slot.write(REQUEST);
    const read = abi.newIoreq();
    slot.read(read);
    expect(read).toEqual(REQUEST);
    expect([slot.addr(), slot.data(), slot.data_hi(), slot.count(), slot.size()]).toEqual([
      REQUEST.addr,
      REQUEST.data,
      REQUEST.data_hi,
      REQUEST.count,
      REQUEST.size,
    ]);
    expect([slot.vp_eport(), slot.state(), slot.type(), slot.dir()]).toEqual([
      REQUEST.vp_eport,
      3,
      0x86,
      1,
    ]);
    expect([slot.data_is_ptr(), slot.df()]).toEqual([true, true]);
  });

  it.each([
    ['data_is_ptr', { data_is_ptr: true }, '10'],
    ['dir', { dir: abi.IOREQ_READ }, '20'],
    ['df', { df: true }, '40'],
    ['state 15', { state: 15 }, '0f'],
  ] as const)('keeps the flag %s in its bit', (_name, fields, flags) => {
    const page = new IoreqPage(newSharedPage());
    page.slot(0).write({ ...abi.newIoreq(), ...fields });
    expect(hex(page.bytes.subarray(28, 32))).toBe(`0000${flags}00`);
    const read = abi.newIoreq();
    page.slot(0).read(read);
    expect(read).toEqual({ ...abi.newIoreq(), ...fields });
  });

  it('changes the state alone, whatever its neighbours', () => {
    const page = new IoreqPage(newSharedPage());
    page.bytes.fill(0xff, 0, 32);
    const slot = page.slot(0);
    for (const state of [0, 1, 2, 3]) {
      slot.setState(state);
      expect(slot.state()).toBe(state);
      expect(hex(page.bytes.subarray(28, 32))).toBe(`fffff${state}ff`);
    }
    expect(hex(page.bytes.subarray(0, 28))).toBe('ff'.repeat(28));
  });

  it('writes single fields into their places', () => {
    const page = new IoreqPage(newSharedPage());
    const slot = page.slot(1);
    slot.setAddr(0x1_fedc_ba98);
    slot.setData(0x11111111, 0x22222222);
    slot.setCount(0xffffffff);
    slot.setSize(8);
    slot.setVpEport(0x80000001);
    expect(hex(page.bytes.subarray(32, 64))).toBe(
      '98badcfe01000000' + '1111111122222222' + 'ffffffff' + '08000000' + '01000080' + '00000000',
    );
    expect([slot.count(), slot.vp_eport()]).toEqual([0xffffffff, 0x80000001]);
    page.clear();
    expect(page.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('is shared memory, one slot per vCPU, 128 of them', () => {
    const page = new IoreqPage(newSharedPage());
    expect(page.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    for (let vcpu = 0; vcpu < 128; vcpu++) page.slot(vcpu).setVpEport(vcpu + 1);
    const words = new Uint32Array(page.bytes.buffer);
    for (let vcpu = 0; vcpu < 128; vcpu++) expect(words[vcpu * 8 + 6]).toBe(vcpu + 1);
    expect(() => page.slot(128)).toThrow(/128 slots/);
    expect(() => new IoreqPage(new Uint8Array(100))).toThrow(/one page/);
  });
});

describe('BufferedPage', () => {
  it('packs an entry into eight bytes', () => {
    const page = new BufferedPage(newSharedPage());
    page.writeEntry(510, 1, abi.IOREQ_READ, 2, 0xabcde, 0x11223344);
    expect(hex(page.bytes.subarray(4088))).toBe('01eacdab44332211');
    page.writeEntry(511, 0xff, abi.IOREQ_WRITE, 3, 0xfffff, 0xffffffff);
    expect(hex(page.bytes.subarray(8, 16))).toBe('fffcffffffffffff');
    const entry: abi.buf_ioreq_t = { type: 0, dir: 0, size: 0, addr: 0, data: 0 };
    page.readEntry(510, entry);
    expect(entry).toEqual({ type: 1, dir: 1, size: 2, addr: 0xabcde, data: 0x11223344 });
    page.readEntry(0, entry);
    expect(entry).toEqual({ type: 0xff, dir: 0, size: 3, addr: 0xfffff, data: 0xffffffff });
  });

  it('keeps the pointers in the first eight bytes, unsigned', () => {
    const page = new BufferedPage(newSharedPage());
    page.setReadPointer(0xfffffffe);
    page.setWritePointer(0x80000000);
    expect(hex(page.bytes.subarray(0, 8))).toBe('feffffff00000080');
    expect([page.read_pointer(), page.write_pointer()]).toEqual([0xfffffffe, 0x80000000]);
    page.clear();
    expect([page.read_pointer(), page.write_pointer()]).toEqual([0, 0]);
  });

  it.each([
    [511, 511, 0, 0],
    [1022 + 5, 1022 + 9, 5, 9],
    [510, 600, 510, 600],
    [0xffffffff, 3, 31, 35],
  ])('takes the same multiple of 511 off both pointers: %d, %d', (read, write, r, w) => {
    const page = new BufferedPage(newSharedPage());
    page.setReadPointer(read);
    page.setWritePointer(write);
    page.canonicalise();
    expect([page.read_pointer(), page.write_pointer()]).toEqual([r, w]);
  });
});

describe('GuestRam', () => {
  it('is shared, zeroed and little endian', () => {
    const ram = new GuestRam(8192);
    expect(ram.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(ram.bytes).toHaveLength(8192);
    ram.write(0x10, 4, 0x89abcdef);
    expect(hex(ram.bytes.subarray(0x10, 0x14))).toBe('efcdab89');
    expect([ram.read(0x10, 4), ram.read(0x11, 2), ram.read(0x13, 1)]).toEqual([
      0x89abcdef, 0xabcd, 0x89,
    ]);
    ram.write(0x10, 2, 0x12345);
    ram.write(0x12, 1, 0x1ff);
    expect(ram.read(0x10, 4)).toBe(0x89ff2345);
  });

  it('copies bytes both ways, long and short', () => {
    const ram = new GuestRam(4096);
    const long = Uint8Array.from({ length: 100 }, (_, i) => i);
    ram.writeBytes(0, long);
    ram.writeBytes(200, long, 10, 5);
    const back = new Uint8Array(6);
    ram.readBytes(200, back, 1, 5);
    expect([...back]).toEqual([0, 10, 11, 12, 13, 14]);
    expect(ram.read(99, 1)).toBe(99);
  });

  it('tells the listener of every host write', () => {
    const ram = new GuestRam(4096);
    const heard: [number, number][] = [];
    ram.write(0, 4, 1);
    ram.onHostWrite = (gpa, length) => heard.push([gpa, length]);
    ram.write(8, 2, 1);
    ram.writeBytes(16, new Uint8Array(100));
    ram.writeBytes(16, new Uint8Array(0));
    ram.read(0, 4);
    expect(heard).toEqual([
      [8, 2],
      [16, 100],
    ]);
  });

  it('refuses what lies outside, and sizes that are none', () => {
    const ram = new GuestRam(4096);
    for (const use of [
      () => ram.read(4093, 4),
      () => ram.write(-1, 1, 0),
      () => ram.readBytes(4096, new Uint8Array(1)),
      () => ram.writeBytes(Number.NaN, new Uint8Array(1)),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: 'HVM_RANGE' }));
    }
    expect([ram.contains(4095, 1), ram.contains(4096, 1), ram.contains(-1, 1)]).toEqual([
      true,
      false,
      false,
    ]);
    for (const size of [0, -4096, 4097, 2 ** 31 + 4096, 0.5, Number.NaN]) {
      expect(() => new GuestRam(size)).toThrow(expect.objectContaining({ code: 'HVM_MEMORY' }));
    }
  });
});
