// SPDX-License-Identifier: GPL-2.0-only
// `trapline doctor`: can this machine run guests, and with what.
import { Worker } from 'node:worker_threads';
import { loadAddon } from '../../cpu/native.ts';
import type { DoctorDocument } from '../check-schemas.ts';
import { doctorSchema } from '../check-schemas.ts';
import type { CliCommand } from '../command.ts';
import { formatTable } from '../format.ts';
import type { Styler } from '../output.ts';
import { toFailure } from '../output.ts';

/** One thing that has to work. `probe` says what it found, or throws. */
export interface Check {
  name: string;
  probe(): string | Promise<string>;
}

/** A worker adds to a shared word and answers: threads and shared memory in one. */
function probeWorker(): Promise<string> {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const source = `
    const { workerData, parentPort } = require('node:worker_threads');
    Atomics.add(new Int32Array(workerData), 0, 41);
    parentPort.postMessage('done');`;
  return new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, workerData: shared.buffer });
    worker.once('error', reject);
    worker.once('message', () => {
      const seen = Atomics.add(shared, 0, 1);
      worker.terminate().then(() => {
        if (seen === 41) resolve('a worker shares memory with the main thread');
        else reject(new Error(`a worker wrote 41, the main thread sees ${seen}`));
      }, reject);
    });
  });
}

/** What needs neither the addon nor a guest. */
export const BASIC_CHECKS: readonly Check[] = [
  { name: 'node', probe: () => `${process.versions.node} on ${process.platform}-${process.arch}` },
  { name: 'threads', probe: probeWorker },
];

async function examine(check: Check): Promise<DoctorDocument['checks'][number]> {
  try {
    return { name: check.name, ok: true, detail: await check.probe() };
  } catch (error) {
    return { name: check.name, ok: false, detail: toFailure(error).message };
  }
}

/** The result as text. */
export function renderDoctor(document: DoctorDocument, style: Styler): string {
  const rows = document.checks.map(({ name, ok, detail }) => [ok ? 'ok' : 'BAD', name, detail]);
  const verdict = document.ok
    ? style('good', 'this machine can run guests')
    : style('bad', 'this machine cannot run guests as it is');
  return `${formatTable(rows)}\n${verdict}`;
}

/** @param checks - in the order they are made and shown */
export function doctorCommand(checks: readonly Check[]): CliCommand {
  return {
    name: 'doctor',
    summary: 'check whether this machine can run guests',
    examples: [
      ['', 'what works here, and what does not'],
      ['--json', 'the same for a program'],
    ],
    exitCodes: [0, 5],
    configure() {},
    async run({ output }) {
      const results: DoctorDocument['checks'] = [];
      for (const check of checks) results.push(await examine(check));
      const ok = results.every((result) => result.ok);
      const document: DoctorDocument = { schema: 'trapline.doctor/1', ok, checks: results };
      output.result(doctorSchema, document, (style) => renderDoctor(document, style));
      return ok ? 0 : 5;
    },
  };
}

/** The addon, and the emulator library it was linked with: loading it runs its self-test. */
const ADDON_CHECK: Check = {
  name: 'cpu',
  probe: () => `native addon passes its self-test, emulator library ${loadAddon().library()}`,
};

export const doctor: CliCommand = doctorCommand([...BASIC_CHECKS, ADDON_CHECK]);
