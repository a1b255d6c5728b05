// SPDX-License-Identifier: GPL-2.0-only
// Everything of a domain that its threads share. Plain buffers: they go to a worker as they are.
import { D_SHUTDOWN_CODE, DOMAIN_WORDS } from '../../mem/domain-words.ts';
import { GuestRam } from '../../mem/guest-ram.ts';
import { REPORT_BYTES, ReportRing } from '../../mem/report-ring.ts';
import { PAGE_SIZE } from '../../xen/public/hvm_ioreq.ts';
import { SHUTDOWN_CODE_INVALID } from '../../xen/public/sched.ts';

/** The buffers of one domain. */
export interface DomainMemory {
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly ram: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  /** Two pages per server, in the order in which the port asks for them: ioreq, buffered ring. */
  readonly pages: SharedArrayBuffer;
  /** A report ring per server and vCPU, and one per server for its buffered ring. */
  readonly reports: SharedArrayBuffer;
}

/**
 * @param servers - 1 to 8
 * @throws HvmError HVM_MEMORY when the host has no room
 */
export function createDomainMemory(ramBytes: number, servers: number, vcpus: number): DomainMemory {
  const words = new SharedArrayBuffer(4 * DOMAIN_WORDS);
  Atomics.store(new Int32Array(words), D_SHUTDOWN_CODE, SHUTDOWN_CODE_INVALID);
  return {
    vcpus,
    ramBytes,
    ram: new GuestRam(ramBytes).bytes.buffer as SharedArrayBuffer,
    words,
    pages: new SharedArrayBuffer(2 * servers * PAGE_SIZE),
    reports: new SharedArrayBuffer(servers * (vcpus + 1) * REPORT_BYTES),
  };
}

/** Page `n` of `pages`. */
export function sharedPage(memory: DomainMemory, n: number): Uint8Array {
  return new Uint8Array(memory.pages, n * PAGE_SIZE, PAGE_SIZE);
}

/** What `server` reports to `vcpu`; `vcpu` = number of vCPUs: what it did for its buffered ring. */
export function reportRing(memory: DomainMemory, server: number, vcpu: number): ReportRing {
  return new ReportRing(memory.reports, (server * (memory.vcpus + 1) + vcpu) * REPORT_BYTES);
}
