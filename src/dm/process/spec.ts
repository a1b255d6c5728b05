// SPDX-License-Identifier: GPL-2.0-only
// Which device is served by which process, as a person writes it down.
import { BugError, HvmError } from '../../util/errors.ts';
import { formatIoRange, parseIoRange } from '../range.ts';
import { type DeviceSpec, listDevices, parseDeviceSpec } from '../registry.ts';

/** One device in a process of its own: one that is started, or one that connects by itself. */
export interface DeviceProcessOptions {
  /** `counter@0x200`; a name that is not registered here needs a whole range. */
  device: string;
  /** Program and arguments; no shell. */
  command?: readonly string[];
  /** Path of the socket to wait at; without it, and with a command, one in a new private folder. */
  socket?: string;
  /** How long it may take to connect and to be ready. */
  connectTimeoutMs?: number;
}

/** Longest path of a Unix-domain socket, in bytes. */
export const LONGEST_SOCKET_PATH = 107;
const NAME = /^[a-z][a-z0-9-]*$/;
const SOCKET = 'unix:';

/**
 * Reads what `parseDeviceSpec()` reads, and `name@<start>-<end>` of a device that only another process knows.
 * @throws HvmError HVM_DEVICE_UNKNOWN, HVM_RANGE
 */
export function parseServedDevice(text: string): DeviceSpec {
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const where = at < 0 ? '' : text.slice(at + 1);
  const known = listDevices().some((f) => f.name === name);
  if (known || !NAME.test(name) || !where.includes('-')) return parseDeviceSpec(text);
  const range = parseIoRange(where, () => 1);
  return {
    range,
    factory: {
      name,
      summary: 'served by another process',
      defaultRange: formatIoRange(range),
      create: () => {
        throw new BugError(`device '${name}' is made by its own process only`);
      },
    },
  };
}

/**
 * Reads `DEVICE=COMMAND` or `DEVICE=unix:PATH`: `counter@0x200=python3 counter.py`. Words of a command are separated by
 * blanks; quotes and backslashes keep blanks in a word, as in a shell.
 * @throws HvmError HVM_USAGE, HVM_DEVICE_UNKNOWN, HVM_RANGE
 */
export function parseDeviceProcess(text: string): DeviceProcessOptions {
  const equals = text.indexOf('=');
  const rest = text.slice(equals + 1).trim();
  if (equals < 1 || rest === '') {
    throw new HvmError(
      'HVM_USAGE',
      `device process '${text}': expected DEVICE=COMMAND or DEVICE=unix:PATH, such as 'counter@0x200=python3 counter.py'`,
    );
  }
  const device = text.slice(0, equals).trim();
  parseServedDevice(device);
  const options: DeviceProcessOptions = rest.startsWith(SOCKET)
    ? { device, socket: rest.slice(SOCKET.length) }
    : { device, command: shellWords(rest) };
  checkDeviceProcess(options);
  return options;
}

/** @throws HvmError HVM_USAGE when neither command nor socket is there, or the path is too long */
export function checkDeviceProcess({ device, command, socket }: DeviceProcessOptions): void {
  const refuse = (what: string): never => {
    throw new HvmError('HVM_USAGE', `device process of ${device}: ${what}`);
  };
  if (command === undefined && socket === undefined) refuse('expected a command or a socket');
  if (command !== undefined && (command.length === 0 || command[0] === '')) {
    refuse('the command is empty');
  }
  if (command?.some((word) => word.includes('\0'))) refuse('a zero byte in the command');
  if (socket === undefined) return;
  const bytes = Buffer.byteLength(socket);
  if (bytes === 0 || bytes > LONGEST_SOCKET_PATH || socket.includes('\0')) {
    refuse(`socket path of ${bytes} bytes, expected 1 to ${LONGEST_SOCKET_PATH}`);
  }
}

/** @throws HvmError HVM_USAGE for a quote that is not closed */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === '\\' && quote !== "'" && i + 1 < text.length) word = (word ?? '') + text[++i];
    else if (quote !== '') {
      if (c === quote) quote = '';
      else word = (word ?? '') + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + c;
  }
  if (quote !== '') throw new HvmError('HVM_USAGE', `a ${quote} is not closed in: ${text}`);
  if (word !== null) words.push(word);
  return words;
}
