import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/codec/errors.ts";
import { decodeChangeNotifyResponse } from "../../../src/codec/msg/change-notify.ts";
import {
  decodeFileNotifyInformation,
  encodeFileNotifyInformation,
  FileAction,
} from "../../../src/codec/msg/file-notify-information.ts";
import { isListedName } from "../../../src/codec/names.ts";
import { behindHeader, bytes, capture, hex, notifyVectors } from "../../support/bytes/smb-fixtures.ts";

function u32(value: number): string {
  return Buffer.from(Uint32Array.of(value).buffer).toString("hex");
}

function utf16(text: string): string {
  return Buffer.from(text, "utf16le").toString("hex");
}

/** One FILE_NOTIFY_INFORMATION, written from MS-FSCC 2.7.1. */
function record(next: number, action: number, name: string, nameLength = name.length * 2): string {
  return u32(next) + u32(action) + u32(nameLength) + utf16(name);
}

function names(buffer: string): readonly string[] {
  return decodeFileNotifyInformation(bytes(buffer)).records.map(({ fileName }) => fileName);
}

describe("FILE_NOTIFY_INFORMATION, known bytes", () => {
  const published = [
    {
      name: "a rename pair (smb-rs, Windows)",
      body: notifyVectors.response_rename_pair_smbrs,
      records: [
        { action: FileAction.RENAMED_OLD_NAME, fileName: "New folder" },
        { action: FileAction.RENAMED_NEW_NAME, fileName: "jdsa" },
      ],
      differs: false,
    },
    {
      name: "padding that is not zero, and six bytes behind the last record (smb-rs, Azure Files)",
      body: notifyVectors.response_azure_smbrs,
      records: [
        "11.txt",
        "kernel.bin.til",
        "ec2-3-70-222-69.eu-central-1.compute.amazonaws.com.rdp",
        "ec2-18-198-51-98.eu-central-1.compute.amazonaws.com.rdp",
        "Test DC.rdp",
      ].map((fileName) => ({ action: FileAction.ADDED, fileName })),
      differs: true,
    },
    {
      name: "two bytes of padding behind the only record (Samba 4.17)",
      body: notifyVectors.samba417_final_body,
      records: [{ action: FileAction.ADDED, fileName: "née.txt" }],
      differs: true,
    },
    {
      name: "as smbclient got it (Samba 4.17)",
      body: capture.messages.changeNotifyResponse.slice(128),
      records: [{ action: FileAction.ADDED, fileName: "new.txt" }],
      differs: true,
    },
    {
      name: "nothing, which with either status means: list the directory",
      body: notifyVectors.samba417_enum_dir_body,
      records: [],
      differs: false,
    },
  ];

  it.each(published)("$name", ({ body, records, differs }) => {
    const buffer = decodeChangeNotifyResponse(behindHeader(body));
    expect(decodeFileNotifyInformation(buffer)).toEqual({ records, doubtful: false });
    expect(hex(encodeFileNotifyInformation(records)) === hex(buffer)).toBe(!differs);
  });

  it.each(published.filter(({ records }) => records.length > 0))(
    "$name, cut anywhere, is refused",
    ({ body }) => {
      const buffer = decodeChangeNotifyResponse(behindHeader(body)).slice();
      const { records } = decodeFileNotifyInformation(buffer);
      const last = records.at(-1)!;
      const end = lastStart(buffer) + 12 + last.fileName.length * 2;
      for (let length = 1; length < end; length++) {
        expect(() => decodeFileNotifyInformation(buffer.slice(0, length)), `cut at ${length}`).toThrow(
          DecodeError,
        );
      }
      expect(decodeFileNotifyInformation(buffer.slice(0, end)).records).toEqual(records);
    },
  );
});

/** Follows the chain by its own reading of the bytes. */
function lastStart(buffer: Uint8Array): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  let at = 0;
  for (let next = view.getUint32(0, true); next !== 0; next = view.getUint32(at, true)) at += next;
  return at;
}

describe("FILE_NOTIFY_INFORMATION, the chain", () => {
  it.each([
    ["goes back into its own fixed part", record(8, 1, "ab") + record(0, 1, "c")],
    ["goes back into its own name", record(12, 1, "abcd") + record(0, 1, "c")],
    [
      "goes back into its own name, where a record stands",
      record(12, 6, `${String.fromCharCode(0, 0, 1, 0, 2, 0)}c`),
    ],
    ["is not 4-aligned", `${record(18, 1, "ab")}0000${record(0, 1, "c")}`],
    ["leads to the end of the buffer", record(16, 1, "ab")],
    ["leads beyond the buffer", record(1_000, 1, "ab")],
    ["leads far beyond the buffer", record(0xffff_fffc, 1, "ab")],
    ["leads to less than a record", `${record(16, 1, "ab")}00000000`],
  ])("that %s is refused", (_, buffer) => {
    expect(() => decodeFileNotifyInformation(bytes(buffer))).toThrow(DecodeError);
  });

  it.each([
    ["an odd length", record(0, 1, "ab", 3)],
    ["a length beyond the buffer", record(0, 1, "ab", 6)],
    ["a length of 4 GiB", record(0, 1, "ab", 0xffff_fffe)],
  ])("with a name of %s is refused", (_, buffer) => {
    expect(() => decodeFileNotifyInformation(bytes(buffer))).toThrow(DecodeError);
  });

  it("may be 8-aligned, with anything between the records", () => {
    expect(names(`${record(24, 1, "ab")}deadbeefdeadbeef${record(0, 1, "c")}`)).toEqual(["ab", "c"]);
    expect(names(`${record(16, 1, "a")}ffff${record(0, 1, "c")}ffffff`)).toEqual(["a", "c"]);
  });
});

