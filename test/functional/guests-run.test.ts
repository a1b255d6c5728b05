// SPDX-License-Identifier: GPL-2.0-only
// Every guest of the package on the real CPU, through the whole I/O path, to the verdict its manifest promises.
import { describe, expect, it } from 'vitest';
import { parseDeviceSpec } from '../../src/dm/registry.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { LiveChecker } from '../../src/ledger/live-checker.ts';
import { listGuestNames, loadGuest } from '../../src/machine/loader.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { REVISION_NAMES } from '../../src/xen/hvm/revision.ts';

/** Guests of what Xen gets wrong without any checkpoint, fix or not: test/museum/ shows that they fail there. */
const NEED_EXACT = new Set(['emulated-in', 'ins-mmio', 'posted-writes']);

describe.each(REVISION_NAMES)('guests under %s', (revision) => {
  it.each(listGuestNames().filter((name) => revision === 'exact' || !NEED_EXACT.has(name)))(
    '%s reports what its manifest says',
    (name) => {
      const guest = loadGuest(name);
      const input = [...Buffer.from('hi\u0004')];
      const checker = new LiveChecker();
      const ledger = new Ledger({ sinks: [checker] });
      let text = '';
      using machine = new Machine({
        guest,
        revision,
        devices: guest.manifest.devices.map(parseDeviceSpec),
        output: (byte) => {
          text += String.fromCharCode(byte);
        },
        input: { take: () => input.shift() ?? -1 },
        ledger,
      });
      ledger.start({ guest: name, revision, seed: 0, vcpus: 1, devices: machine.ledgerDevices });
      machine.inputArrived();
      const loop = new RunLoop(machine);
      loop.deadline = guest.manifest.limits.maxInstructions;
      const stop = loop.run();
      ledger.end({ stop: 'boundary', reason: stop, witnesses: machine.witnesses() });
      const report = checker.finish();
      expect({
        stop,
        crashed: machine.domain.crashed,
        verdict: machine.verdict,
        text,
        violations: report.violations,
      }).toMatchObject({
        stop: 'verdict',
        crashed: null,
        verdict: guest.manifest.verdict,
        violations: [],
      });
      expect(machine.unclaimed).toBe(0);
    },
  );
});
