// SPDX-License-Identifier: GPL-2.0-only
// The device-model operation hypercall: a buffer in, a result, the same buffer out.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/dm.c, structures of public/hvm/dm_op.h.
// Differences: only the operations that concern ioreq servers and shutdown; others are -EOPNOTSUPP.
import { domain_shutdown } from '../common/domain.ts';
import type { domain } from '../common/sched.ts';
import { EFAULT, EINVAL, EOPNOTSUPP, type errno_t } from '../public/errno.ts';
import {
  XEN_DMOP_create_ioreq_server,
  XEN_DMOP_destroy_ioreq_server,
  XEN_DMOP_get_ioreq_server_info,
  XEN_DMOP_map_io_range_to_ioreq_server,
  XEN_DMOP_map_mem_type_to_ioreq_server,
  XEN_DMOP_no_gfns,
  XEN_DMOP_remote_shutdown,
  XEN_DMOP_set_ioreq_server_state,
  XEN_DMOP_unmap_io_range_from_ioreq_server,
} from '../public/hvm_dm_op.ts';
import {
  hvm_create_ioreq_server,
  hvm_destroy_ioreq_server,
  hvm_get_ioreq_server_info,
  hvm_map_io_range_to_ioreq_server,
  hvm_map_mem_type_to_ioreq_server,
  hvm_set_ioreq_server_state,
  hvm_unmap_io_range_from_ioreq_server,
  type ioreq_server_info,
} from './ioreq_server.ts';

const TWO_32 = 2 ** 32;

/** Bytes of each operation's structure, behind the 8-byte header. */
const STRUCT_SIZE: Readonly<Record<number, number>> = {
  [XEN_DMOP_create_ioreq_server]: 6,
  [XEN_DMOP_get_ioreq_server_info]: 24,
  [XEN_DMOP_map_io_range_to_ioreq_server]: 24,
  [XEN_DMOP_unmap_io_range_from_ioreq_server]: 24,
  [XEN_DMOP_set_ioreq_server_state]: 4,
  [XEN_DMOP_destroy_ioreq_server]: 4,
  [XEN_DMOP_map_mem_type_to_ioreq_server]: 16,
  [XEN_DMOP_remote_shutdown]: 4,
};
const HEADER = 8;

function u64(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

function setU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32) >>> 0, true);
}

/**
 * One device-model operation on `d`.
 * @param caller - domain id of the device model
 * @param buf - struct xen_dm_op, little endian; outputs are written into it
 * @returns 0 or a negated errno
 */
export function dm_op(d: domain, caller: number, buf: Uint8Array): errno_t {
  if (buf.length < HEADER) return -EFAULT;
  const view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
  const op = view.getUint32(0, true);
  if (view.getUint32(4, true) !== 0) return -EINVAL;
  const size = STRUCT_SIZE[op];
  if (size === undefined) return -EOPNOTSUPP;
  if (buf.length < HEADER + size) return -EFAULT;
  const id = view.getUint16(HEADER, true);

  switch (op) {
    case XEN_DMOP_create_ioreq_server: {
      if (buf[9] !== 0 || buf[10] !== 0 || buf[11] !== 0) return -EINVAL;
      const rc = hvm_create_ioreq_server(d, caller, view.getUint8(HEADER));
      if (rc < 0) return rc;
      view.setUint16(12, rc, true);
      return 0;
    }
    case XEN_DMOP_get_ioreq_server_info: {
      const flags = view.getUint16(10, true);
      if ((flags & ~XEN_DMOP_no_gfns) !== 0) return -EINVAL;
      const info: ioreq_server_info = {};
      const rc = hvm_get_ioreq_server_info(d, caller, id, (flags & XEN_DMOP_no_gfns) === 0, info);
      if (rc !== 0) return rc;
      if (info.bufioreq_port !== undefined) view.setUint32(12, info.bufioreq_port, true);
      if (info.ioreq_gfn !== undefined) setU64(view, 16, info.ioreq_gfn);
      if (info.bufioreq_gfn !== undefined) setU64(view, 24, info.bufioreq_gfn);
      return 0;
    }
    case XEN_DMOP_map_io_range_to_ioreq_server:
    case XEN_DMOP_unmap_io_range_from_ioreq_server: {
      if (view.getUint16(10, true) !== 0) return -EINVAL;
      const change =
        op === XEN_DMOP_map_io_range_to_ioreq_server
          ? hvm_map_io_range_to_ioreq_server
          : hvm_unmap_io_range_from_ioreq_server;
      return change(d, caller, id, view.getUint32(12, true), u64(view, 16), u64(view, 24));
    }
    case XEN_DMOP_set_ioreq_server_state:
      if (view.getUint8(11) !== 0) return -EINVAL;
      return hvm_set_ioreq_server_state(d, caller, id, view.getUint8(10) !== 0);
    case XEN_DMOP_destroy_ioreq_server:
      if (view.getUint16(10, true) !== 0) return -EINVAL;
      return hvm_destroy_ioreq_server(d, caller, id);
    case XEN_DMOP_map_mem_type_to_ioreq_server:
      if (!d.arch.hvm.hap_enabled) return -EOPNOTSUPP;
      return hvm_map_mem_type_to_ioreq_server(
        d,
        caller,
        id,
        view.getUint16(10, true),
        view.getUint32(12, true),
      );
    default:
      return domain_shutdown(d, view.getUint32(HEADER, true));
  }
}