describe("FILE_NOTIFY_INFORMATION, the names", () => {
  it.each([".", "..", "\\a", "a\\", "a\\..\\b", "/a", "a/b", "a\0b"])(
    "%j is left out, what stands around it is kept, and a listing is due",
    (name) => {
      const buffer = encodeFileNotifyInformation([
        { action: 1, fileName: "before" },
        { action: 2, fileName: name },
        { action: 3, fileName: "after" },
      ]);
      expect(decodeFileNotifyInformation(buffer)).toEqual({
        records: [
          { action: 1, fileName: "before" },
          { action: 3, fileName: "after" },
        ],
        doubtful: true,
      });
    },
  );

  it.each(['a"b', "a:b", "what?", "100% *", "dot.", "space ", "c\u0001"])(
    "%j is told as it is, but may go by another name in listings",
    (fileName) => {
      const records = [{ action: 1, fileName }];
      expect(decodeFileNotifyInformation(encodeFileNotifyInformation(records))).toEqual({
        records: [{ action: 1, fileName, odd: true }],
        doubtful: false,
      });
    },
  );

  it("of directories in the making are marked, and no reason to list anything", () => {
    const making = ".::TMPNAME:D:30479%8248542154264644051:d1";
    const records = [
      { action: FileAction.ADDED, fileName: making },
      { action: FileAction.RENAMED_OLD_NAME, fileName: `sub\\${making}` },
      { action: FileAction.RENAMED_NEW_NAME, fileName: "sub\\d1" },
    ];
    const decode = (fileName: string): unknown =>
      decodeFileNotifyInformation(encodeFileNotifyInformation([{ action: 1, fileName }]));
    expect(decodeFileNotifyInformation(encodeFileNotifyInformation(records))).toEqual({
      records: [{ ...records[0], temporary: true }, { ...records[1], temporary: true }, records[2]],
      doubtful: false,
    });
    const fileName = making.replace("%", "/");
    expect(decode(fileName)).toEqual({ records: [], doubtful: true });
    const lookalike = making.replace(":D:", ":F:");
    expect(decode(lookalike)).toEqual({
      records: [{ action: 1, fileName: lookalike, odd: true }],
      doubtful: false,
    });
  });

  it("without one are of the directory itself, whose entries have not changed", () => {
    const buffer = encodeFileNotifyInformation([
      { action: 3, fileName: "" },
      { action: 3, fileName: "\u0003" },
      { action: 1, fileName: "after" },
    ]);
    expect(decodeFileNotifyInformation(buffer)).toEqual({
      records: [{ action: 1, fileName: "after" }],
      doubtful: false,
      itself: true,
    });
    // It cannot come to be, or go, in itself.
    expect(decodeFileNotifyInformation(encodeFileNotifyInformation([{ action: 1, fileName: "" }]))).toEqual({
      records: [],
      doubtful: true,
    });
  });

  it("may be paths, and may hold what is no Unicode", () => {
    const records = ["a\\b\\c", "\ud800", "x\udc00\ud83d\udcf7", "e\u0301", "a\uf022b"].map((fileName) => ({
      action: 1,
      fileName,
    }));
    expect(decodeFileNotifyInformation(encodeFileNotifyInformation(records))).toEqual({
      records,
      doubtful: false,
    });
  });

  it("may be of streams, with stream actions only", () => {
    for (const action of [FileAction.ADDED_STREAM, FileAction.REMOVED_STREAM, FileAction.MODIFIED_STREAM]) {
      expect(names(record(0, action, "dir\\file.txt:stream:$DATA"))).toEqual(["dir\\file.txt:stream:$DATA"]);
      expect(decodeFileNotifyInformation(bytes(record(0, action, ":stream")))).toEqual({
        records: [],
        doubtful: false,
        itself: true,
      });
      for (const bad of ["..:stream", "file:a\\b", "file:a/b", "file:\0"]) {
        expect(decodeFileNotifyInformation(bytes(record(0, action, bad))), bad).toEqual({
          records: [],
          doubtful: true,
        });
      }
    }
    expect(names(record(0, FileAction.MODIFIED, "file.txt:stream"))).toEqual(["file.txt:stream"]);
  });

  it("come with actions that nobody knows yet", () => {
    expect(decodeFileNotifyInformation(bytes(record(0, 0xffff_ffff, "a"))).records).toEqual([
      { action: 0xffff_ffff, fileName: "a" },
    ]);
  });

  it("come back as they went", () => {
    const name = fc
      .array(fc.string({ unit: "binary", minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 })
      .filter((segments) => segments.every(isListedName))
      .map((segments) => segments.join("\\"));
    fc.assert(
      fc.property(
        fc.array(fc.record({ action: fc.nat(12), fileName: name }), { maxLength: 20 }),
        (records) => {
          const buffer = encodeFileNotifyInformation(records);
          expect(decodeFileNotifyInformation(buffer)).toEqual({ records, doubtful: false });
          expect(hex(encodeFileNotifyInformation(decodeFileNotifyInformation(buffer).records))).toBe(
            hex(buffer),
          );
        },
      ),
    );
  });
});
