// SPDX-License-Identifier: GPL-2.0-only
// Exhibits: defects that Xen had on this path, and that a commit repaired.
import type { MuseumBug } from './bug.ts';

const SURROUNDINGS =
  'The code around it is that of 4.14.5, not of the year of the commit: state names, the number of servers, the caches.';

export const REPAIRED: readonly MuseumBug[] = [
  {
    id: 'c07b16fd6e',
    commit: 'c07b16fd6e47782ebf1ee767cd07c1e2b4140f47',
    date: '2025-04-17',
    origin: 'repaired',
    title: 'A fault that counts every repetition as done',
    story:
      'Before a repeated string instruction is sent as one batch, its memory is translated. Downward, a first element that goes over the end of a page is translated apart, by the same function with a count of its own. When its second page was missing, the fault was handed on but that count was not, and the caller saw all repetitions done: the registers moved, and the guest, having brought the page, went on behind the instruction. None of its elements had been read or written. The repair passes the count on.',
    modelled:
      'The count in the translation of a run, for every string instruction; the registers are committed with the fault as in Xen.',
    notModelled: 'Instructions that the emulator runs without a device: the CPU runs those itself.',
    guest: 'fault-batch',
    base: 'fixed',
    change: { fault_keeps_reps: true },
    cure: 'fixed',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: 'b7e0d8978810',
    commit: 'b7e0d8978810b534725e94a321736496928f00a5',
    date: '2022-05-05',
    origin: 'repaired',
    title: 'A shutdown just after a send counts as a refused send',
    story:
      'Whether an access has to be made again was judged by asking whether the domain was shutting down. A shutdown that came between the send and that question gave the wrong answer: the request lay with the device model already, and after the resume the instruction sent it a second time. A counter that moves with each read skipped a value. The repair remembers the refusal itself, in one boolean per vCPU.',
    modelled: 'Both tests, in hvmemul_do_io and handle_pio: revision before-b7e0d8978810 as it is.',
    notModelled: 'The same change in the Arm code.',
    guest: 'counter',
    base: 'before-b7e0d8978810',
    change: {},
    cure: 'fixed',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: '0c0cbf72cf',
    commit: '0c0cbf72cf9f28070cc5d49955b0a00df5c1d114',
    date: '2015-07-07',
    origin: 'repaired',
    title: 'An access caught by the deferral counts as complete',
    story:
      'When a shutdown refuses the deferral, nothing is sent. The send answered "done" to that, which had been harmless until a clean-up removed the test that made the caller look again. From then on a read during a migration gave the bytes of an empty request, and a write went nowhere, each with its instruction retired. The repair answers "again" and clears the latched request.',
    modelled: 'hvm_send_ioreq answers OKAY when the deferral is refused; a read then yields 0.',
    notModelled: SURROUNDINGS,
    guest: 'counter',
    base: 'fixed',
    change: { refused_send_is_okay: true },
    cure: 'fixed',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: 'bac0999325',
    commit: 'bac0999325056a3b3a92f7622df7ffbc5388b1c3',
    date: '2009-10-07',
    origin: 'repaired',
    title: 'A write whose cycle was dropped is retired',
    story:
      'The send had no result: during a suspend it dropped the request and said nothing. The emulator knew only whether data were to come back, and took every access without such data, writes and batches to and from memory, for done. The guest went on past a write that no device had seen. The repair gave the send a result, and a dropped cycle is tried again.',
    modelled:
      'A refused write, or a refused batch with memory, is OKAY in hvmemul_do_io. Reads into a register are not touched, as then.',
    notModelled: `${SURROUNDINGS} What became of a refused IN in 2009, which the commit did not change.`,
    guest: 'write-ledger',
    base: 'fixed',
    change: { refused_write_retires: true },
    cure: 'fixed',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: '2248727b1d',
    commit: '2248727b1d267ebd3debfc0d1c807b247dc62cfa',
    date: '2008-03-27',
    origin: 'repaired',
    title: 'The deferral ends with the answer, not with the instruction',
    story:
      'An instruction with several accesses sends the next one while it takes in the answer to the last. Directly afterwards the deferral was ended all the same, and a waiting shutdown called the domain shut down with a request on its way. The start of a deferral did not know one that was held either, and let a shutdown refuse an access in the middle of an instruction. The repair ends the deferral only when nothing was sent, and makes starting it twice harmless.',
    modelled:
      'Both halves, in revision exact: the completion ends the deferral whatever was sent meanwhile; starting a deferral that is held looks at the shutdown again.',
    notModelled: `${SURROUNDINGS} A refused access was dropped then; here the instruction starts over. The third half, a deferral that a crashing vCPU never ended, has no counterpart here.`,
    guest: 'rmw-ledger',
    base: 'exact',
    change: { answer_ends_deferral: true },
    cure: 'exact',
    invariant: 'a saved state is one the guest could have been in',
    faults: {},
  },
  {
    id: '9c9384d6d8',
    commit: '9c9384d6d8184ca6d21975ccf4e4f72b560540cc',
    date: '2017-11-28',
    origin: 'repaired',
    title: 'A completion is asked for where none is due',
    story:
      'A string instruction that reaches the end of a page stops there and is run again for the rest. This was taken for an access that waits for its answer, and a completion was left for the vCPU although everything had been done, inside the monitor even. It stayed until the vCPU was scheduled the next time, and then emulated whatever instruction was there. The repair asks for a completion only when an answer is to come.',
    modelled:
      '_hvm_emulate_one leaves HVMIO_mmio_completion when a batch was cut; a state saved then has a completion with nothing to complete.',
    notModelled: `${SURROUNDINGS} Today the choice is made anew by each emulation, so the completion does not outlive the next one; a stale translation, which needs paging, is not kept.`,
    guest: 'page-batch',
    base: 'exact',
    change: { partial_batch_wants_completion: true },
    cure: 'exact',
    invariant: 'a saved state is one the guest could have been in',
    faults: {},
  },
  {
    id: '378d31ab3e',
    commit: '378d31ab3e007d7a059b3e26d4062d7ac318eef4',
    date: '2017-12-15',
    origin: 'repaired',
    title: 'A repeated OUTS passed to the function for one access',
    story:
      'When an introspection tool supplied the data, a REP OUTS handed all its bytes to the function that makes one port access, with their sum as the size. Four single bytes became one access of four bytes; other sums were refused or, in theory, arbitrarily large. The repair makes one access per element.',
    modelled:
      'hvmemul_rep_outs makes one access as wide as all elements together; more than eight bytes are unhandleable.',
    notModelled:
      'Introspection: the bytes come from guest memory instead of the tool, and every REP OUTS takes the way that only supplied data took. The size of the buffer.',
    guest: 'outs-batch',
    base: 'fixed',
    change: { outs_batch_as_one_access: true },
    cure: 'fixed',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: '60a56dc006',
    commit: '60a56dc0064a00830663ffe48215dcd080cb9504',
    date: '2018-08-15',
    origin: 'repaired',
    title: 'Routing took a downward batch for an upward one',
    story:
      'To find the device model of a memory request, its first and last byte are compared with the registered ranges. With the direction flag set, a batch runs down from its address, but the range was always taken upwards from it. Near the end of a device the request was claimed by nobody, so that reads gave ones and writes vanished, or by the neighbour. The repair computes both ends with the flag.',
    modelled: 'The first and last byte in hvm_select_ioreq_server.',
    notModelled: 'Nothing is missing.',
    guest: 'down-counter',
    base: 'fixed',
    change: { routing_ignores_direction: true },
    cure: 'fixed',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: '522a2f3c5c',
    commit: '522a2f3c5c89cc78c0e2b05af924b76cef7d4bff',
    date: '2019-03-18',
    origin: 'repaired',
    title: 'An answered request is left behind',
    story:
      'An instruction is run a second time to take its answer in, and the second pass tried memory before it looked whether the first had gone to a device. A device model may have turned the page into memory meanwhile: the access then ended there, and the answer stayed in the latch. The next access of any kind found it, did not recognise it, and the domain was crashed. The repair looks at the cache of accesses already made first.',
    modelled:
      'linear_read and linear_write try memory first in every pass. A device model that turns its page into RAM with the first write is part of the guest.',
    notModelled:
      'The page types of the original report; here the page changes from a device to RAM.',
    guest: 'ballooned',
    base: 'fixed',
    change: { memory_before_mmio_cache: true },
    cure: 'fixed',
    invariant: 'response consumed once',
    faults: {},
  },
  {
    id: 'da20c93108',
    commit: 'da20c93108226cb2eb2ed1a13225337f2318a642',
    date: '2021-02-04',
    origin: 'repaired',
    title: 'A broadcast waited for one device model only',
    story:
      'A request to every device model leaves an answer to be taken at each of them. A clean-up had turned the loop over all of them into a look at the first. The vCPU went on with the other answers still to come; the next access to one of those found its slot in use. The repair brought the loop back.',
    modelled:
      'handle_hvm_io_completion waits for the newest server that owes an answer, and for no other.',
    notModelled:
      'The hypercall that causes such a broadcast: a port inside the monitor stands for it.',
    guest: 'broadcast',
    base: 'fixed',
    change: { one_server_waited_for: true },
    cure: 'fixed',
    invariant: 'response consumed once',
    faults: {},
  },
  {
    id: '2e0b545b84',
    commit: '2e0b545b847df7d4feb07308d50bad708bd35a66',
    date: '2024-10-08',
    origin: 'repaired',
    title: 'A buffered send claims success without sending',
    story:
      'The ring for writes that need no answer has entries of eight bytes: an address below one megabyte, one element, a value. What does not fit was answered with a literal 0, which reads as success on x86, and was never sent. The repair answers "not handled", so that the caller may send it the ordinary way.',
    modelled:
      'hvm_send_buffered_ioreq, through a handler that posts the writes of one page as the VGA handler of that time did, for a page above one megabyte. Revisions before-b7e0d8978810 and fixed have it, as 4.14.5 does.',
    notModelled:
      'The handler itself: that of Xen only posts addresses that fit, so no guest could show the defect there.',
    guest: 'posted-writes',
    base: 'exact',
    change: { unbufferable_refused: false },
    cure: 'exact',
    invariant: 'exactly once',
    faults: {},
  },
];
