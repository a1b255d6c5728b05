// SPDX-License-Identifier: GPL-2.0-only
// Defects that Xen once had on this path, each as one switch: off in every revision, on only for the bug museum.
// What surrounds them is the code of 4.14.5; what of each commit is modelled is in src/toolstack/museum/.

/** What a switch breaks. `commit` is the one that repaired it upstream. */
export const DEFECTS = {
  refused_send_is_okay: {
    commit: '0c0cbf72cf9f28070cc5d49955b0a00df5c1d114',
    reason: 'A send that a shutdown refused answers "done", so reads give 0 and writes vanish.',
  },
  refused_write_retires: {
    commit: 'bac0999325056a3b3a92f7622df7ffbc5388b1c3',
    reason:
      'A write, or a batch, whose send a shutdown refused counts as done, as nothing is to come back.',
  },
  answer_ends_deferral: {
    commit: '2248727b1d267ebd3debfc0d1c807b247dc62cfa',
    reason:
      'Each answer ends the deferral, also when the instruction has just sent its next access; and a ' +
      'deferral that is held is tested against the shutdown again.',
  },
  partial_batch_wants_completion: {
    commit: '9c9384d6d8184ca6d21975ccf4e4f72b560540cc',
    reason: 'A string instruction cut at a page end asks for a completion although it has none.',
  },
  outs_batch_as_one_access: {
    commit: '378d31ab3e007d7a059b3e26d4062d7ac318eef4',
    reason: 'All elements of a REP OUTS go out as one access as wide as all of them.',
  },
  routing_ignores_direction: {
    commit: '60a56dc0064a00830663ffe48215dcd080cb9504',
    reason: 'The range of a repeated memory request is taken upwards whatever the direction flag.',
  },
  memory_before_mmio_cache: {
    commit: '522a2f3c5c89cc78c0e2b05af924b76cef7d4bff',
    reason:
      'An access made again tries memory first, also when its first pass went to a device and the ' +
      'answer waits to be taken.',
  },
  one_server_waited_for: {
    commit: 'da20c93108226cb2eb2ed1a13225337f2318a642',
    reason: 'Only one of the servers that owe an answer is waited for.',
  },
  fault_keeps_reps: {
    commit: 'c07b16fd6e47782ebf1ee767cd07c1e2b4140f47',
    reason:
      'A downward batch whose first element goes over a page end, the upper page missing, faults with ' +
      'all its repetitions counted as done.',
  },
} as const satisfies Record<string, { commit: string; reason: string }>;

export type DefectName = keyof typeof DEFECTS;

/** Every defect off. */
export const NO_DEFECTS: Readonly<Record<DefectName, boolean>> = {
  refused_send_is_okay: false,
  refused_write_retires: false,
  answer_ends_deferral: false,
  partial_batch_wants_completion: false,
  outs_batch_as_one_access: false,
  routing_ignores_direction: false,
  memory_before_mmio_cache: false,
  one_server_waited_for: false,
  fault_keeps_reps: false,
};
