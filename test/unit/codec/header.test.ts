import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, EncodeError } from "../../../src/codec/errors.ts";
import { filetimeToUnixMs, unixMsToFiletime } from "../../../src/codec/filetime.ts";
import {
  Command,
  commandName,
  decodeHeader,
  encodeHeader,
  HEADER_SIZE,
  HeaderFlags,
} from "../../../src/codec/header.ts";
import { isError, NtStatus, statusName } from "../../../src/codec/status.ts";
import { bytes, hex, notifyVectors } from "../../support/bytes/smb-fixtures.ts";

const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });

describe("the header", () => {
  it("has every field in its place", () => {
    const header = encodeHeader({
      creditCharge: 0x0201,
      status: 0xc000_0022,
      command: 15,
      credits: 0x0403,
      flags: HeaderFlags.SIGNED | HeaderFlags.DFS,
      nextCommand: 0x0807_0605,
      messageId: 0x100f_0e0d_0c0b_0a09n,
      treeId: 0x1413_1211,
      sessionId: 0x1c1b_1a19_1817_1615n,
      signature: bytes("202122232425262728292a2b2c2d2e2f"),
    });
    expect(hex(header)).toBe(
      "fe534d42" +
        "4000" +
        "0102" +
        "220000c0" +
        "0f00" +
        "0304" +
        "08000010" +
        "05060708" +
        "090a0b0c0d0e0f10" +
        "00000000" +
        "11121314" +
        "15161718191a1b1c" +
        "202122232425262728292a2b2c2d2e2f",
    );
  });

  it("has AsyncId in place of TreeId with ASYNC_COMMAND, and only then", () => {
    const ids = { command: 15, asyncId: 0x1122_3344_5566_7788n, treeId: 9 };
    const async = encodeHeader({ ...ids, flags: HeaderFlags.ASYNC_COMMAND });
    expect(hex(async.subarray(32, 40))).toBe("8877665544332211");
    expect(decodeHeader(async)).toMatchObject({ asyncId: ids.asyncId, treeId: 0 });
    const sync = encodeHeader(ids);
    expect(hex(sync.subarray(32, 40))).toBe("0000000009000000");
    expect(decodeHeader(sync)).toMatchObject({ asyncId: 0n, treeId: 9 });
  });

  it("of Samba's interim response says what it must", () => {
    expect(decodeHeader(bytes(notifyVectors.samba417_interim))).toEqual({
      creditCharge: 0,
      status: NtStatus.PENDING,
      command: Command.CHANGE_NOTIFY,
      credits: 64,
      flags: HeaderFlags.SERVER_TO_REDIR | HeaderFlags.ASYNC_COMMAND,
      nextCommand: 0,
      messageId: 5n,
      asyncId: 5n,
      treeId: 0,
      sessionId: 0x6e1b_0b50n,
      signature: bytes("9c8dce3d043434b1390b49a8cc04db24"),
    });
  });

  it("comes back as it went", () => {
    fc.assert(
      fc.property(
        fc.record({
          creditCharge: u16,
          status: u32,
          command: u16,
          credits: u16,
          flags: u32,
          nextCommand: u32,
          messageId: u64,
          sessionId: u64,
          signature: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        }),
        u64,
        u32,
        (fields, asyncId, treeId) => {
          const async = (fields.flags & HeaderFlags.ASYNC_COMMAND) !== 0;
          const header = { ...fields, asyncId: async ? asyncId : 0n, treeId: async ? 0 : treeId };
          expect(decodeHeader(encodeHeader(header))).toEqual(header);
        },
      ),
    );
  });

  it.each([
    ["another ProtocolId", "fd534d4240", /ProtocolId at 0: 0x424d53fd/],
    ["SMB1", "ff534d4240", /ProtocolId at 0/],
    ["another StructureSize", "fe534d4241", /Header.StructureSize at 4: 65, not 64/],
  ])("with %s is refused", (_, start, problem) => {
    const header = new Uint8Array(HEADER_SIZE);
    header.set(bytes(start));
    expect(() => decodeHeader(header)).toThrow(problem);
    expect(() => decodeHeader(header)).toThrow(DecodeError);
  });

  it("is not made of what does not fit", () => {
    expect(() => encodeHeader({ command: 15, credits: 0x1_0000 })).toThrow(EncodeError);
    expect(() => encodeHeader({ command: 15, creditCharge: -1 })).toThrow(EncodeError);
    expect(() => encodeHeader({ command: 1.5 })).toThrow(EncodeError);
    expect(() => encodeHeader({ command: 15, messageId: -1n })).toThrow(EncodeError);
    expect(() => encodeHeader({ command: 15, messageId: 1n << 64n })).toThrow(EncodeError);
    expect(() => encodeHeader({ command: 15, signature: new Uint8Array(15) })).toThrow(EncodeError);
  });

  it("names its commands", () => {
    expect(Object.values(Command)).toEqual(Array.from({ length: 20 }, (_, value) => value));
    expect(commandName(15)).toBe("CHANGE_NOTIFY");
    expect(commandName(99)).toBe("COMMAND_99");
  });
});

