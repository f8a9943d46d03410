import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, EncodeError } from "../../../src/codec/errors.ts";
import { decodeUtf16, Reader } from "../../../src/codec/reader.ts";
import { encodeUtf16, Writer } from "../../../src/codec/writer.ts";
import { bytes, hex } from "../../support/bytes/smb-fixtures.ts";

const BYTES = bytes("000102030405060708090a0b0c0d0e0f");

describe("Reader", () => {
  it("reads little-endian, one field after the other", () => {
    const reader = new Reader(BYTES, 1);
    expect(reader.u8("a")).toBe(0x01);
    expect(reader.u16("b")).toBe(0x0302);
    expect(reader.u32("c")).toBe(0x0706_0504);
    expect(reader.u64("d")).toBe(0x0f0e_0d0c_0b0a_0908n);
    expect(reader.position).toBe(16);
    expect(reader.remaining).toBe(0);
  });

  it("reads inside a larger buffer, and not around it", () => {
    const reader = new Reader(BYTES.subarray(4, 8));
    expect(reader.u16("a")).toBe(0x0504);
    expect(() => reader.u32("b")).toThrow(/b at 2: 4 bytes wanted, 2 there/);
  });

  it("names field and position in what it throws", () => {
    const error = caught(() => new Reader(BYTES, 13).u32("FileNameLength"));
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({
      field: "FileNameLength",
      position: 13,
      code: "SMB_MALFORMED",
      conclusion: "malformed",
      message: "FileNameLength at 13: 4 bytes wanted, 3 there",
    });
  });

  it("begun behind the end has nothing to read", () => {
    expect(() => new Reader(BYTES, 64).u16("a")).toThrow(/a at 64: 2 bytes wanted, 0 there/);
    expect(() => new Reader(BYTES, 64).bytes(0, "a")).toThrow(DecodeError);
  });

  it("gives views and copies", () => {
    const source = BYTES.slice();
    const view = new Reader(source).bytes(2, "a");
    const copy = new Reader(source).copy(2, "a");
    source.fill(0xff);
    expect(hex(view)).toBe("ffff");
    expect(hex(copy)).toBe("0001");
  });

  it("gives copies of Buffers too, whose own slice() gives none", () => {
    const source = Buffer.from(BYTES);
    const reader = new Reader(source);
    const copies = [reader.copy(2, "a"), reader.block(0, 2, 0, "b").slice()];
    source.fill(0xff);
    expect(copies.map(hex)).toEqual(["0001", "0001"]);
    expect(reader.bytes(1, "c").constructor).toBe(Uint8Array);
  });

  it("seeks inside the bytes only", () => {
    const reader = new Reader(BYTES);
    reader.seek(16, "a");
    expect(reader.remaining).toBe(0);
    expect(() => reader.seek(17, "a")).toThrow(/offset 17 is outside 16 bytes/);
    expect(() => reader.seek(-1, "a")).toThrow(DecodeError);
  });

  it("finds a variable part behind the fixed one, and inside the message", () => {
    const reader = new Reader(BYTES);
    expect(hex(reader.block(8, 8, 8, "a"))).toBe("08090a0b0c0d0e0f");
    expect(() => reader.block(7, 1, 8, "a")).toThrow(/fixed part/);
    expect(() => reader.block(8, 9, 8, "a")).toThrow(/beyond the message of 16/);
    expect(() => reader.block(0xffff_ffff, 0xffff_ffff, 8, "a")).toThrow(DecodeError);
    expect(reader.block(0xffff, 0, 8, "a")).toHaveLength(0);
    expect(reader.block(0, 0, 8, "a")).toHaveLength(0);
  });

  it("reads no string longer than any name can be", () => {
    expect(new Reader(new Uint8Array(65_534)).utf16(65_534, "a")).toHaveLength(32_767);
    expect(() => new Reader(new Uint8Array(65_536)).utf16(65_536, "a")).toThrow(/more than 65534/);
  });
});

describe("UTF-16", () => {
  it.each([
    ["née", "6e00e9006500"],
    ["\ud83d\udcf7", "3dd8f7dc"],
    ["\ud800", "00d8"],
    ["\udc00a\ud83d", "00dc61003dd8"],
    ["", ""],
  ])("of %j is %s", (text, encoded) => {
    expect(hex(encodeUtf16(text))).toBe(encoded);
    expect(decodeUtf16(bytes(encoded), "a")).toBe(text);
  });

  it("keeps any units, lone surrogates too, beyond the size of a chunk", () => {
    fc.assert(
      fc.property(fc.uint16Array({ maxLength: 5_000, size: "max" }), (units) => {
        const encoded = new Uint8Array(units.buffer, units.byteOffset, units.byteLength);
        const text = decodeUtf16(encoded, "a");
        expect(text).toHaveLength(units.length);
        expect(hex(encodeUtf16(text))).toBe(hex(encoded));
      }),
      { numRuns: 50 },
    );
  });

  it("has whole units", () => {
    expect(() => decodeUtf16(bytes("610062"), "FileName", 7)).toThrow(
      "FileName at 7: 3 bytes are not whole UTF-16 units",
    );
  });
});

describe("Writer", () => {
  it("grows whatever is written, from any size", () => {
    // One of each write meets the end of the buffer in turn.
    for (let capacity = 0; capacity < 64; capacity++) {
      const writer = new Writer(capacity)
        .u8(1)
        .u16(0x0302)
        .u32(0x0706_0504)
        .u64(0x0f0e_0d0c_0b0a_0908n)
        .bytes(bytes("101112"))
        .fixed(bytes("1314"), 2, "a")
        .utf16("ab")
        .zeros(3)
        .align(8)
        .bytes(new Uint8Array(40).fill(0xee));
      expect(hex(writer.finish()), `capacity ${capacity}`).toBe(
        `0102030405060708090a0b0c0d0e0f101112131461006200${"00".repeat(8)}${"ee".repeat(40)}`,
      );
    }
  });

  it("aligns from where the message began", () => {
    expect(new Writer().u8(1).align(8, 64).length).toBe(8);
    expect(new Writer().u8(1).align(8, 60).length).toBe(4);
    expect(new Writer().align(8, 64).length).toBe(0);
  });

  it("fills lengths in afterwards", () => {
    const writer = new Writer().u32(0).u16(0);
    writer.setU32(0, 0xdead_beef);
    writer.setU16(4, 0x1234);
    expect(hex(writer.finish())).toBe("efbeadde3412");
  });

  it.each([
    ["u8", (w: Writer) => w.u8(0x100)],
    ["u16", (w: Writer) => w.u16(-1)],
    ["u32", (w: Writer) => w.u32(0x1_0000_0000)],
    ["u32 of a fraction", (w: Writer) => w.u32(0.5)],
    ["u32 of no number", (w: Writer) => w.u32(Number.NaN)],
    ["u64", (w: Writer) => w.u64(1n << 64n)],
    ["u64 below 0", (w: Writer) => w.u64(-1n)],
    ["setU16", (w: Writer) => w.u16(0).setU16(0, 0x1_0000)],
    ["setU32", (w: Writer) => w.u32(0).setU32(0, -1)],
    ["fixed", (w: Writer) => w.fixed(new Uint8Array(15), 16, "FileId")],
    ["zeros", (w: Writer) => w.zeros(-1)],
  ])("refuses what does not fit: %s", (_, write) => {
    const error = caught(() => write(new Writer()));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error).toMatchObject({ code: "SMB_UNENCODABLE", conclusion: "misuse" });
  });
});

function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
