// SPDX-License-Identifier: GPL-2.0-only
// The client for Node: connects to a monitor's socket and serves its requests with any devices.
import { connect } from 'node:net';
import { hostClock } from '../../util/clock.ts';
import { HvmError } from '../../util/errors.ts';
import { BUILTIN_DEVICES } from '../builtin.ts';
import type { DeviceFactory } from '../factory.ts';
import { ClientServer } from './client-server.ts';

/** Environment variable in which a command finds its socket. */
export const SOCKET_VARIABLE = 'TRAPLINE_DEVICE_SOCKET';
const NS_PER_MS = 1e6;

/** What `serveDevices()` takes. */
export interface ServeOptions {
  /** Path of the monitor's socket; none: what `TRAPLINE_DEVICE_SOCKET` says. */
  socket?: string;
  /** Devices that can be asked for, by name; none: those that come with the package. */
  devices?: readonly DeviceFactory[];
}

/**
 * Serves until the monitor says stop or ends the connection.
 * @throws HvmError HVM_USAGE without a socket, HVM_DEVICE_DEAD when the connection fails, the monitor breaks the
 *   protocol or asks for a device that is not there, or a device throws
 */
export function serveDevices(options: ServeOptions = {}): Promise<void> {
  const path = options.socket ?? process.env[SOCKET_VARIABLE];
  if (path === undefined || path === '') {
    throw new HvmError('HVM_USAGE', `no socket: expected a path, or one in ${SOCKET_VARIABLE}`);
  }
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let server: ClientServer | null = null;
    const fail = (why: string, cause: unknown): void => {
      socket.destroySoon();
      reject(new HvmError('HVM_DEVICE_DEAD', `device model on ${path}: ${why}`, { cause }));
    };
    socket.on('connect', () => {
      server = new ClientServer({
        devices: options.devices ?? BUILTIN_DEVICES,
        send: (frame) => {
          if (socket.writable) socket.write(frame);
        },
        stopped: () => socket.end(),
        nowNs: () => hostClock.nowMs() * NS_PER_MS,
      });
    });
    socket.on('data', (bytes) => {
      try {
        server?.receive(bytes);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        server?.fail(why);
        fail(why, error);
      }
    });
    socket.on('error', (error) => fail(error.message, error));
    socket.on('close', () => resolve());
  });
}
