import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-SMB2 2.2.13.2.10 and 2.2.14.2.11: a lease of version 2 as a create context; 2.2.23.2: its end. */

export const LeaseState = { NONE: 0, READ: 1, HANDLE: 2, WRITE: 4 } as const;

/** OplockLevel that says "see the lease context". */
export const OPLOCK_LEVEL_LEASE = 0xff;

export interface Lease {
  /** 16 bytes, chosen by the client. */
  readonly key: Uint8Array;
  /** What is asked for, or granted: bits of `LeaseState`. */
  readonly state: number;
}

/** `RqLs`: SMB2_CREATE_REQUEST_LEASE_V2. */
const NAME = 0x73_4c_71_52;
const DATA_OFFSET = 24;
/** LeaseKey, LeaseState, LeaseFlags, LeaseDuration, ParentLeaseKey, Epoch, Reserved. */
const DATA_SIZE = 52;
/** A lease of version 1 ends after LeaseDuration. */
const OLD_DATA_SIZE = 32;
const MOST_CONTEXTS = 64;

/** One create context, which is the last. */
export function encodeLeaseContext({ key, state }: Lease): Uint8Array {
  return new Writer(DATA_OFFSET + DATA_SIZE)
    .u32(0) // Next
    .u16(16) // NameOffset
    .u16(4) // NameLength
    .u16(0) // Reserved
    .u16(DATA_OFFSET)
    .u32(DATA_SIZE)
    .u32(NAME)
    .u32(0)
    .fixed(key, 16, "LeaseKey")
    .u32(state)
    .u32(0) // LeaseFlags: no parent key
    .u64(0n) // LeaseDuration
    .zeros(16) // ParentLeaseKey
    .u16(0) // Epoch
    .u16(0) // Reserved
    .finish();
}

/** The lease among create contexts, if there is one. */
export function decodeLeaseContext(contexts: Uint8Array): Lease | undefined {
  let at = 0;
  for (let count = 0; count < MOST_CONTEXTS; count++) {
    const reader = new Reader(contexts, at);
    if (reader.remaining === 0) return undefined;
    const next = reader.u32("CreateContext.Next");
    const nameOffset = reader.u16("CreateContext.NameOffset");
    const nameLength = reader.u16("CreateContext.NameLength");
    reader.skip(2, "CreateContext.Reserved");
    const dataOffset = reader.u16("CreateContext.DataOffset");
    const dataLength = reader.u32("CreateContext.DataLength");
    const name = reader.block(at + nameOffset, nameLength, at + 16, "CreateContext.Name");
    if (name.length === 4 && new Reader(name).u32("CreateContext.Name") === NAME) {
      const data = new Reader(reader.block(at + dataOffset, dataLength, at + 16, "CreateContext.Data"));
      if (data.remaining >= OLD_DATA_SIZE) {
        return { key: data.copy(16, "LeaseKey"), state: data.u32("LeaseState") };
      }
    }
    if (next === 0) return undefined;
    at += next;
  }
  return undefined;
}

export interface LeaseBreak {
  /** 2, u16: counts the changes of the lease. */
  readonly newEpoch: number;
  /** 4, u32: 1 when an acknowledgement, or the end of the handle, is waited for. */
  readonly flags: number;
  /** 8, 16 bytes. */
  readonly key: Uint8Array;
  /** 24, u32. */
  readonly currentState: number;
  /** 28, u32. */
  readonly newState: number;
}

const BREAK_SIZE = 44;

export function encodeLeaseBreak(lease: LeaseBreak): Uint8Array {
  return new Writer(BREAK_SIZE)
    .u16(BREAK_SIZE)
    .u16(lease.newEpoch)
    .u32(lease.flags)
    .fixed(lease.key, 16, "LeaseKey")
    .u32(lease.currentState)
    .u32(lease.newState)
    .zeros(12) // BreakReason, AccessMaskHint, ShareMaskHint
    .finish();
}

/** Whether an OPLOCK_BREAK is about a lease. */
export function isLeaseBreak(message: Uint8Array): boolean {
  return new Reader(message, HEADER_SIZE).u16("OPLOCK_BREAK.StructureSize") === BREAK_SIZE;
}

export function decodeLeaseBreak(message: Uint8Array): LeaseBreak {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(BREAK_SIZE, "OPLOCK_BREAK");
  const newEpoch = reader.u16("NewEpoch");
  const flags = reader.u32("Flags");
  const key = reader.copy(16, "LeaseKey");
  const currentState = reader.u32("CurrentLeaseState");
  const newState = reader.u32("NewLeaseState");
  reader.skip(12, "BreakReason to ShareMaskHint");
  return { newEpoch, flags, key, currentState, newState };
}
