// SPDX-License-Identifier: GPL-2.0-only
// X86_TSC_INFO, HVM_PARAMS and the two policies.
import { imageFault, type Place } from './fault.ts';

/** How the guest's time stamp counter runs. */
export interface TscInfo {
  /** 0 default, 1 always emulated, 2 never. */
  mode: number;
  khz: number;
  nsec: number;
  incarnation: number;
}

/** One HVM parameter; see HVM_PARAM_* of Xen. */
export interface HvmParam {
  index: number;
  value: bigint;
}

/** Parameters that a saved guest may have, by number. */
export const PARAM_NAMES: Readonly<Record<number, string>> = {
  1: 'STORE_PFN',
  5: 'IOREQ_PFN',
  6: 'BUFIOREQ_PFN',
  9: 'VIRIDIAN',
  12: 'IDENT_PT',
  17: 'CONSOLE_PFN',
  19: 'ACPI_IOPORTS_LOCATION',
  27: 'PAGING_RING_PFN',
  28: 'MONITOR_RING_PFN',
  29: 'SHARING_RING_PFN',
  32: 'IOREQ_SERVER_PFN',
  33: 'NR_IOREQ_SERVER_PAGES',
  34: 'VM_GENERATION_ID_ADDR',
  36: 'X87_FIP_WIDTH',
  37: 'VM86_TSS_SIZED',
  38: 'MCA_CAP',
};
const LAST_PARAM = 38;

export function encodeTscInfo(info: TscInfo): Uint8Array {
  const body = new Uint8Array(24);
  const v = new DataView(body.buffer);
  v.setUint32(0, info.mode, true);
  v.setUint32(4, info.khz, true);
  v.setBigUint64(8, BigInt(info.nsec), true);
  v.setUint32(16, info.incarnation, true);
  return body;
}

/** @throws HvmError HVM_IMAGE */
export function decodeTscInfo(body: Uint8Array, place: Place): TscInfo {
  if (body.length !== 24) throw imageFault(place, `${body.length} bytes: expected 24`);
  const v = new DataView(body.buffer, body.byteOffset, 24);
  const mode = v.getUint32(0, true);
  if (mode > 2) throw imageFault(place, `mode ${mode}: expected 0 to 2`);
  if (v.getUint32(20, true) !== 0) throw imageFault(place, 'reserved bits are set: expected 0');
  return {
    mode,
    khz: v.getUint32(4, true),
    nsec: Number(v.getBigUint64(8, true)),
    incarnation: v.getUint32(16, true),
  };
}

export function encodeHvmParams(params: readonly HvmParam[]): Uint8Array {
  const body = new Uint8Array(8 + 16 * params.length);
  const v = new DataView(body.buffer);
  v.setUint32(0, params.length, true);
  params.forEach(({ index, value }, i) => {
    v.setBigUint64(8 + 16 * i, BigInt(index), true);
    v.setBigUint64(16 + 16 * i, value, true);
  });
  return body;
}

/** @throws HvmError HVM_IMAGE */
export function decodeHvmParams(body: Uint8Array, place: Place): HvmParam[] {
  if (body.length < 8) throw imageFault(place, `${body.length} bytes: expected at least 8`);
  const v = new DataView(body.buffer, body.byteOffset, body.length);
  const count = v.getUint32(0, true);
  if (v.getUint32(4, true) !== 0) throw imageFault(place, 'reserved bits are set: expected 0');
  if (body.length !== 8 + 16 * count) {
    throw imageFault(place, `${count} parameters in ${body.length} bytes: expected 8 + 16 each`);
  }
  const params: HvmParam[] = [];
  for (let i = 0; i < count; i++) {
    const index = v.getBigUint64(8 + 16 * i, true);
    if (index > LAST_PARAM) {
      throw imageFault(place, `parameter ${index}: expected 0 to ${LAST_PARAM}`);
    }
    if (params.some((p) => p.index === Number(index))) {
      throw imageFault(place, `parameter ${index} is there twice`);
    }
    params.push({ index: Number(index), value: v.getBigUint64(16 + 16 * i, true) });
  }
  return params;
}

/** Entries of a policy record. @param entry - bytes of one @throws HvmError HVM_IMAGE */
export function checkPolicy(body: Uint8Array, entry: number, place: Place): number {
  if (body.length === 0 || body.length % entry !== 0) {
    throw imageFault(place, `${body.length} bytes: expected a multiple of ${entry}, not 0`);
  }
  return body.length / entry;
}
