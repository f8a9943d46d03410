import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinCompound, splitCompound } from "../../../src/codec/compound.ts";
import { DecodeError, EncodeError } from "../../../src/codec/errors.ts";
import { FrameSplitter, frame } from "../../../src/codec/frame.ts";
import { decodeHeader, encodeHeader } from "../../../src/codec/header.ts";
import { decodeTransform, encodeTransform, TRANSFORM_SIZE } from "../../../src/codec/transform.ts";
import { bytes, hex, vectors } from "../../support/bytes/smb-fixtures.ts";
import { rows } from "../../support/bytes/smb-rows.ts";

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function hexes(parts: readonly Uint8Array[]): string[] {
  return parts.map(hex);
}

describe("frame", () => {
  it("puts a zero byte and 24 bits of length in front", () => {
    expect(hex(frame(bytes("aabb")))).toBe("00000002aabb");
    expect(hex(frame(new Uint8Array(0)))).toBe("00000000");
    expect(hex(frame(new Uint8Array(0x012345)).subarray(0, 5))).toBe("0001234500");
  });

  it("carries no more than 24 bits of length", () => {
    expect(frame(new Uint8Array(0xff_ffff)).length).toBe(0x0100_0003);
    expect(() => frame(new Uint8Array(0x100_0000))).toThrow(EncodeError);
  });
});

describe("FrameSplitter", () => {
  // With an empty message in the middle, and one at the end: both are frames, and refused by later steps only.
  const messages = [
    bytes("01"),
    ...rows.slice(0, 4).map((row) => row.message),
    bytes(""),
    bytes("0203"),
    bytes(""),
  ];
  const stream = join(messages.map(frame));

  it("finds the same messages wherever the stream is cut in two", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const splitter = new FrameSplitter();
      const found = [...splitter.push(stream.slice(0, cut)), ...splitter.push(stream.slice(cut))];
      expect(hexes(found), `cut at ${cut}`).toEqual(hexes(messages));
      expect(splitter.buffered).toBe(0);
    }
  });

  it("finds the same messages byte by byte", () => {
    const splitter = new FrameSplitter();
    const found: Uint8Array[] = [];
    for (const byte of stream) found.push(...splitter.push(Uint8Array.of(byte)));
    expect(hexes(found)).toEqual(hexes(messages));
  });

  it("finds the same messages however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
        fc.array(fc.nat(60), { maxLength: 40 }),
        (sent, cuts) => {
          const splitter = new FrameSplitter();
          let rest = join(sent.map(frame));
          const found: Uint8Array[] = [];
          for (const cut of cuts) {
            found.push(...splitter.push(rest.slice(0, cut)));
            rest = rest.slice(cut);
          }
          found.push(...splitter.push(rest));
          expect(hexes(found)).toEqual(hexes(sent));
          expect(splitter.buffered).toBe(0);
        },
      ),
    );
  });

  it("gives nothing away for a prefix of a frame, and says what it holds", () => {
    const framed = frame(rows[0]!.message);
    for (let length = 0; length < framed.length; length++) {
      const splitter = new FrameSplitter();
      expect(splitter.push(framed.slice(0, length)), `cut at ${length}`).toEqual([]);
      expect(splitter.buffered).toBe(length);
    }
  });

  it("copies what it holds, so that no chunk outlives its call, however small the pieces", () => {
    const splitter = new FrameSplitter();
    const chunk = frame(bytes("aabbccdd")).slice(0, 6);
    splitter.push(chunk);
    chunk.fill(0);
    expect(hexes(splitter.push(bytes("ccdd")))).toEqual(["aabbccdd"]);
  });

  it("gives no Buffers, whose slice() is no copy, whatever it is fed", () => {
    const splitter = new FrameSplitter();
    const fed = Buffer.concat([frame(bytes("aabb")), frame(bytes("ccdd"))]);
    const found = [...splitter.push(fed.subarray(0, 10)), ...splitter.push(fed.subarray(10))];
    expect(found.map((message) => message.constructor)).toEqual([Uint8Array, Uint8Array]);
  });

  it("refuses a first byte other than 0: NetBIOS sessions have no place on this port", () => {
    expect(() => new FrameSplitter().push(bytes("85000000"))).toThrow(/first byte 0x85/);
  });

  it("refuses a frame over its limit before collecting it, and takes one of just that length", () => {
    const splitter = new FrameSplitter();
    expect(() => splitter.push(bytes("00010001"))).toThrow(/65537 bytes, more than 65536/);
    const raised = new FrameSplitter();
    raised.maxLength = 0x1_0001;
    expect(raised.push(frame(new Uint8Array(0x1_0001)))).toHaveLength(1);
    expect(() => raised.push(bytes("00010002"))).toThrow(DecodeError);
  });

  it("never reads on behind an error", () => {
    const splitter = new FrameSplitter();
    expect(() => splitter.push(bytes("ff000000"))).toThrow(DecodeError);
    expect(() => splitter.push(frame(bytes("aa")))).toThrow(/first byte 0xff/);
  });
});