describe("NTSTATUS", () => {
  it("has one name for each value", () => {
    const values = Object.values(NtStatus);
    expect(new Set(values).size).toBe(values.length);
    for (const [name, value] of Object.entries(NtStatus)) {
      expect(statusName(value)).toBe(`STATUS_${name}`);
      expect(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, name).toBe(true);
    }
  });

  it.each([
    [0x0000_0103, "STATUS_PENDING"],
    [0x0000_010b, "STATUS_NOTIFY_CLEANUP"],
    [0x0000_010c, "STATUS_NOTIFY_ENUM_DIR"],
    [0x8000_0006, "STATUS_NO_MORE_FILES"],
    [0xc000_0016, "STATUS_MORE_PROCESSING_REQUIRED"],
    [0xc000_0022, "STATUS_ACCESS_DENIED"],
    [0xc000_0034, "STATUS_OBJECT_NAME_NOT_FOUND"],
    [0xc000_003a, "STATUS_OBJECT_PATH_NOT_FOUND"],
    [0xc000_0056, "STATUS_DELETE_PENDING"],
    [0xc000_006d, "STATUS_LOGON_FAILURE"],
    [0xc000_009a, "STATUS_INSUFFICIENT_RESOURCES"],
    [0xc000_00c9, "STATUS_NETWORK_NAME_DELETED"],
    [0xc000_00cc, "STATUS_BAD_NETWORK_NAME"],
    [0xc000_0120, "STATUS_CANCELLED"],
    [0xc000_0128, "STATUS_FILE_CLOSED"],
    [0xc000_0203, "STATUS_USER_SESSION_DELETED"],
    [0xc000_0257, "STATUS_PATH_NOT_COVERED"],
    [0xc000_035c, "STATUS_NETWORK_SESSION_EXPIRED"],
    [0xc05d_0001, "STATUS_SMB_BAD_CLUSTER_DIALECT"],
    [0xc0ff_ee00, "0xC0FFEE00"],
    [0x0000_0001, "0x00000001"],
  ])("%i is %s (MS-ERREF 2.3.1)", (status, name) => {
    expect(statusName(status)).toBe(name);
  });

  it("says what was not carried out, whatever the severity bits suggest", () => {
    // Success severity, though each of them needs an answer of its own.
    expect(
      [NtStatus.SUCCESS, NtStatus.PENDING, NtStatus.NOTIFY_CLEANUP, NtStatus.NOTIFY_ENUM_DIR].map(isError),
    ).toEqual([false, false, false, false]);
    // Warnings: one carries data, one says there is none.
    expect(isError(NtStatus.BUFFER_OVERFLOW)).toBe(false);
    expect(isError(NtStatus.NO_MORE_FILES)).toBe(true);
    expect(isError(NtStatus.STOPPED_ON_SYMLINK)).toBe(true);
    // Informational severity.
    expect(isError(0x4000_0000)).toBe(false);
    expect(isError(0x7fff_ffff)).toBe(false);
    expect(isError(NtStatus.ACCESS_DENIED)).toBe(true);
    expect(isError(NtStatus.CANCELLED)).toBe(true);
    expect(isError(0xffff_ffff)).toBe(true);
  });
});

describe("FILETIME", () => {
  it.each([
    ["1970-01-01T00:00:00.000Z", 116_444_736_000_000_000n],
    // The server's SystemTime in the published exchange of 2015.
    ["2015-06-24T22:18:21.286Z", 0x01d0_aecb_ade5_dad8n],
    ["1969-12-31T23:59:59.999Z", 116_444_735_999_990_000n],
    ["1601-01-01T00:00:00.001Z", 10_000n],
  ])("%s is %i", (iso, filetime) => {
    expect(new Date(filetimeToUnixMs(filetime)).toISOString()).toBe(iso);
    expect(unixMsToFiletime(Date.parse(iso)) / 10_000n).toBe(filetime / 10_000n);
  });

  it("0 is not known, and stays 0", () => {
    expect(filetimeToUnixMs(0n)).toBe(0);
  });

  it("is rounded down on both sides of 1970", () => {
    const epoch = 116_444_736_000_000_000n;
    expect(
      [-10_001n, -10_000n, -1n, 0n, 9_999n, 10_000n].map((ticks) => filetimeToUnixMs(epoch + ticks)),
    ).toEqual([-2, -1, -1, 0, 0, 1]);
    expect(unixMsToFiletime(-0.5)).toBe(epoch - 10_000n);
  });

  it("of any 64 bits is a time that a Date can hold", () => {
    fc.assert(
      fc.property(u64, (filetime) => {
        expect(() => new Date(filetimeToUnixMs(filetime)).toISOString()).not.toThrow();
      }),
    );
    expect(() => new Date(filetimeToUnixMs(0xffff_ffff_ffff_ffffn)).toISOString()).not.toThrow();
  });

  it("goes there and back", () => {
    fc.assert(
      fc.property(fc.integer({ min: -11_644_473_599_999, max: 8_640_000_000_000_000 / 10 }), (ms) => {
        expect(filetimeToUnixMs(unixMsToFiletime(ms))).toBe(ms);
      }),
    );
  });
});
