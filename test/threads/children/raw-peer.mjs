// SPDX-License-Identifier: GPL-2.0-only
// A device model that knows the protocol from the tables of docs/device-model-protocol.md and nothing else, and that
// breaks it in one way: node raw-peer.mjs FAULT [REQUEST]. It behaves until request number REQUEST, 5 unless given.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const document = readFileSync(
  new URL('../../../docs/device-model-protocol.md', import.meta.url),
  'utf8',
);
/** Rows of every table whose first column is headed `heading`. */
function table(heading) {
  const lines = document.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  const end = lines.findIndex((line, i) => i > at && !line.startsWith('|'));
  return lines.slice(at + 2, end).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((c) => c.trim()),
  );
}
const TYPE = Object.fromEntries(table('Type').map(([type, name]) => [name, Number(type)]));
const NAME = Object.fromEntries(table('Type').map(([type, name]) => [Number(type), name]));
/** `[offset, bytes]` of the field whose description begins with `word`. */
const field = (heading) => (word) => {
  const row = table(heading).find(([, , text]) => text.replaceAll('`', '').startsWith(word));
  return [Number(row[0]), Number(row[1])];
};
const inHeader = field('Header offset');
const inRequest = field('Request offset');
const inAnswer = field('Answer offset');

const put = (b, [at, bytes], value) => {
  for (let i = 0; i < bytes; i++) b[at + i] = Number((BigInt(value) >> BigInt(8 * i)) & 255n);
};
const get = (b, [at, bytes]) => {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(b[at + i]);
  return Number(value);
};
const HEADER = 8;
const frame = (name, payload = Buffer.alloc(0), vcpu = 0) => {
  const b = Buffer.alloc(HEADER);
  put(b, inHeader('bytes'), payload.length);
  put(b, inHeader('type'), TYPE[name]);
  put(b, inHeader('vCPU'), vcpu);
  return Buffer.concat([b, payload]);
};
const json = (value) => Buffer.from(JSON.stringify(value));
const answer = (seq, value, state = 3, elements = Buffer.alloc(0)) => {
  const b = Buffer.alloc(16);
  put(b, inAnswer('sequence'), seq);
  put(b, inAnswer('state'), state);
  put(b, inAnswer('data'), value);
  return Buffer.concat([b, elements]);
};

const [fault, which = '5'] = process.argv.slice(2);
const when = Number(which);
let value = 0;
let requests = 0;
let key = '';
/** The state of a pseudo-random sequence: garbage that is the same each time. */
let chance = 12345;
const noise = (length) =>
  Buffer.from(
    Array.from({ length }, () => {
      chance = (Math.imul(chance, 1664525) + 1013904223) >>> 0;
      return chance >>> 24;
    }),
  );

if (fault === 'never-connects') setInterval(() => {}, 1000);
else if (fault === 'ends-at-once') {
  process.stderr.write('no licence today\n');
  process.exitCode = 3;
} else start();

function start() {
  const socket = connect(process.env.TRAPLINE_DEVICE_SOCKET);
  socket.on('error', () => {});
  socket.on('close', () => {
    if (fault !== 'ignores-the-end') process.exit(0);
    setInterval(() => {}, 1000);
  });
  const send = (bytes) => socket.write(bytes);
  socket.on('connect', () => {
    if (fault === 'dies-before-hello') process.exit(0);
    if (fault === 'says-nothing') return;
    if (fault === 'garbage-first') send(noise(4096));
    else if (fault === 'half-hello') send(frame('HELLO', json({})).subarray(0, 9));
    else if (fault === 'wrong-version') {
      send(frame('HELLO', json({ protocol: 'trapline-device-model', version: 2 })));
    } else send(frame('HELLO', json({ protocol: 'trapline-device-model', version: 1 })));
  });
  let held = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    held = Buffer.concat([held, bytes]);
    for (;;) {
      if (held.length < HEADER) return;
      const length = get(held, inHeader('bytes'));
      if (held.length < HEADER + length) return;
      const payload = held.subarray(HEADER, HEADER + length);
      const [type, vcpu] = [get(held, inHeader('type')), get(held, inHeader('vCPU'))];
      held = held.subarray(HEADER + length);
      serve(NAME[type], vcpu, payload, send);
    }
  });
}

