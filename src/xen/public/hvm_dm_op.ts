// SPDX-License-Identifier: GPL-2.0-only
// Device-model operations: numbers, flags, limits (public/hvm/dm_op.h, hvm_op.h, params.h).

export const XEN_DMOP_create_ioreq_server = 1;
export const XEN_DMOP_get_ioreq_server_info = 2;
export const XEN_DMOP_map_io_range_to_ioreq_server = 3;
export const XEN_DMOP_unmap_io_range_from_ioreq_server = 4;
export const XEN_DMOP_set_ioreq_server_state = 5;
export const XEN_DMOP_destroy_ioreq_server = 6;
export const XEN_DMOP_map_mem_type_to_ioreq_server = 15;
export const XEN_DMOP_remote_shutdown = 16;

/** get_ioreq_server_info: do not place the pages in the guest's address space. */
export const XEN_DMOP_no_gfns = 1;
/** map_mem_type_to_ioreq_server: writes go to the server. */
export const XEN_DMOP_IOREQ_MEM_ACCESS_WRITE = 2;

export const XEN_DMOP_IO_RANGE_PORT = 0;
export const XEN_DMOP_IO_RANGE_MEMORY = 1;
export const XEN_DMOP_IO_RANGE_PCI = 2;
/** How many range types there are. */
export const NR_IO_RANGE_TYPES = 3;

export const HVM_IOREQSRV_BUFIOREQ_OFF = 0;
/** Free-running ring pointers, for readers that know no other. */
export const HVM_IOREQSRV_BUFIOREQ_LEGACY = 1;
/** Both ring pointers are wrapped together, atomically. */
export const HVM_IOREQSRV_BUFIOREQ_ATOMIC = 2;

/** Memory type whose writes go to an ioreq server. */
export const HVMMEM_ioreq_server = 4;

export const MAX_NR_IOREQ_SERVERS = 8;
/** Separate ranges per server and type. */
export const MAX_NR_IO_RANGES = 256;
/** Internal handlers per domain. */
export const NR_IO_HANDLERS = 32;

/** Resource frames of an ioreq server. */
export const XENMEM_resource_ioreq_server_frame_bufioreq = 0;
/** Frame number of ioreq page `n`. */
export function XENMEM_resource_ioreq_server_frame_ioreq(n: number): number {
  return 1 + n;
}

export const HVM_PARAM_IOREQ_PFN = 5;
export const HVM_PARAM_BUFIOREQ_PFN = 6;

/** Segment, bus, device and function in one number, as PCI ranges are keyed. */
export function XEN_DMOP_PCI_SBDF(s: number, b: number, d: number, f: number): number {
  return (((s & 0xffff) << 16) | ((b & 0xff) << 8) | ((d & 0x1f) << 3) | (f & 7)) >>> 0;
}
