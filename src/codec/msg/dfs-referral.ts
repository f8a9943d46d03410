import { DecodeError } from "../errors.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-DFSC 2.2.2 to 2.2.5: REQ_GET_DFS_REFERRAL and RESP_GET_DFS_REFERRAL, versions 3 and 4. */

/** MaxReferralLevel u16, then the path `\host\share\dir` with its terminating NUL. */
export function encodeDfsReferralRequest(path: string, maxReferralLevel = 4): Uint8Array {
  return new Writer(4 + 2 * path.length).u16(maxReferralLevel).utf16(path).u16(0).finish();
}

export const ReferralHeaderFlags = { REFERRAL_SERVERS: 1, STORAGE_SERVERS: 2, TARGET_FAILBACK: 4 } as const;
const NAME_LIST_REFERRAL = 0x2;
const TARGET_SET_BOUNDARY = 0x4;

export interface DfsReferral {
  /** Version 3 or 4. */
  readonly version: number;
  /** 1: root target, 0: link target. */
  readonly serverType: number;
  /** Seconds. */
  readonly timeToLive: number;
  /** The part of the request that this referral stands for. */
  readonly dfsPath: string;
  /** Where to go instead: `\host\share\dir`. */
  readonly networkAddress: string;
  /** Version 4: the first of a set of equally near targets. */
  readonly targetSetBoundary: boolean;
}

export interface DfsReferralResponse {
  /** 0, u16: bytes of the request path that the referrals replace. */
  readonly pathConsumed: number;
  /** 4, u32. */
  readonly headerFlags: number;
  /** In the server's order of preference. Name lists (domain and DC referrals) are left out. */
  readonly referrals: readonly DfsReferral[];
}

const MOST_REFERRALS = 1_000;
/** Far above any path of Windows; with `MOST_REFERRALS` it bounds what overlapping strings can cost. */
const LONGEST_STRING_UNITS = 4_096;

/** @throws DecodeError */
export function decodeDfsReferralResponse(buffer: Uint8Array): DfsReferralResponse {
  const reader = new Reader(buffer);
  const pathConsumed = reader.u16("PathConsumed");
  if (pathConsumed % 2 !== 0) throw new DecodeError("PathConsumed", 0, `${pathConsumed}: half a UTF-16 unit`);
  const count = reader.u16("NumberOfReferrals");
  const headerFlags = reader.u32("ReferralHeaderFlags");
  if (count > MOST_REFERRALS) throw new DecodeError("NumberOfReferrals", 2, `${count}`);
  const referrals: DfsReferral[] = [];
  for (let i = 0; i < count; i++) {
    const start = reader.position;
    const version = reader.u16("VersionNumber");
    const size = reader.u16("Size");
    if (version !== 3 && version !== 4) throw new DecodeError("VersionNumber", start, `${version}`);
    const serverType = reader.u16("ServerType");
    const flags = reader.u16("ReferralEntryFlags");
    const timeToLive = reader.u32("TimeToLive");
    const dfsPathOffset = reader.u16("DFSPathOffset");
    reader.skip(2, "DFSAlternatePathOffset");
    const networkAddressOffset = reader.u16("NetworkAddressOffset");
    if (size < reader.position - start) throw new DecodeError("Size", start + 2, `${size}`);
    reader.seek(start + size, "Size");
    if ((flags & NAME_LIST_REFERRAL) !== 0) continue;
    if (dfsPathOffset < size || networkAddressOffset < size) {
      throw new DecodeError("DFSPathOffset, NetworkAddressOffset", start, "inside the entry's fixed part");
    }
    referrals.push({
      version,
      serverType,
      timeToLive,
      dfsPath: terminated(buffer, start + dfsPathOffset, "DFSPath"),
      networkAddress: terminated(buffer, start + networkAddressOffset, "NetworkAddress"),
      targetSetBoundary: (flags & TARGET_SET_BOUNDARY) !== 0,
    });
  }
  return { pathConsumed, headerFlags, referrals };
}

function terminated(buffer: Uint8Array, at: number, field: string): string {
  const reader = new Reader(buffer, at);
  for (let units = 0; units <= LONGEST_STRING_UNITS; units++) {
    if (reader.u16(field) === 0) return new Reader(buffer, at).utf16(units * 2, field);
  }
  throw new DecodeError(field, at, `no end after ${LONGEST_STRING_UNITS} units`);
}
