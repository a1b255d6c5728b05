// SPDX-License-Identifier: GPL-2.0-only
// Frames and messages: what goes out comes back, however the stream is cut, and no bytes do anything but be refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readHello,
  readReport,
  readSetUp,
  readState,
} from '../../../../src/dm/process/documents.ts';
import {
  ANSWER_BYTES,
  encodeFrame,
  FROM_MODEL,
  FROM_MONITOR,
  type Frame,
  FrameReader,
  HEADER_BYTES,
  jsonBytes,
  ProtocolError,
} from '../../../../src/dm/process/frames.ts';
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
} from '../../../../src/dm/process/messages.ts';
import { type ioreq_t, newIoreq } from '../../../../src/xen/public/hvm_ioreq.ts';
import { tablesOf } from './tables.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });

/** Everything a reader hands over, payloads copied. */
function read(reader: FrameReader, pieces: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  for (const piece of pieces) {
    reader.feed(piece, (f) => frames.push({ ...f, payload: Buffer.from(f.payload) }));
  }
  return frames;
}

/** A stream in pieces of the given lengths, over and over. */
function cut(stream: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, n = 0; at < stream.length; n++) {
    const length = lengths[n % lengths.length] as number;
    pieces.push(stream.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

const anyFrame = fc.constantFrom(...FROM_MODEL.entries()).chain(([type, [least, most]]) =>
  fc.record({
    type: fc.constant(type),
    vcpu: fc.integer({ min: 0, max: 0xffff }),
    payload: fc
      .uint8Array({ minLength: least, maxLength: Math.min(most, least + 40) })
      .map((bytes) => Buffer.from(bytes)),
  }),
);

describe('frames', () => {
  it('come out as they went in, wherever the stream is cut', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), lengths, (frames, cuts) => {
        const stream = Buffer.concat(frames.map((f) => encodeFrame(f.type, f.vcpu, f.payload)));
        const reader = new FrameReader(FROM_MODEL);
        expect(read(reader, cut(stream, cuts))).toEqual(frames);
        expect(reader.midway).toBe(false);
      }),
    );
  });

  it('no bytes lead to anything but frames within their bounds or a ProtocolError', () => {
    const streams = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 });
    let refused = 0;
    fc.assert(
      fc.property(streams, (pieces) => {
        try {
          const frames = read(
            new FrameReader(FROM_MODEL),
            pieces.map((p) => Buffer.from(p)),
          );
          for (const { type, payload } of frames) {
            const [least, most] = FROM_MODEL.get(type) ?? [0, -1];
            expect(payload.length).toBeGreaterThanOrEqual(least);
            expect(payload.length).toBeLessThanOrEqual(most);
          }
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          refused++;
        }
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(300);
  });

  it('a length that cannot be is refused by its header alone, before anything is held', () => {
    for (const [type, [least, most]] of FROM_MODEL) {
      const header = encodeFrame(type, 0);
      for (const length of [least - 1, most + 1, 0xffffffff]) {
        if (length < 0) continue;
        header.writeUInt32LE(length, 0);
        const reader = new FrameReader(FROM_MODEL);
        expect(() => read(reader, [header])).toThrow(ProtocolError);
      }
    }
  });

  it('what only the monitor sends is no frame from a device model, and the other way round', () => {
    for (const type of FROM_MONITOR.keys()) {
      expect(() => read(new FrameReader(FROM_MODEL), [encodeFrame(type, 0)])).toThrow(/is none/);
    }
    for (const type of FROM_MODEL.keys()) {
      expect(() => read(new FrameReader(FROM_MONITOR), [encodeFrame(type, 0)])).toThrow(/is none/);
    }
  });
});

