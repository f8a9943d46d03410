import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, EncodeError } from "../../../src/codec/errors.ts";
import {
  DirectoryClass,
  type DirectoryInformation,
  decodeDirectoryInformation,
  encodeDirectoryInformation,
} from "../../../src/codec/msg/directory-information.ts";
import {
  BASIC_BYTES,
  decodeFileAllInformation,
  decodeFileBasicInformation,
  decodeFileInternalInformation,
  decodeFileNetworkOpenInformation,
  decodeFileStandardInformation,
  encodeFileAllInformation,
  encodeFileBasicInformation,
  encodeFileInternalInformation,
  encodeFileNetworkOpenInformation,
  encodeFileStandardInformation,
  INTERNAL_BYTES,
  NETWORK_OPEN_BYTES,
  STANDARD_BYTES,
} from "../../../src/codec/msg/file-information.ts";
import { bytes, capture, hex } from "../../support/bytes/smb-fixtures.ts";

function utf16(text: string): string {
  return Buffer.from(text, "utf16le").toString("hex");
}

/** The 68 bytes that all classes share, written from MS-FSCC: eight times the field's own digit where it is free. */
function prefix(next: string, nameLength: string): string {
  return (
    next + // NextEntryOffset
    "ffffffff" + // FileIndex
    "1111111111111111" + // CreationTime
    "2222222222222222" + // LastAccessTime
    "3333333333333333" + // LastWriteTime
    "4444444444444444" + // ChangeTime
    "0500000000000000" + // EndOfFile
    "0010000000000000" + // AllocationSize
    "20000000" + // FileAttributes
    nameLength + // FileNameLength
    "07000000" // EaSize
  );
}

const fields = {
  creationTime: 0x1111_1111_1111_1111n,
  lastAccessTime: 0x2222_2222_2222_2222n,
  lastWriteTime: 0x3333_3333_3333_3333n,
  changeTime: 0x4444_4444_4444_4444n,
  endOfFile: 5n,
  allocationSize: 4_096n,
  fileAttributes: 0x20,
  eaSize: 7,
  shortName: "",
};

const shapes = [
  {
    name: "FileIdBothDirectoryInformation (MS-FSCC 2.4.17)",
    informationClass: DirectoryClass.ID_BOTH,
    // ShortNameLength, Reserved1, ShortName[24], Reserved2, FileId
    middle: `0a00${utf16("NE~1A")}${"00".repeat(14)}ffff8877665544332211`,
    shortName: "NE~1A",
    fixed: 104,
  },
  {
    name: "FileIdFullDirectoryInformation (MS-FSCC 2.4.18)",
    informationClass: DirectoryClass.ID_FULL,
    // Reserved, FileId
    middle: "ffffffff8877665544332211",
    shortName: "",
    fixed: 80,
  },
  {
    name: "FileIdExtdDirectoryInformation (MS-FSCC 2.4.19)",
    informationClass: DirectoryClass.ID_EXTD,
    // ReparsePointTag, FileId[16]
    middle: "0c0000a08877665544332211ffffffffffffffff",
    shortName: "",
    fixed: 88,
  },
] as const;

