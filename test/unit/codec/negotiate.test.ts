import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/codec/errors.ts";
import { decodeNegotiateRequest, decodeNegotiateResponse } from "../../../src/codec/msg/negotiate.ts";
import { bytes, capture, vectors } from "../../support/bytes/smb-fixtures.ts";
import { samples } from "../../support/bytes/smb-rows.ts";

/** A copy with some 16- or 32-bit fields changed; offsets count from the header. */
function changed(
  message: Uint8Array,
  ...changes: readonly (readonly [at: number, value: number, bits: 16 | 32])[]
): Uint8Array {
  const copy = message.slice();
  const view = new DataView(copy.buffer);
  for (const [at, value, bits] of changes) {
    if (bits === 16) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return copy;
}

const request = bytes(vectors.smb311.negotiateRequest);
const response = bytes(vectors.smb311.negotiateResponse);
/** NegotiateContextOffset and Count of the request (28 and 32), and of the response (60 and 6). */
const REQUEST_OFFSET = 64 + 28;
const REQUEST_COUNT = 64 + 32;
const RESPONSE_OFFSET = 64 + 60;
const RESPONSE_COUNT = 64 + 6;

describe("negotiate contexts", () => {
  it.each([
    ["into the header", 0],
    ["into the fixed part", 120],
    ["between multiples of 8", 449],
    ["to its own middle", 452],
    ["beyond the message", 4_096],
    ["far beyond the message", 0xffff_fff8],
  ])("of a response that are said to stand %s are refused", (_, offset) => {
    expect(() => decodeNegotiateResponse(changed(response, [RESPONSE_OFFSET, offset, 32]))).toThrow(
      DecodeError,
    );
  });

  it.each([0, 104, 8, 113, 4_096])("of a request that are said to stand at %i are refused", (offset) => {
    expect(() => decodeNegotiateRequest(changed(request, [REQUEST_OFFSET, offset, 32]))).toThrow(DecodeError);
  });

  it("are as many as are counted, and 64 at most", () => {
    expect(decodeNegotiateResponse(changed(response, [RESPONSE_COUNT, 1, 16])).contexts).toHaveLength(1);
    expect(() => decodeNegotiateResponse(changed(response, [RESPONSE_COUNT, 3, 16]))).toThrow(DecodeError);
    expect(() => decodeNegotiateRequest(changed(request, [REQUEST_COUNT, 3, 16]))).toThrow(DecodeError);
    // 65 empty contexts that would all be there.
    const many = new Uint8Array(response.length + 65 * 8);
    many.set(response);
    const end = Math.ceil(response.length / 8) * 8;
    const at = (count: number): Uint8Array =>
      changed(many, [RESPONSE_OFFSET, end, 32], [RESPONSE_COUNT, count, 16]);
    expect(decodeNegotiateResponse(at(64)).contexts).toHaveLength(64);
    expect(() => decodeNegotiateResponse(at(65))).toThrow(/NegotiateContextCount/);
  });

  it("none means that the offset means nothing", () => {
    const none = changed(response, [RESPONSE_COUNT, 0, 16], [RESPONSE_OFFSET, 3, 32]);
    expect(decodeNegotiateResponse(none).contexts).toEqual([]);
  });

  it("stand in 3.1.1 only: in other dialects those bytes are reserved", () => {
    const older = bytes(capture.messages.negotiateResponse);
    const noisy = changed(older, [RESPONSE_COUNT, 0xffff, 16], [RESPONSE_OFFSET, 0xffff_ffff, 32]);
    expect(decodeNegotiateResponse(noisy)).toEqual(decodeNegotiateResponse(older));
    // ClientStartTime.
    const asked = bytes(capture.messages.negotiateRequest);
    const started = changed(asked, [REQUEST_OFFSET, 0xffff_ffff, 32], [REQUEST_COUNT, 0xffff, 16]);
    expect(decodeNegotiateRequest(started)).toEqual(decodeNegotiateRequest(asked));
  });

  it.each([
    ["more hashes than bytes", 0, 0xff],
    ["more salt than bytes", 2, 0xff],
    ["more data than bytes", -6, 0xff],
  ])("with %s are refused", (_, at, value) => {
    const view = new DataView(response.buffer);
    const data = view.getUint32(RESPONSE_OFFSET, true) + 8;
    // Counted from the data of the first context, the one of the pre-authentication hash.
    expect(() => decodeNegotiateResponse(changed(response, [data + at, value, 16]))).toThrow(DecodeError);
  });

  it("of ciphers and signing algorithms hold as many as they say", () => {
    const sample = samples.find(({ name }) => name === "NEGOTIATE request with every context")!;
    const signing =
      new DataView(sample.message.buffer, sample.message.byteOffset).getUint32(REQUEST_OFFSET, true) + 8;
    for (const count of [4, 0xffff]) {
      expect(() => sample.decode(changed(sample.message, [signing, count, 16]))).toThrow(/SigningAlgorithms/);
    }
  });
});

describe("variable parts", () => {
  /** Where the offset of each stands, and where its fixed part ends. */
  const places: readonly (readonly [name: string, at: number, bits: 16 | 32, floor: number])[] = [
    ["NEGOTIATE response", 56, 16, 64],
    ["SESSION_SETUP request", 12, 16, 24],
    ["SESSION_SETUP response", 4, 16, 8],
    ["TREE_CONNECT request", 4, 16, 8],
    ["CREATE request", 44, 16, 56],
    ["IOCTL request", 24, 32, 56],
    ["IOCTL response", 32, 32, 48],
    ["QUERY_DIRECTORY request", 24, 16, 32],
    ["QUERY_DIRECTORY response", 2, 16, 8],
    ["CHANGE_NOTIFY response", 2, 16, 8],
    ["QUERY_INFO response", 2, 16, 8],
  ];

  it.each(places)("of %s stand behind its fixed part, and inside the message", (name, at, bits, floor) => {
    const { message, decode, value } = samples.find((sample) => sample.name === name)!;
    expect(decode(changed(message, [64 + at, 64 + floor, bits]))).toEqual(value);
    for (const offset of [0, 1, 64, 64 + floor - 1]) {
      expect(() => decode(changed(message, [64 + at, offset, bits])), `${offset}`).toThrow(/fixed part/);
    }
    for (const offset of [message.length, 0xffff, ...(bits === 32 ? [0xffff_ffff] : [])]) {
      expect(() => decode(changed(message, [64 + at, offset, bits])), `${offset}`).toThrow(
        /beyond the message/,
      );
    }
  });
});
