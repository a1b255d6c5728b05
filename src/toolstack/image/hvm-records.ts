// SPDX-License-Identifier: GPL-2.0-only
// The entries of the HVM context that a machine has: one codec for each kind. A new device that Xen has an entry for is a
// line here.
import { HVM_CPU } from '../../image/hvm-context.ts';
import { decodeHvmCpu, HVM_CPU_BYTES } from '../../image/hvm-cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { encodeCpu } from './cpu-record.ts';
import { nativeCpu } from './native-cpu.ts';
import { PC_RECORDS } from './pc-records.ts';
import type { HvmRecord, HvmRecordCodec } from './record-codec.ts';

/** Opaque state restores a CPU; its entry says the same by name, and is held against it. */
const cpu: HvmRecordCodec = {
  code: HVM_CPU,
  save: (machine) => [
    {
      code: HVM_CPU,
      instance: machine.vcpu.vcpu_id,
      body: encodeCpu(nativeCpu(machine)),
    },
  ],
  // Without MSR_TSC_AUX and flags it is one of an older Xen, and is not ours.
  problem: (body) => (body.length === HVM_CPU_BYTES ? decodeHvmCpu(body).problem : null),
  restore: (machine, records) => {
    const saved = records.find((r) => r.instance === machine.vcpu.vcpu_id);
    if (saved === undefined) return `the context has no CPU ${machine.vcpu.vcpu_id}`;
    const same = Buffer.compare(encodeCpu(nativeCpu(machine)), saved.body) === 0;
    return same ? null : 'the CPU record and the saved CPU are not of the same moment';
  },
};

/** In the order in which they are written. */
export const HVM_RECORDS: readonly HvmRecordCodec[] = [cpu, ...PC_RECORDS];

export function saveRecords(machine: Machine): HvmRecord[] {
  return HVM_RECORDS.flatMap((codec) => codec.save(machine));
}

/** @returns what does not fit, in words, or null */
export function restoreRecords(machine: Machine, records: readonly HvmRecord[]): string | null {
  for (const codec of HVM_RECORDS) {
    const mine = records.filter((r) => r.code === codec.code);
    const problem = codec.restore(machine, mine);
    if (problem !== null) return problem;
  }
  return null;
}
