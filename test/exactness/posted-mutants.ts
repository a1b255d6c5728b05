// SPDX-License-Identifier: GPL-2.0-only
// Faults of accesses that stay in the guest (native/posted.cc, native/posted.h).
import type { Mutant } from './native-build.ts';

const IN_A_ROW = { cells: 'accesses in a row', full: true, stop: 'in the guest' } as const;

export const POSTED: readonly Mutant[] = [
  {
    name: 'a posted write has half of its data',
    file: 'posted.cc',
    find: 'put(ring, head, static_cast<uint32_t>(*value),',
    replace: 'put(ring, head, static_cast<uint16_t>(*value),',
    ...IN_A_ROW,
  },
  {
    name: 'a posted write that follows another has the one before it for its width',
    file: 'posted.h',
    find: 'static_cast<uint64_t>(size << 1 | isPort) << 32',
    replace: 'static_cast<uint64_t>(isPort) << 32 | size * 0',
    ...IN_A_ROW,
  },
  {
    name: 'a published register is read although a write waits',
    file: 'posted.cc',
    find: 'if (ring[RING_READ] != ring[RING_WRITE] || (counted',
    replace: 'if ((counted',
    ...IN_A_ROW,
  },
  {
    name: 'a register that was read is read again behind a write',
    file: 'posted.cc',
    find: '    register_.key = 0;\n    uint64_t* entry',
    replace: '    uint64_t* entry',
    ...IN_A_ROW,
  },
  {
    name: 'what was armed in one stay is used in the next',
    file: 'run.cc',
    find: '  posted_.forget();\n',
    replace: '',
    ...IN_A_ROW,
  },
  {
    name: 'a posted write is in the books one instruction late',
    file: 'posted.cc',
    find: 'const auto icount = static_cast<double>(deadline - left);',
    replace: 'const auto icount = static_cast<double>(deadline - left + 1);',
    ...IN_A_ROW,
  },
  {
    name: 'pointers that are taken back differ from each other',
    file: 'posted.cc',
    find: '(static_cast<uint64_t>(off) << 32)) | (read - off);',
    replace: '(static_cast<uint64_t>(off) << 32)) | (read % 7);',
    ...IN_A_ROW,
  },
];
