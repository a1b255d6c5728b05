// SPDX-License-Identifier: GPL-2.0-only
// Ioreq servers of a domain, as the control domain sets them up: created, given ranges, enabled.
import { formatIoRange, type IoRange } from '../dm/range.ts';
import { BugError, HvmError } from '../util/errors.ts';
import type { domain } from '../xen/common/sched.ts';
import {
  hvm_create_ioreq_server,
  hvm_get_ioreq_server_frame,
  hvm_get_ioreq_server_info,
  hvm_map_io_range_to_ioreq_server,
  hvm_set_ioreq_server_state,
  type ioreq_server_info,
} from '../xen/hvm/ioreq_server.ts';
import {
  HVM_IOREQSRV_BUFIOREQ_ATOMIC,
  HVM_IOREQSRV_BUFIOREQ_LEGACY,
  MAX_NR_IOREQ_SERVERS,
  XEN_DMOP_IO_RANGE_MEMORY,
  XEN_DMOP_IO_RANGE_PCI,
  XEN_DMOP_IO_RANGE_PORT,
  XENMEM_resource_ioreq_server_frame_bufioreq,
  XENMEM_resource_ioreq_server_frame_ioreq,
} from '../xen/public/hvm_dm_op.ts';

/** The domain that device models and toolstack belong to. */
export const DOM0 = 0;

/** What a device model is given of its server. */
export interface ServerParts {
  readonly id: number;
  readonly ioreqPage: Uint8Array;
  readonly bufferedPage: Uint8Array;
  /** By vCPU number. */
  readonly vcpuPorts: readonly number[];
  readonly ringPort: number;
}

/** The server that device number `index` belongs to: one each, as long as Xen has ids; the last one takes the rest. */
export function serverOfDevice(index: number): number {
  return Math.min(index, MAX_NR_IOREQ_SERVERS - 1);
}

/**
 * A new server, with its pages as resources that the device model maps: they are nowhere in the guest's memory.
 * @param sameThread - the device model is on the vCPU's thread: it may have both pointers of the ring taken back
 */
export function createServer(d: domain, sameThread: boolean): ServerParts {
  const handling = sameThread ? HVM_IOREQSRV_BUFIOREQ_ATOMIC : HVM_IOREQSRV_BUFIOREQ_LEGACY;
  const id = hvm_create_ioreq_server(d, DOM0, handling);
  const frame = (index: number): Uint8Array => {
    const page = hvm_get_ioreq_server_frame(d, DOM0, id, index);
    if (typeof page === 'number') throw new BugError(`no shared page: ${page}`);
    return page;
  };
  const bufferedPage = frame(XENMEM_resource_ioreq_server_frame_bufioreq);
  const ioreqPage = frame(XENMEM_resource_ioreq_server_frame_ioreq(0));
  const info: ioreq_server_info = {};
  hvm_get_ioreq_server_info(d, DOM0, id, false, info);
  const { sv } = d.arch.hvm.ioreq_server[id] ?? { sv: [] };
  return {
    id,
    ioreqPage,
    bufferedPage,
    vcpuPorts: d.vcpu.map((v) => sv[v.vcpu_id]?.ioreq_evtchn ?? 0),
    ringPort: info.bufioreq_port ?? 0,
  };
}

/** Every function of every bus of segment 0, as Xen keys them. */
const PCI_FUNCTIONS = { first: 0, last: 0xffff };

/** The server is asked for PCI configuration space, too. @throws HvmError HVM_RANGE when the domain refuses */
export function givePci(d: domain, id: number, label: string): void {
  const { first, last } = PCI_FUNCTIONS;
  const rc = hvm_map_io_range_to_ioreq_server(d, DOM0, id, XEN_DMOP_IO_RANGE_PCI, first, last);
  if (rc !== 0) throw new HvmError('HVM_RANGE', `${label}: the domain refuses PCI (${rc})`);
}

/** @throws HvmError HVM_RANGE when the domain refuses the range */
export function giveRange(d: domain, id: number, label: string, range: IoRange): void {
  const type = range.space === 'mmio' ? XEN_DMOP_IO_RANGE_MEMORY : XEN_DMOP_IO_RANGE_PORT;
  const rc = hvm_map_io_range_to_ioreq_server(d, DOM0, id, type, range.start, range.end);
  if (rc !== 0) throw new HvmError('HVM_RANGE', `${label}: the domain refuses the range (${rc})`);
}

export function enableServer(d: domain, id: number): void {
  if (hvm_set_ioreq_server_state(d, DOM0, id, true) !== 0) {
    throw new BugError(`server ${id} cannot be enabled`);
  }
}

/** As the ledger and messages name a device: `name@range`. */
export function deviceLabel(name: string, range: IoRange): string {
  return `${name}@${formatIoRange(range)}`;
}