describe('messages', () => {
  const request: fc.Arbitrary<ioreq_t> = fc.record({
    addr: fc.integer({ min: 0, max: 2 ** 52 - 1 }),
    data: u32,
    data_hi: u32,
    count: u32,
    size: u32,
    vp_eport: u32,
    state: fc.integer({ min: 0, max: 15 }),
    data_is_ptr: fc.boolean(),
    dir: fc.constantFrom(0 as const, 1 as const),
    df: fc.boolean(),
    type: fc.integer({ min: 0, max: 255 }),
  });

  it('a request comes back field by field', () => {
    fc.assert(
      fc.property(request, u32, fc.uint8Array({ maxLength: 64 }), (req, seq, elements) => {
        const [frame] = read(new FrameReader(FROM_MONITOR), [
          encodeRequest(3, seq, req, elements),
        ]) as [Frame];
        const back = newIoreq();
        expect(decodeRequest(frame.payload, back)).toBe(seq);
        expect(back).toEqual(req);
        expect(frame.vcpu).toBe(3);
        expect([...frame.payload.subarray(40)]).toEqual([...elements]);
      }),
    );
  });

  it('an answer comes back field by field', () => {
    const answers = fc.record({
      seq: u32,
      state: fc.integer({ min: 0, max: 255 }),
      data: u32,
      data_hi: u32,
      elements: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(
      fc.property(answers, (answer) => {
        const [frame] = read(new FrameReader(FROM_MODEL), [encodeAnswer(9, answer)]) as [Frame];
        const back = decodeAnswer(frame.payload);
        expect({ ...back, elements: [...back.elements] }).toEqual({
          ...answer,
          elements: [...answer.elements],
        });
      }),
    );
  });
});

describe('documents', () => {
  const KEYS = ['counter@0x200-0x207'];

  it('no JSON value but the right one is taken, and nothing else is thrown', () => {
    const readers = [
      readHello,
      readSetUp,
      (b: Buffer) => readState(b, KEYS),
      (b: Buffer) => readReport(b, KEYS),
    ];
    const bytes = fc.oneof(
      fc.jsonValue().map(jsonBytes),
      fc.uint8Array().map((b) => Buffer.from(b)),
      fc.jsonValue().map((value) => jsonBytes({ devices: { [KEYS[0] as string]: value } })),
    );
    fc.assert(
      fc.property(fc.constantFrom(...readers), bytes, (reader, document) => {
        try {
          reader(document);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a state is taken as it is, and refused for another device or a field of no type', () => {
    const state = { devices: { 'counter@0x200-0x207': { a: 1, b: 'x', c: true, d: [1, 2] } } };
    expect(readState(jsonBytes(state), KEYS)).toEqual(state);
    for (const wrong of [{}, { devices: {} }, { devices: { ...state.devices, more: {} } }]) {
      expect(() => readState(jsonBytes(wrong), KEYS)).toThrow(/is not of counter/);
    }
    for (const field of [null, 1.5, 2 ** 60, [1.5], ['x'], {}]) {
      const bad = { devices: { 'counter@0x200-0x207': { bad: field } } };
      expect(() => readState(jsonBytes(bad), KEYS)).toThrow(/field 'bad'/);
    }
  });
});

describe('docs/device-model-protocol.md', () => {
  const tables = tablesOf('docs/device-model-protocol.md');

  it('names every frame with its type, direction and sizes', () => {
    const rows = tables.get('Type') ?? [];
    const sizes = (type: number): readonly [number, number] | undefined =>
      FROM_MONITOR.get(type) ?? FROM_MODEL.get(type);
    expect(rows).toHaveLength(FROM_MONITOR.size + FROM_MODEL.size);
    for (const [type = '', name, by, bytes] of rows) {
      const [least, most] = sizes(Number(type)) ?? [];
      expect(bytes, name).toBe(least === most ? `${least}` : `${least} to ${most}`);
      expect(FROM_MONITOR.has(Number(type)), name).toBe(by === 'monitor');
    }
  });

  it('gives a header of the size that is sent, and fields that follow one another', () => {
    const bytesOf = (heading: string): number => {
      let at = 0;
      for (const [offset, bytes] of tables.get(heading) ?? []) {
        expect(Number(offset), heading).toBe(at);
        at += bytes === 'any' ? 0 : Number(bytes);
      }
      return at;
    };
    expect(bytesOf('Header offset')).toBe(HEADER_BYTES);
    expect(bytesOf('Request offset')).toBe(40);
    expect(bytesOf('Answer offset')).toBe(ANSWER_BYTES);
  });
});
