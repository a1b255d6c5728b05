// SPDX-License-Identifier: GPL-2.0-only
// The I/O request ABI between hypervisor and device model: values, widths, offsets (public/hvm/ioreq.h).
import type { evtchn_port_t } from './event_channel.ts';

export const IOREQ_WRITE = 0;
export const IOREQ_READ = 1;
/** `IOREQ_WRITE` or `IOREQ_READ`, as seen from the guest. */
export type ioreq_dir = 0 | 1;

/** The slot is free. */
export const STATE_IOREQ_NONE = 0;
/** The hypervisor has filled the slot in. */
export const STATE_IOREQ_READY = 1;
/** The device model has taken the request. */
export const STATE_IOREQ_INPROCESS = 2;
/** The device model has answered. */
export const STATE_IORESP_READY = 3;
/** Four bits wide in the page: a device model can also write 4 to 15. */
export type ioreq_state = number;

/** Port I/O. */
export const IOREQ_TYPE_PIO = 0;
/** Memory-mapped I/O. */
export const IOREQ_TYPE_COPY = 1;
/** PCI configuration space; `addr` is segment:bus:device.function and register. */
export const IOREQ_TYPE_PCI_CONFIG = 2;
export const IOREQ_TYPE_TIMEOFFSET = 7;
/** The device model must drop its map cache. */
export const IOREQ_TYPE_INVALIDATE = 8;

/** Bytes of a page; every shared page is one. */
export const PAGE_SIZE = 4096;
/** Bytes of one `struct ioreq`; slot of vCPU n starts at 32 n of the ioreq page. */
export const IOREQ_SIZE = 32;
/** Slots of one ioreq page. */
export const IOREQ_SLOTS_PER_PAGE = 128;

/*
 * struct ioreq, little endian:
 *   0  8  addr         port, guest-physical address, or PCI address and register
 *   8  8  data         value, or guest-physical address when data_is_ptr
 *  16  4  count        repetitions
 *  20  4  size         bytes per repetition
 *  24  4  vp_eport     event channel to the device model
 *  28  2  padding
 *  30  1  bits 0-3 state, bit 4 data_is_ptr, bit 5 dir, bit 6 df, bit 7 padding
 *  31  1  type         IOREQ_TYPE_*
 */
export const IOREQ_OFF_ADDR = 0;
export const IOREQ_OFF_DATA = 8;
export const IOREQ_OFF_COUNT = 16;
export const IOREQ_OFF_SIZE = 20;
export const IOREQ_OFF_VP_EPORT = 24;
export const IOREQ_OFF_FLAGS = 30;
export const IOREQ_OFF_TYPE = 31;
/** Byte offset of the aligned 32-bit word that holds padding, flags and type. */
export const IOREQ_OFF_STATE_WORD = 28;
/** Positions inside that word. */
export const IOREQ_STATE_SHIFT = 16;
export const IOREQ_STATE_MASK = 0xf;
export const IOREQ_DATA_IS_PTR_SHIFT = 20;
export const IOREQ_DIR_SHIFT = 21;
export const IOREQ_DF_SHIFT = 22;
export const IOREQ_TYPE_SHIFT = 24;

/** Entries of the ring in a buffered ioreq page. */
export const IOREQ_BUFFER_SLOT_NUM = 511;

/*
 * struct buffered_iopage: u32 read_pointer at 0, u32 write_pointer at 4, entries of 8 bytes from 8.
 * struct buf_ioreq, little endian:
 *   0     1  type
 *   1     1  bit 0 padding, bit 1 dir, bits 2-3 size code, bits 4-7 addr bits 0-3
 *   2     1  addr bits 4-11
 *   3     1  addr bits 12-19
 *   4     4  data
 */
export const BUFIOREQ_OFF_READ_POINTER = 0;
export const BUFIOREQ_OFF_WRITE_POINTER = 4;
export const BUFIOREQ_OFF_ENTRIES = 8;
export const BUFIOREQ_ENTRY_SIZE = 8;
/** The highest address a buffered entry can hold. */
export const BUFIOREQ_ADDR_MAX = 0xfffff;

/** One request, as a private copy: in the page its fields are packed as above. */
export interface ioreq_t {
  /** Port, or guest-physical byte address; a safe integer. */
  addr: number;
  /** Low 32 bits, unsigned. */
  data: number;
  /** Ours: high 32 bits, unsigned. */
  data_hi: number;
  /** Repetitions, unsigned 32 bits; 0 only in INVALIDATE and in a zeroed slot. */
  count: number;
  /** Bytes per repetition: 1, 2, 4 or 8; 0 in a zeroed slot. */
  size: number;
  vp_eport: evtchn_port_t;
  state: ioreq_state;
  data_is_ptr: boolean;
  dir: ioreq_dir;
  df: boolean;
  /** IOREQ_TYPE_*, 8 bits. */
  type: number;
}

/** One buffered entry, as a private copy. */
export interface buf_ioreq_t {
  type: number;
  dir: ioreq_dir;
  /** Size code: 0 to 3 for 1, 2, 4 and 8 bytes. */
  size: number;
  /** 20 bits. */
  addr: number;
  /** Unsigned 32 bits. */
  data: number;
}

/** A request with every field zero. */
export function newIoreq(): ioreq_t {
  return {
    addr: 0,
    data: 0,
    data_hi: 0,
    count: 0,
    size: 0,
    vp_eport: 0,
    state: STATE_IOREQ_NONE,
    data_is_ptr: false,
    dir: IOREQ_WRITE,
    df: false,
    type: IOREQ_TYPE_PIO,
  };
}

/** Copies every field: C's structure assignment. */
export function copyIoreq(to: ioreq_t, from: ioreq_t): void {
  to.addr = from.addr;
  to.data = from.data;
  to.data_hi = from.data_hi;
  to.count = from.count;
  to.size = from.size;
  to.vp_eport = from.vp_eport;
  to.state = from.state;
  to.data_is_ptr = from.data_is_ptr;
  to.dir = from.dir;
  to.df = from.df;
  to.type = from.type;
}
