// SPDX-License-Identifier: GPL-2.0-only
// The page of a running PC over HTTP on 127.0.0.1: pictures and events go out as server-sent events, keys and buttons
// come in as POST. A page of another origin gets nothing: every request carries the token of the address printed.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HvmError } from '../util/errors.ts';
import { PAGE } from './page.ts';

/** What the page can ask for. An HvmError is told to whoever asked. */
export interface Commands {
  key(names: string): void;
  button(name: string): void;
}

const HOST = '127.0.0.1';
const MOST_BODY = 4096;

export class WebServer implements Disposable {
  readonly #server: Server;
  readonly #commands: Commands;
  readonly #token = randomBytes(16).toString('hex');
  readonly #listeners = new Set<ServerResponse>();
  /** By kind of event: what a page that comes later is told first. */
  readonly #last = new Map<string, string>();

  constructor(commands: Commands) {
    this.#commands = commands;
    this.#server = createServer((request, response) => this.#serve(request, response));
  }

  /** @returns the page's address. @throws HvmError HVM_USAGE for a port that cannot be had */
  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const why = cause.code ?? cause.message;
        reject(new HvmError('HVM_USAGE', `port ${port} on ${HOST}: ${why}`, { cause }));
      });
      this.#server.listen(port, HOST, resolve);
    });
    const { port: got } = this.#server.address() as AddressInfo;
    return `http://${HOST}:${got}/?token=${this.#token}`;
  }

  /** Whether anybody looks. */
  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Tells every page. @param keep - and those that come later */
  send(kind: string, data: unknown, keep: boolean): void {
    const message = event(kind, data);
    if (keep) this.#last.set(kind, message);
    for (const listener of this.#listeners) listener.write(message);
  }

  /** What a page that comes later is told first, of this kind. */
  remember(kind: string, data: unknown): void {
    this.#last.set(kind, event(kind, data));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', `http://${HOST}`);
    const given = Buffer.from(url.searchParams.get('token') ?? '');
    const token = Buffer.from(this.#token);
    if (given.length !== token.length || !timingSafeEqual(given, token)) {
      answer(
        response,
        403,
        'text/plain',
        'This page needs the address that trapline serve printed.\n',
      );
    } else if (request.method === 'GET' && url.pathname === '/') {
      answer(response, 200, 'text/html; charset=utf-8', PAGE);
    } else if (request.method === 'GET' && url.pathname === '/events') this.#follow(response);
    else if (request.method === 'POST') this.#post(url.pathname, request, response);
    else answer(response, 404, 'text/plain', 'Nothing here.\n');
  }

  #follow(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    for (const message of this.#last.values()) response.write(message);
    this.#listeners.add(response);
    response.on('close', () => this.#listeners.delete(response));
  }

  #post(path: string, request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
      if (body.length > MOST_BODY) request.destroy();
    });
    request.on('end', () => {
      try {
        if (path === '/key') this.#commands.key(body);
        else if (path === '/button') this.#commands.button(body);
        else return answer(response, 404, 'text/plain', 'Nothing here.\n');
        answer(response, 200, 'text/plain; charset=utf-8', '');
      } catch (error) {
        if (!(error instanceof HvmError)) throw error;
        answer(response, 400, 'text/plain; charset=utf-8', error.message);
      }
    });
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners) listener.end();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function event(kind: string, data: unknown): string {
  return `event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'",
  });
  response.end(body);
}
