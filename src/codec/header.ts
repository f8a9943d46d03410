import { DecodeError } from "./errors.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** MS-SMB2 2.2.1: the SMB2 packet header. */

export const HEADER_SIZE = 64;
/** FE 'S' 'M' 'B', little-endian. */
export const PROTOCOL_ID = 0x424d53fe;

export const Command = {
  NEGOTIATE: 0,
  SESSION_SETUP: 1,
  LOGOFF: 2,
  TREE_CONNECT: 3,
  TREE_DISCONNECT: 4,
  CREATE: 5,
  CLOSE: 6,
  FLUSH: 7,
  READ: 8,
  WRITE: 9,
  LOCK: 10,
  IOCTL: 11,
  CANCEL: 12,
  ECHO: 13,
  QUERY_DIRECTORY: 14,
  CHANGE_NOTIFY: 15,
  QUERY_INFO: 16,
  SET_INFO: 17,
  OPLOCK_BREAK: 18,
  SERVER_TO_CLIENT_NOTIFICATION: 19,
} as const;

const COMMAND_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Command).map(([name, value]) => [value, name]),
);

/** `CHANGE_NOTIFY`; `COMMAND_99` for what the specification does not know. */
export function commandName(command: number): string {
  return COMMAND_NAMES.get(command) ?? `COMMAND_${command}`;
}

export const HeaderFlags = {
  SERVER_TO_REDIR: 0x1,
  ASYNC_COMMAND: 0x2,
  RELATED: 0x4,
  SIGNED: 0x8,
  PRIORITY_MASK: 0x70,
  DFS: 0x1000_0000,
  REPLAY: 0x2000_0000,
} as const;

export interface Header {
  /** 6, u16. Zero in 2.0.2; meaningless in responses. */
  readonly creditCharge: number;
  /** 8, u32. NTSTATUS in responses; ChannelSequence, which we leave 0, in requests. */
  readonly status: number;
  /** 12, u16. */
  readonly command: number;
  /** 14, u16. Credits asked for, or granted. */
  readonly credits: number;
  /** 16, u32. */
  readonly flags: number;
  /** 20, u32. Offset of the next message of a compound from this one, or 0. */
  readonly nextCommand: number;
  /** 24, u64. */
  readonly messageId: bigint;
  /** 32, u64, with ASYNC_COMMAND; else 0. */
  readonly asyncId: bigint;
  /** 36, u32, without ASYNC_COMMAND; else 0. */
  readonly treeId: number;
  /** 40, u64. */
  readonly sessionId: bigint;
  /** 48, 16 bytes; a view into the message. */
  readonly signature: Uint8Array;
}

export type HeaderFields = Pick<Header, "command"> & Partial<Header>;

const NO_SIGNATURE = new Uint8Array(16);

/** What is left out is zero. 64 bytes. */
export function encodeHeader(header: HeaderFields): Uint8Array {
  const flags = header.flags ?? 0;
  const writer = new Writer(HEADER_SIZE)
    .u32(PROTOCOL_ID)
    .u16(HEADER_SIZE)
    .u16(header.creditCharge ?? 0)
    .u32(header.status ?? 0)
    .u16(header.command)
    .u16(header.credits ?? 0)
    .u32(flags)
    .u32(header.nextCommand ?? 0)
    .u64(header.messageId ?? 0n);
  if ((flags & HeaderFlags.ASYNC_COMMAND) !== 0) writer.u64(header.asyncId ?? 0n);
  else writer.u32(0).u32(header.treeId ?? 0);
  return writer
    .u64(header.sessionId ?? 0n)
    .fixed(header.signature ?? NO_SIGNATURE, 16, "Signature")
    .finish();
}

/** Reads the header in front of `message`. @throws DecodeError */
export function decodeHeader(message: Uint8Array): Header {
  const reader = new Reader(message);
  const protocolId = reader.u32("ProtocolId");
  if (protocolId !== PROTOCOL_ID) throw new DecodeError("ProtocolId", 0, `0x${protocolId.toString(16)}`);
  reader.structureSize(HEADER_SIZE, "Header");
  const creditCharge = reader.u16("CreditCharge");
  const status = reader.u32("Status");
  const command = reader.u16("Command");
  const credits = reader.u16("CreditRequest/CreditResponse");
  const flags = reader.u32("Flags");
  const nextCommand = reader.u32("NextCommand");
  const messageId = reader.u64("MessageId");
  let asyncId = 0n;
  let treeId = 0;
  if ((flags & HeaderFlags.ASYNC_COMMAND) !== 0) asyncId = reader.u64("AsyncId");
  else {
    reader.skip(4, "Reserved");
    treeId = reader.u32("TreeId");
  }
  const sessionId = reader.u64("SessionId");
  const signature = reader.bytes(16, "Signature");
  return {
    creditCharge,
    status,
    command,
    credits,
    flags,
    nextCommand,
    messageId,
    asyncId,
    treeId,
    sessionId,
    signature,
  };
}