describe("compounds", () => {
  const parts = rows.slice(0, 3).map((row) => row.message);
  const joined = joinCompound(parts);

  it("are 8-aligned and linked, and only the last has no padding", () => {
    const lengths = joined.map((part) => part.length);
    expect(lengths.slice(0, -1).every((length) => length % 8 === 0)).toBe(true);
    expect(joined.map((part) => decodeHeader(part).nextCommand)).toEqual([...lengths.slice(0, -1), 0]);
    for (const [index, part] of joined.entries()) {
      const whole = parts[index]!;
      expect(hex(part.subarray(64, whole.length))).toBe(hex(whole.subarray(64)));
      expect(part.subarray(whole.length).every((byte) => byte === 0)).toBe(true);
    }
  });

  it("do not touch the messages they are made of", () => {
    const before = hexes(parts);
    joinCompound(parts);
    expect(hexes(parts)).toEqual(before);
  });

  it("come apart as they were joined", () => {
    expect(hexes(splitCompound(join(joined)))).toEqual(hexes(joined));
    expect(hexes(splitCompound(parts[0]!))).toEqual([hex(parts[0]!)]);
  });

  it("cut anywhere are refused, or end with a message that its own decoder refuses", () => {
    const whole = join(joined);
    const lastAt = whole.length - joined[2]!.length;
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.slice(0, length);
      if (length < lastAt + 66) expect(() => splitCompound(cut), `cut at ${length}`).toThrow(DecodeError);
      else {
        const messages = splitCompound(cut);
        expect(messages).toHaveLength(3);
        expect(() => rows[2]!.decode(messages[2]!), `cut at ${length}`).toThrow(DecodeError);
      }
    }
  });

  it.each([
    [8, "inside the header"],
    [64, "right behind the header"],
    [71, "before the smallest message"],
    [76, "not 8-aligned"],
    [0xffff_fff8, "beyond the frame"],
  ])("refuse NextCommand %i: %s", (next) => {
    const frameBytes = new Uint8Array(256);
    frameBytes.set(encodeHeader({ command: 13, nextCommand: next }));
    expect(() => splitCompound(frameBytes)).toThrow(/NextCommand at 20/);
  });

  it("refuse a last message without room for a StructureSize", () => {
    const first = new Uint8Array(72);
    first.set(encodeHeader({ command: 13, nextCommand: 72 }));
    expect(() => splitCompound(join([first, new Uint8Array(65)]))).toThrow(/65 bytes are no message/);
    expect(splitCompound(join([first, new Uint8Array(66)]))).toHaveLength(2);
    expect(() => splitCompound(first)).toThrow(/0 bytes are no message/);
  });

  it("have at most 64 parts", () => {
    const echo = new Uint8Array([...encodeHeader({ command: 13 }), 4, 0, 0, 0]);
    const of = (count: number): Uint8Array => join(joinCompound(Array.from({ length: count }, () => echo)));
    expect(splitCompound(of(64))).toHaveLength(64);
    expect(() => splitCompound(of(65))).toThrow(/more than 64 messages/);
  });

  it("are not made of less than a header", () => {
    expect(() => joinCompound([new Uint8Array(63), new Uint8Array(64)])).toThrow(EncodeError);
  });
});

