// SPDX-License-Identifier: GPL-2.0-only
// Error numbers of Xen's public ABI that this port can return (positive here, returned negated).

export const EPERM = 1;
export const ENOENT = 2;
export const ENOMEM = 12;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ENODATA = 61;
export const EOPNOTSUPP = 95;

/** 0 or a negated error number of this file. */
export type errno_t = number;
