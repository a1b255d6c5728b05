// SPDX-License-Identifier: GPL-2.0-only
// The other monitors that can be measured, in the order of the tables.

export const PEER_NAMES = ['v86', 'qemu', 'kvm', 'unicorn-c', 'unicorn-python'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** What `--peers` may say, for messages. */
export const PEERS_EXPECTED: string = `all, none, or some of ${PEER_NAMES.join(',')}`;

/** What `--peers` says; null: nothing that it may. */
export function parsePeers(text: string): readonly PeerName[] | null {
  if (text === 'all') return PEER_NAMES;
  if (text === 'none') return [];
  const names = text.split(',');
  const found = PEER_NAMES.filter((peer) => names.includes(peer));
  return found.length === names.length ? found : null;
}
