// SPDX-License-Identifier: GPL-2.0-only
// The other monitors that can be measured, in the order of the tables.

export const PEER_NAMES = ['v86', 'qemu', 'kvm', 'unicorn-c', 'unicorn-python'] as const;
export type PeerName = (typeof PEER_NAMES)[number];