describe.each(shapes)("$name", ({ informationClass, middle, shortName, fixed }) => {
  const name = "née.txt";
  /** Two entries, the second with four bytes behind its name. */
  const length = fixed + name.length * 2;
  const padded = Math.ceil(length / 8) * 8;
  const one = prefix(u32(padded), u32(14)) + middle + utf16(name) + "ee".repeat(padded - length);
  const two = prefix(u32(0), u32(2)) + middle + utf16("b");
  const buffer = bytes(`${one}${two}eeeeeeee`);
  const entries: DirectoryInformation[] = [
    { ...fields, shortName, fileId: 0x1122_3344_5566_7788n, fileName: name },
    { ...fields, shortName, fileId: 0x1122_3344_5566_7788n, fileName: "b" },
  ];
  const decode = (input: Uint8Array): DirectoryInformation[] =>
    decodeDirectoryInformation(input, informationClass);

  it("has every field in its place", () => {
    expect(decode(buffer)).toEqual(entries);
  });

  it("cut anywhere is refused", () => {
    for (let at = 1; at < buffer.length - 4; at++) {
      expect(() => decode(buffer.slice(0, at)), `cut at ${at}`).toThrow(DecodeError);
    }
    expect(decode(buffer.slice(0, -4))).toEqual(entries);
    expect(decode(new Uint8Array(0))).toEqual([]);
  });

  it.each([
    ["into its own fixed part", fixed - 8],
    ["into its own name", fixed],
    ["to the last byte but", length - 1],
    ["to itself", 1],
    ["to the end", 0],
    ["far beyond", 0xffff_fff8],
  ])("with a chain that leads %s is refused", (where, next) => {
    const broken = buffer.slice();
    new DataView(broken.buffer).setUint32(0, where === "to the end" ? buffer.length : next, true);
    expect(() => decode(broken)).toThrow(/NextEntryOffset at 0/);
  });

  it("cannot be made to read a long name again and again", () => {
    // Entries every 72 bytes, each with a name up to the end: 1 MiB would become gigabytes.
    const bomb = new Uint8Array(1 << 20);
    const view = new DataView(bomb.buffer);
    for (let at = 0; at + 200 < bomb.length; at += 72) {
      view.setUint32(at, 72, true);
      view.setUint32(at + 60, 60_000, true);
    }
    expect(() => decode(bomb)).toThrow(DecodeError);
  });

  it("comes back as it went", () => {
    const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
    const entry = fc.record({
      creationTime: u64,
      lastAccessTime: u64,
      lastWriteTime: u64,
      changeTime: u64,
      endOfFile: u64,
      allocationSize: u64,
      fileAttributes: fc.nat(0xffff_ffff),
      eaSize: fc.nat(0xffff_ffff),
      shortName: shortName === "" ? fc.constant("") : fc.string({ unit: "binary-ascii", maxLength: 12 }),
      fileId: u64,
      fileName: fc.string({ unit: "binary", maxLength: 20 }),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 6 }), (list) => {
        expect(decode(encodeDirectoryInformation(list, informationClass))).toEqual(list);
      }),
    );
  });
});

function u32(value: number): string {
  return Buffer.from(Uint32Array.of(value).buffer).toString("hex");
}

describe("a listing of Samba 4.17", () => {
  const listing = bytes(capture.messages.queryDirectoryResponse).slice(72);
  const time = 0x01dd_7aa1_d829_cc02n;
  const directory = { endOfFile: 0n, allocationSize: 0n, fileAttributes: 0x10, eaSize: 0, shortName: "" };
  const file = { allocationSize: 4_096n, fileAttributes: 0x80, eaSize: 0, shortName: "" };
  const times = { creationTime: time, lastAccessTime: time, lastWriteTime: time, changeTime: time };
  const parent = 0x01dd_7aa1_d818_18c2n;
  const entries: DirectoryInformation[] = [
    { ...times, ...directory, fileId: 0x57afn, fileName: "." },
    { ...times, ...directory, creationTime: parent, lastAccessTime: parent, fileId: 0x5789n, fileName: ".." },
    { ...times, ...file, endOfFile: 1_000n, fileId: 0x57b1n, fileName: "a long name.bin" },
    { ...times, ...file, endOfFile: 5n, fileId: 0x57b0n, fileName: "née.txt" },
  ];

  it("is read", () => {
    expect(decodeDirectoryInformation(listing, DirectoryClass.ID_BOTH)).toEqual(entries);
  });

  it("is written the same but for FileIndex, which we leave 0", () => {
    const masked = listing.slice();
    for (let at = 0; ; ) {
      const view = new DataView(masked.buffer, at);
      view.setUint32(4, 0, true);
      const next = view.getUint32(0, true);
      if (next === 0) break;
      at += next;
    }
    expect(hex(encodeDirectoryInformation(entries, DirectoryClass.ID_BOTH))).toBe(hex(masked));
  });
});

describe("directory entries", () => {
  const entry = { ...fields, fileId: 1n, fileName: "a", shortName: "ABCDEFGH.TXTX" };

  it("have no 8.3 name of more than 12 units", () => {
    expect(() => encodeDirectoryInformation([entry], DirectoryClass.ID_BOTH)).toThrow(EncodeError);
    const buffer = encodeDirectoryInformation([{ ...entry, shortName: "A" }], DirectoryClass.ID_BOTH);
    buffer[68] = 26;
    expect(() => decodeDirectoryInformation(buffer, DirectoryClass.ID_BOTH)).toThrow(/ShortNameLength/);
    buffer[68] = 3;
    expect(() => decodeDirectoryInformation(buffer, DirectoryClass.ID_BOTH)).toThrow(/whole UTF-16 units/);
  });
});

