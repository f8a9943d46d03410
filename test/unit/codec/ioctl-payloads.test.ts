import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/codec/errors.ts";
import { decodeDfsReferralResponse, encodeDfsReferralRequest } from "../../../src/codec/msg/dfs-referral.ts";
import { decodeIoctlRequest, decodeIoctlResponse } from "../../../src/codec/msg/ioctl.ts";
import {
  decodeValidateNegotiateInfoRequest,
  decodeValidateNegotiateInfoResponse,
  encodeValidateNegotiateInfoRequest,
  encodeValidateNegotiateInfoResponse,
  VALIDATE_NEGOTIATE_INFO_BYTES,
} from "../../../src/codec/msg/validate-negotiate-info.ts";
import { bytes, capture, hex } from "../../support/bytes/smb-fixtures.ts";

describe("VALIDATE_NEGOTIATE_INFO, between smbclient and Samba 4.17", () => {
  const { input } = decodeIoctlRequest(bytes(capture.messages.validateNegotiateRequest));
  const { output } = decodeIoctlResponse(bytes(capture.messages.validateNegotiateResponse));

  it("asks what NEGOTIATE said", () => {
    const request = {
      capabilities: 0,
      guid: bytes("b59863a66c29d64ca59d3fcd0a805611"),
      securityMode: 1,
      dialects: [0x0202, 0x0210],
    };
    expect(decodeValidateNegotiateInfoRequest(input)).toEqual(request);
    expect(hex(encodeValidateNegotiateInfoRequest(request))).toBe(hex(input));
  });

  it("answers what NEGOTIATE answered", () => {
    const response = {
      capabilities: 7,
      guid: bytes("6c616200000000000000000000000000"),
      securityMode: 1,
      dialect: 0x0210,
    };
    expect(output.length).toBe(VALIDATE_NEGOTIATE_INFO_BYTES);
    expect(decodeValidateNegotiateInfoResponse(output)).toEqual(response);
    expect(hex(encodeValidateNegotiateInfoResponse(response))).toBe(hex(output));
  });

  it("cut anywhere is refused", () => {
    for (let length = 0; length < input.length; length++) {
      expect(() => decodeValidateNegotiateInfoRequest(input.slice(0, length)), `cut at ${length}`).toThrow(
        DecodeError,
      );
    }
    for (let length = 0; length < output.length; length++) {
      expect(() => decodeValidateNegotiateInfoResponse(output.slice(0, length)), `cut at ${length}`).toThrow(
        DecodeError,
      );
    }
  });
});

describe("REQ_GET_DFS_REFERRAL", () => {
  it("is written as smbclient writes it", () => {
    const { input } = decodeIoctlRequest(bytes(capture.messages.dfsReferralRequest));
    expect(hex(encodeDfsReferralRequest("\\127.0.0.1\\share", 3))).toBe(hex(input));
  });

  it("asks for version 4 unless told otherwise", () => {
    expect(hex(encodeDfsReferralRequest("\\a\\b"))).toBe("0400" + "5c00" + "6100" + "5c00" + "6200" + "0000");
  });
});

/** MS-DFSC 2.2.4 and 2.2.5.4, written by hand: offsets count from the entry they stand in. */
const strings = {
  // 8 header + 2 entries of 34 = 76
  dfsPath: Buffer.from("\\dom\\dfs\\link\0", "utf16le").toString("hex"), // 28 bytes at 76
  first: Buffer.from("\\fs1\\data\0", "utf16le").toString("hex"), // 20 bytes at 104
  second: Buffer.from("\\fs2\\data\\x\0", "utf16le").toString("hex"), // 24 bytes at 124
};

function entry(fields: {
  version?: string;
  size?: string;
  serverType?: string;
  flags?: string;
  ttl?: string;
  dfsPath: string;
  alternate?: string;
  network: string;
}): string {
  const { version = "0400", size = "2200", serverType = "0000", flags = "0000", ttl = "2c010000" } = fields;
  return (
    version +
    size +
    serverType +
    flags +
    ttl +
    fields.dfsPath +
    (fields.alternate ?? fields.dfsPath) +
    fields.network +
    "00".repeat(16)
  );
}

const HEADER = "1a00" + "0200" + "02000000";
// Both share one DFSPath, as servers write it.
const FIRST = entry({ flags: "0400", dfsPath: "4400", network: "6000" }); // at 8: 76 - 8, 104 - 8
const SECOND = entry({
  version: "0300",
  ttl: "58020000",
  serverType: "0100",
  dfsPath: "2200",
  network: "5200",
}); // at 42: 76 - 42, 124 - 42
const REFERRAL = bytes(HEADER + FIRST + SECOND + strings.dfsPath + strings.first + strings.second);