function serve(name, vcpu, payload, send) {
  if (name === 'REQUEST') {
    requests++;
    const seq = get(payload, inRequest('sequence'));
    const flags = payload[38];
    const [count, size] = [get(payload, inRequest('count')), get(payload, inRequest('size'))];
    let elements = Buffer.alloc(0);
    if ((flags & 0x30) === 0x30) {
      elements = Buffer.alloc(count * size);
      for (let i = 0; i < count; i++) elements[i * size] = value + 1 + i;
      value += count;
    } else if (flags & 0x20) value++;
    const good = answer(seq, value, 3, elements);
    const broken = requests >= when ? FAULTS[fault] : undefined;
    if (broken === undefined) send(frame('ANSWER', good, vcpu));
    else broken({ send, seq, vcpu, good, elements });
    return;
  }
  if (name === 'STOP') {
    if (fault !== 'ignores-the-end') process.exit(0);
    return;
  }
  if (name === 'BUFFERED') {
    const taken = Buffer.alloc(4);
    taken.writeUInt32LE(payload.length / 8);
    send(frame('TAKEN', taken));
    return;
  }
  let result = Buffer.alloc(0);
  if (name === 'SETUP') {
    ({ key } = JSON.parse(payload).devices[0]);
    if (fault === 'refuses-setup') {
      send(frame('FAIL', Buffer.from(`I do not\u0007 know ${key}`)));
      return;
    }
  }
  if (name === 'SAVE') result = json({ devices: { [key]: { value } } });
  if (name === 'REPORT') {
    result = json({ devices: { [key]: { reads: value, writes: 0, facts: {} } } });
  }
  const bad = COMMAND_FAULTS[fault]?.[name];
  if (bad !== undefined) result = bad();
  if (result === null) return;
  const done = frame('DONE', Buffer.concat([Buffer.from([TYPE[name], 1, 0, 0]), result]));
  send(done);
  if (fault === 'done-twice' && name === 'SLEEP') send(done);
}

const COMMAND_FAULTS = {
  'hangs-at-sleep': { SLEEP: () => null, SAVE: () => null },
  'state-no-json': { SAVE: () => Buffer.from('{"devices":') },
  'state-of-another': { SAVE: () => json({ devices: { 'other@0x1-0x2': {} } }) },
  'state-too-deep': { SAVE: () => Buffer.from('['.repeat(200000)) },
  'state-bad-field': { SAVE: () => json({ devices: { [key]: { value: { deep: 1 } } } }) },
  'report-negative': { REPORT: () => json({ devices: { [key]: { reads: -1 } } }) },
};

const FAULTS = {
  'dies-in-request': () => process.exit(0),
  'is-killed': () => process.kill(process.pid, 'SIGKILL'),
  'dies-between': ({ send, good, vcpu }) => {
    send(frame('ANSWER', good, vcpu));
    setTimeout(() => process.exit(7), 1);
  },
  hangs: () => {},
  late: ({ send, good, vcpu }) => setTimeout(() => send(frame('ANSWER', good, vcpu)), 700),
  twice: ({ send, good, vcpu }) => {
    send(Buffer.concat([frame('ANSWER', good, vcpu), frame('ANSWER', good, vcpu)]));
  },
  unknown: ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq + 1000, 1), vcpu)),
  'bad-state': ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq, 1, 9), vcpu)),
  'state-too-large': ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq, 1, 200), vcpu)),
  backwards: ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq, 1, 1), vcpu)),
  'in-process-for-ever': ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq, 1, 2), vcpu)),
  none: ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq, 1, 0), vcpu)),
  'other-vcpu': ({ send, seq, vcpu }) => send(frame('ANSWER', answer(seq, 1), 1 - vcpu)),
  'vcpu-of-nobody': ({ send, seq }) => send(frame('ANSWER', answer(seq, 1), 99)),
  'too-many-elements': ({ send, seq, vcpu, elements }) => {
    send(frame('ANSWER', answer(seq, 1, 3, Buffer.concat([elements, Buffer.alloc(1)])), vcpu));
  },
  oversize: ({ send }) => {
    const b = frame('ANSWER');
    put(b, inHeader('bytes'), 0xffffffff);
    send(b);
  },
  'long-answer': ({ send }) => send(frame('ANSWER', Buffer.alloc(40000))),
  'short-answer': ({ send }) => send(frame('ANSWER', Buffer.alloc(15))),
  garbage: ({ send }) => send(noise(65536)),
  half: ({ send, good, vcpu }) => send(frame('ANSWER', good, vcpu).subarray(0, 13)),
  'half-header': ({ send }) => send(Buffer.from([16, 0, 0])),
  'second-hello': ({ send }) => {
    send(frame('HELLO', json({ protocol: 'trapline-device-model', version: 1 })));
  },
  'monitors-frame': ({ send }) => send(frame('STOP')),
  'done-of-nothing': ({ send }) => send(frame('DONE', Buffer.from([4, 1, 0, 0]))),
  'taken-of-nothing': ({ send }) => send(frame('TAKEN', Buffer.from([1, 0, 0, 0]))),
  'output-flood': ({ send }) => {
    for (let i = 0; i < 64; i++) send(frame('OUTPUT', Buffer.alloc(65536, 65)));
  },
  'line-of-nobody': ({ send }) => send(frame('LINE', Buffer.from([8, 1]))),
  'verdict-of-nobody': ({ send }) => send(frame('VERDICT', Buffer.from([4]))),
  'gives-up': ({ send }) => send(frame('FAIL', Buffer.from('out of ideas'))),
};
