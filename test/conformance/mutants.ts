// SPDX-License-Identifier: GPL-2.0-only
// Faults of the I/O path, each a replacement in one source file. The replayer must notice every one.

export interface Mutant {
  /** What is wrong. */
  name: string;
  /** Below src/xen/. */
  file: string;
  /** Occurs exactly once in the file. */
  find: string;
  replace: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the fix always applied',
    file: 'hvm/emulate.ts',
    find: 'd.host.revision.io_suspended_flag ?',
    replace: 'true ?',
  },
  {
    name: 'the fix never applied',
    file: 'hvm/emulate.ts',
    find: 'd.host.revision.io_suspended_flag ?',
    replace: 'false ?',
  },
  {
    name: 'suspended not cleared before a new request',
    file: 'hvm/emulate.ts',
    find: 'vio.suspended = false;',
    replace: '',
  },
  {
    name: 'a refused send not noted',
    file: 'hvm/ioreq.ts',
    find: 'curr.arch.hvm.hvm_io.suspended = true;',
    replace: '',
  },
  {
    name: 'a shutdown does not look at deferrals',
    file: 'common/domain.ts',
    find: 'else if (v.defer_shutdown) continue;',
    replace: '',
  },
  {
    name: 'a crash respects deferrals',
    file: 'common/domain.ts',
    find: 'if (reason === SHUTDOWN_crash) v.defer_shutdown = false;\n    else if',
    replace: 'if',
  },
  {
    name: 'a vCPU paused twice for one shutdown',
    file: 'common/domain.ts',
    find: 'if (!v.paused_for_shutdown) vcpu_pause_nosync(v);',
    replace: 'vcpu_pause_nosync(v);',
  },
  {
    name: 'the end of a deferral does not look for a shutdown',
    file: 'common/domain.ts',
    find: "points.hit('undefer_clear', v);\n  if (v.domain.is_shutting_down)",
    replace: "points.hit('undefer_clear', v);\n  if (false)",
  },
  {
    name: 'a later shutdown reason wins',
    file: 'common/domain.ts',
    find: 'if (d.shutdown_code === SHUTDOWN_CODE_INVALID) d',
    replace: 'd',
  },
  {
    name: 'resume keeps the pause',
    file: 'common/domain.ts',
    find: 'if (v.paused_for_shutdown) vcpu_unpause(v);',
    replace: '',
  },
  {
    name: 'servers searched oldest first',
    file: 'hvm/ioreq.ts',
    find: 'if (s === null || s === undefined || !s.enabled) continue;\n    if (type',
    replace:
      'if (s === null || s === undefined || !s.enabled) continue;\n' +
      '    if (servers.slice(0, id).some((o) => o?.enabled && o.range[type].contains_range(first, last))) continue;\n' +
      '    if (type',
  },
  {
    name: 'a disabled server is chosen',
    file: 'hvm/ioreq.ts',
    find: '|| !s.enabled) continue;\n    if (type',
    replace: ') continue;\n    if (type',
  },
  {
    name: 'pending set before the notification',
    file: 'hvm/ioreq.ts',
    find: "notify_via_xen_event_channel(d, port);\n  points.hit('send_notify', curr);",
    replace:
      "sv.pending = true;\n  notify_via_xen_event_channel(d, port);\n  points.hit('send_notify', curr);\n" +
      '  if (get_ioreq(s, curr)?.state() === STATE_IORESP_READY) sv.pending = false, vcpu_end_shutdown_deferral(curr);',
  },
  {
    name: 'a busy slot is overwritten',
    file: 'hvm/ioreq.ts',
    find: 'slot.state() !== STATE_IOREQ_NONE || ',
    replace: '',
  },
  {
    name: 'a wrong event channel is accepted',
    file: 'hvm/ioreq.ts',
    find: ' || slot.vp_eport() !== port',
    replace: '',
  },
  {
    name: 'a state going backwards is accepted',
    file: 'hvm/ioreq.ts',
    find: 'state < prev_state || ',
    replace: '',
  },
  {
    name: 'a dead emulator answers zero',
    file: 'hvm/ioreq.ts',
    find: 'let data = 0xffffffff;',
    replace: 'let data = 0;',
  },
  {
    name: 'the response is not taken out of the slot',
    file: 'hvm/ioreq.ts',
    find: 'slot.setState(STATE_IOREQ_NONE);\n      data',
    replace: 'data',
  },
  {
    name: 'ring pointers wrapped in legacy mode',
    file: 'hvm/ioreq.ts',
    find: 's.bufioreq_handling === HVM_IOREQSRV_BUFIOREQ_ATOMIC &&',
    replace: '',
  },
  {
    name: 'an unbufferable request is refused',
    file: 'hvm/ioreq.ts',
    find: 'unbufferable_refused ? X86EMUL_UNHANDLEABLE : X86EMUL_OKAY',
    replace: 'unbufferable_refused ? X86EMUL_UNHANDLEABLE : X86EMUL_UNHANDLEABLE',
  },
  {
    name: 'no truncation at the page end',
    file: 'hvm/emulate.ts',
    find: 'truncate_at_page(p);',
    replace: '',
  },
  {
    name: 'a re-issued request is not verified',
    file: 'hvm/emulate.ts',
    find: 'io_req.type !== type ||',
    replace: '',
  },
  {
    name: 'a write to a port needs completion',
    file: 'hvm/state.ts',
    find: '(r.type !== IOREQ_TYPE_PIO || r.dir !== IOREQ_WRITE)',
    replace: 'true',
  },
  {
    name: 'a 32-bit IN keeps the upper half of RAX',
    file: 'hvm/io.ts',
    find: 'regs.rax_hi = 0;',
    replace: '',
  },
  {
    name: 'RIP moves although nothing was sent',
    file: 'hvm/io.ts',
    find: 'return !io_was_suspended(curr) && hvm_io_pending(curr);',
    replace: 'return true;',
  },
  {
    name: 'the deferral ends after the completion',
    file: 'hvm/io_completion.ts',
    find: 'vcpu_end_shutdown_deferral(v);\n  host.trace',
    replace:
      'const early = complete_io(v); vcpu_end_shutdown_deferral(v); if (!early) return false;\n  host.trace',
  },
  {
    name: 'only one pending server is waited for',
    file: 'hvm/io_completion.ts',
    find: 's = get_pending_server(v)) {',
    replace: 's = null) {',
  },
  {
    name: 'the MMIO cache forgets',
    file: 'hvm/emulate_mmio.ts',
    find: 'cache.size += piece;',
    replace: '',
  },
  {
    name: 'the legacy frame test the right way round',
    file: 'hvm/ioreq_server_pages.ts',
    find: 'if (!was_set)',
    replace: 'if (was_set)',
  },
  {
    name: 'the fix of Xen quirk: get_frame keeps the page after -EPERM',
    file: 'hvm/ioreq_server_pages.ts',
    find: 'if (rc !== 0) s.ioreq.va = null;',
    replace: '',
  },
];