describe("FileAllInformation", () => {
  const buffer = bytes(capture.messages.queryInfoResponse).slice(72);
  const identity = { indexNumber: 0x57b0n, fileName: "\\photos\\née.txt" };

  it("tells which file it is, and its name from the root of the share", () => {
    expect(decodeFileAllInformation(buffer)).toEqual(identity);
    expect(decodeFileAllInformation(encodeFileAllInformation(identity))).toEqual(identity);
  });

  it("cut short is no answer", () => {
    for (let length = 0; length < 100 + 2 * identity.fileName.length; length++) {
      expect(() => decodeFileAllInformation(buffer.slice(0, length))).toThrow(DecodeError);
    }
  });
});

describe("file information", () => {
  // FileAllInformation of Samba 4.17 opens with Basic, Standard and Internal information.
  const all = bytes(capture.messages.queryInfoResponse).slice(72);
  const time = 0x01dd_7aa1_d829_cc02n;
  const basic = {
    creationTime: time,
    lastAccessTime: time,
    lastWriteTime: time,
    changeTime: time,
    fileAttributes: 0x80,
  };
  const standard = {
    allocationSize: 4_096n,
    endOfFile: 5n,
    numberOfLinks: 1,
    deletePending: false,
    directory: false,
  };

  const table = [
    {
      name: "Basic",
      buffer: all.slice(0, 40),
      size: BASIC_BYTES,
      value: basic as unknown,
      decode: decodeFileBasicInformation,
      encoded: encodeFileBasicInformation(basic),
    },
    {
      name: "Standard",
      buffer: all.slice(40, 64),
      size: STANDARD_BYTES,
      value: standard,
      decode: decodeFileStandardInformation,
      encoded: encodeFileStandardInformation(standard),
    },
    {
      name: "Internal",
      buffer: all.slice(64, 72),
      size: INTERNAL_BYTES,
      value: 0x57b0n,
      decode: decodeFileInternalInformation,
      encoded: encodeFileInternalInformation(0x57b0n),
    },
    {
      name: "NetworkOpen (made by hand from MS-FSCC 2.4.29)",
      buffer: bytes(
        "1111111111111111222222222222222233333333333333334444444444444444" +
          "0010000000000000" +
          "0500000000000000" +
          "20000000" +
          "00000000",
      ),
      size: NETWORK_OPEN_BYTES,
      value: {
        creationTime: fields.creationTime,
        lastAccessTime: fields.lastAccessTime,
        lastWriteTime: fields.lastWriteTime,
        changeTime: fields.changeTime,
        allocationSize: 4_096n,
        endOfFile: 5n,
        fileAttributes: 0x20,
      },
      decode: decodeFileNetworkOpenInformation,
      encoded: encodeFileNetworkOpenInformation(fields),
    },
  ];

  it.each(table)(
    "$name has every field in its place, both ways",
    ({ buffer, size, value, decode, encoded }) => {
      expect(buffer.length).toBe(size);
      expect(decode(buffer)).toEqual(value);
      expect(hex(encoded)).toBe(hex(buffer));
    },
  );

  it.each(table)("$name cut anywhere is refused", ({ buffer, value, decode }) => {
    for (let length = 0; length < buffer.length; length++) {
      const prefix = buffer.slice(0, length);
      let read: unknown;
      try {
        read = decode(prefix);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
        continue;
      }
      // What ends in reserved bytes is whole without them.
      expect(read, `cut at ${length}`).toEqual(value);
      expect(buffer.slice(length).every((byte) => byte === 0)).toBe(true);
    }
  });

  it("says of a removed directory that is still open what it must", () => {
    const buffer = bytes("00000000000000000000000000000000" + "00000000" + "0101" + "0000");
    expect(decodeFileStandardInformation(buffer)).toEqual({
      allocationSize: 0n,
      endOfFile: 0n,
      numberOfLinks: 0,
      deletePending: true,
      directory: true,
    });
  });
});