describe("TRANSFORM_HEADER", () => {
  const published = [
    {
      name: "3.0, CCM, request",
      hex: vectors.transform30ccm.request,
      nonce: "66e69a111892584fb5ed524a744da3ee",
      sessionId: 0x0008_e400_1400_0011n,
    },
    {
      name: "3.0, CCM, response",
      hex: vectors.transform30ccm.response,
      nonce: "86000000000000001100001400e40800",
      sessionId: 0x0008_e400_1400_0011n,
    },
    {
      name: "3.1.1, GCM, request",
      hex: vectors.transform311gcm.request,
      nonce: "c7d6822d269caf48904c664c00000000",
      sessionId: 0x0000_1000_0000_0025n,
    },
    {
      name: "3.1.1, GCM, response",
      hex: vectors.transform311gcm.response,
      nonce: "e06831dd2e8eb7b40000000000000000",
      sessionId: 0x0000_1000_0000_0025n,
    },
  ];

  describe.each(published)("$name (Microsoft blogs 2012-10-05 and 2015-09-09)", (row) => {
    const message = bytes(row.hex);

    it("is read and written the same", () => {
      const transform = decodeTransform(message);
      expect({ ...transform, nonce: hex(transform.nonce) }).toEqual({
        signature: message.slice(4, 20),
        nonce: row.nonce,
        originalMessageSize: message.length - TRANSFORM_SIZE,
        sessionId: row.sessionId,
        aad: message.slice(20, 52),
        ciphertext: message.slice(52),
      });
      expect(hex(encodeTransform(transform))).toBe(row.hex.slice(0, 2 * TRANSFORM_SIZE));
    });

    it("cut anywhere is refused", () => {
      for (let length = 0; length < message.length; length++) {
        expect(() => decodeTransform(message.slice(0, length)), `cut at ${length}`).toThrow(DecodeError);
      }
    });

    it("with bytes behind it is refused", () => {
      expect(() => decodeTransform(join([message, bytes("00")]))).toThrow(/OriginalMessageSize at 36/);
    });
  });

  it.each([
    [0, "fe", /ProtocolId at 0/],
    [0, "fc", /ProtocolId at 0: 0x424d53fc/],
    [42, "00", /Flags at 42/],
    [42, "02", /Flags at 42/],
    [43, "01", /Flags at 42/],
    [36, "00", /OriginalMessageSize at 36/],
    [39, "80", /OriginalMessageSize at 36/],
  ])("refuses byte %i = %s", (at, value, problem) => {
    const message = bytes(vectors.transform311gcm.response);
    message.set(bytes(value), at);
    expect(() => decodeTransform(message)).toThrow(problem);
  });

  it("refuses to have nothing in it", () => {
    const empty = encodeTransform({ nonce: new Uint8Array(12), originalMessageSize: 0, sessionId: 1n });
    expect(() => decodeTransform(empty)).toThrow(DecodeError);
  });

  it("pads a nonce, and refuses one that does not fit instead of cutting it", () => {
    const fields = { originalMessageSize: 1, sessionId: 1n };
    expect(hex(encodeTransform({ ...fields, nonce: bytes("ff".repeat(11)) }).subarray(20, 36))).toBe(
      `${"ff".repeat(11)}0000000000`,
    );
    expect(() => encodeTransform({ ...fields, nonce: new Uint8Array(17) })).toThrow(EncodeError);
  });
});
