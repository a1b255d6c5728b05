// SPDX-License-Identifier: GPL-2.0-only
// The words of a domain that several threads see: shutdown state, vCPU states, event channels. Each vCPU's and each
// server's words lie on cache lines of their own; all access is by Atomics.

/** Words in a cache line. */
const LINE = 16;

/** Most vCPUs of a domain whose vCPUs are threads. */
export const MAX_SHARED_VCPUS = 8;
/** Most ioreq servers, as in Xen. */
const MAX_SERVERS = 8;

/** Of the domain. Indices of words. */
export const D_SHUTTING_DOWN = 0;
export const D_SHUT_DOWN = 1;
export const D_SHUTDOWN_CODE = 2;
export const D_PAUSE_COUNT = 3;
/** Grows whenever something happens that the toolstack may wait for. */
export const D_EVENTS = LINE;
/** 1 + number of the verdict the guest gave, 0 for none. */
export const D_VERDICT = LINE + 1;
/** 1 after a crash. */
export const D_CRASHED = LINE + 2;
/** Interrupt lines that are high, and edges not yet taken: a bit each. */
export const D_IRQ_HIGH = LINE + 3;
export const D_IRQ_LATCHED = LINE + 4;
/** Servers that do not answer any more: a bit each. */
export const D_DEAD_SERVERS = LINE + 5;
/** vCPUs whose threads want to hear of each access to a device: a bit each. */
export const D_LISTENERS = LINE + 6;
/** Spin locks of the domain, one word each, at most 16. */
export const D_LOCKS = 2 * LINE;

/** Of one vCPU: offsets from `vcpuBase()`. The first line is mostly the vCPU's own, the second what others write. */
export const V_DEFER = 0;
export const V_PAUSED_FOR_SHUTDOWN = 1;
export const V_PAUSE_COUNT = 2;
export const V_RUNNING = 3;
/** Kick id of its CPU, 0 while it has none. */
export const V_KICK_ID = 4;
export const V_SCHED_PENDING = 5;
export const V_BLOCKED = LINE;
/** 1 while its thread waits; whoever changes something for it sets 0 and wakes it. */
export const V_ASLEEP = LINE + 1;
/** What its thread is asked to do once it stands still, 0 for nothing; set to 0 when done. */
export const V_COMMAND = LINE + 2;
/** Argument of the command. */
export const V_ARGUMENT = LINE + 3;
/** 1 once its guest runs no more: verdict, crash, HLT for ever. */
export const V_ENDED = LINE + 4;
/** 1 once its books or its guest's log show something wrong. */
export const V_FAILED = LINE + 5;
const VCPU_WORDS = 2 * LINE;

/** Of one server: offsets from `serverBase()`. */
export const S_ASLEEP = 0;
export const S_COMMAND = 1;
/** One word per port, of vCPU 0 and so on: 1 when signalled. */
export const S_PORTS = 2;
/** The same for the buffered ring. */
export const S_RING_PORT = S_PORTS + MAX_SHARED_VCPUS;
/** 1: awake, it looks at its slots, and need not be signalled. */
export const S_POLLS = S_RING_PORT + 1;
const SERVER_WORDS = LINE;

const VCPUS = 3 * LINE;
const SERVERS = VCPUS + MAX_SHARED_VCPUS * VCPU_WORDS;
export const DOMAIN_WORDS = SERVERS + MAX_SERVERS * SERVER_WORDS;

/** @param vcpu - 0 to MAX_SHARED_VCPUS - 1 */
export function vcpuBase(vcpu: number): number {
  return VCPUS + vcpu * VCPU_WORDS;
}

/** @param server - 0 to 7 */
export function serverBase(server: number): number {
  return SERVERS + server * SERVER_WORDS;
}

/** Wakes the thread that sleeps on `words[index]`, if it does: it sleeps while the word is 1. */
export function wakeSleeper(words: Int32Array, index: number): void {
  if (Atomics.load(words, index) === 0) return;
  Atomics.store(words, index, 0);
  Atomics.notify(words, index);
}

/** Says that something happened that the toolstack may wait for. */
export function announce(words: Int32Array): void {
  Atomics.add(words, D_EVENTS, 1);
  Atomics.notify(words, D_EVENTS);
}

/**
 * Waits until `words[index]` is no longer `value`: spins first, then sleeps.
 * @param spins - looks before sleeping
 * @param ms - bound on the sleep
 * @returns whether it changed
 */
export function waitWhile(
  words: Int32Array,
  index: number,
  value: number,
  spins: number,
  ms: number,
): boolean {
  for (let n = 0; n < spins; n++) if (Atomics.load(words, index) !== value) return true;
  return Atomics.wait(words, index, value, ms) !== 'timed-out';
}