describe("RESP_GET_DFS_REFERRAL", () => {
  it("has every field in its place, in versions 3 and 4", () => {
    expect(decodeDfsReferralResponse(REFERRAL)).toEqual({
      pathConsumed: 26,
      headerFlags: 2,
      referrals: [
        {
          version: 4,
          serverType: 0,
          timeToLive: 300,
          dfsPath: "\\dom\\dfs\\link",
          networkAddress: "\\fs1\\data",
          targetSetBoundary: true,
        },
        {
          version: 3,
          serverType: 1,
          timeToLive: 600,
          dfsPath: "\\dom\\dfs\\link",
          networkAddress: "\\fs2\\data\\x",
          targetSetBoundary: false,
        },
      ],
    });
  });

  it("cut anywhere is refused", () => {
    for (let length = 0; length < REFERRAL.length; length++) {
      expect(() => decodeDfsReferralResponse(REFERRAL.slice(0, length)), `cut at ${length}`).toThrow(
        DecodeError,
      );
    }
  });

  it("may be empty, and leaves out lists of names", () => {
    expect(decodeDfsReferralResponse(bytes("0000000000000000")).referrals).toEqual([]);
    const names = entry({ flags: "0200", dfsPath: "0000", network: "0000" });
    expect(decodeDfsReferralResponse(bytes(`000001000000 0000${names}`.replace(" ", ""))).referrals).toEqual(
      [],
    );
  });

  it.each([
    ["half a unit of PathConsumed", 0, "1b00", /PathConsumed at 0/],
    ["more than 1000 entries", 2, "e903", /NumberOfReferrals/],
    ["more entries than there are", 2, "0300", /VersionNumber|Size/],
    ["version 1", 8, "0100", /VersionNumber at 8/],
    ["version 5", 8, "0500", /VersionNumber at 8/],
    ["an entry smaller than its fields", 10, "1000", /Size at 10/],
    ["an entry of no size", 10, "0000", /Size at 10/],
    ["an entry beyond the end", 10, "ff7f", /Size/],
    ["a DFSPath inside the entry", 20, "1000", /fixed part/],
    ["an address inside the entry", 24, "2100", /fixed part/],
    ["a DFSPath beyond the end", 20, "ff7f", /DFSPath/],
    ["an address beyond the end", 24, "ff7f", /NetworkAddress/],
  ])("with %s is refused", (_, at, value, problem) => {
    const broken = REFERRAL.slice();
    broken.set(bytes(value), at);
    expect(() => decodeDfsReferralResponse(broken)).toThrow(DecodeError);
    expect(() => decodeDfsReferralResponse(broken)).toThrow(problem);
  });

  it("with a string that does not end is refused", () => {
    const open = REFERRAL.slice(0, -2);
    expect(() => decodeDfsReferralResponse(open)).toThrow(/NetworkAddress/);
    const long = new Uint8Array(REFERRAL.length + 20_000).fill(0x41);
    long.set(REFERRAL.subarray(0, -2));
    expect(() => decodeDfsReferralResponse(long)).toThrow(/no end after 4096 units/);
  });

  it("of any entries that share one long string stays cheap", () => {
    const count = 1_000;
    const text = Buffer.from(`${"x".repeat(4_000)}\0`, "utf16le");
    const response = new Uint8Array(8 + count * 34 + text.length);
    const view = new DataView(response.buffer);
    view.setUint16(2, count, true);
    for (let i = 0; i < count; i++) {
      const at = 8 + i * 34;
      view.setUint16(at, 4, true);
      view.setUint16(at + 2, 34, true);
      view.setUint16(at + 12, 8 + count * 34 - at, true);
      view.setUint16(at + 16, 8 + count * 34 - at, true);
    }
    response.set(text, 8 + count * 34);
    const { referrals } = decodeDfsReferralResponse(response);
    expect(referrals).toHaveLength(count);
    expect(referrals.at(-1)!.networkAddress).toHaveLength(4_000);
  });

  it("of any bytes is read or refused", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.tuple(fc.nat(147), fc.nat(255)), { maxLength: 5 }),
        (any, changes) => {
          const mutated = REFERRAL.slice();
          for (const [at, value] of changes) mutated[at] = value;
          for (const input of [any, mutated]) {
            try {
              decodeDfsReferralResponse(input);
            } catch (error) {
              expect(error).toBeInstanceOf(DecodeError);
            }
          }
        },
      ),
    );
  });
});
