import type { Cursor } from "../broker/port.ts";
import {
  type CheckpointDirectory,
  CheckpointError,
  decodeCheckpoint,
  encodeCheckpoint,
  type Steps,
} from "../watch/picture/index.ts";

/*
 * An object of the bucket of checkpoints: u32 length of the head (little-endian), head as JSON, then the picture
 * (src/watch/checkpoint.ts).
 */

/** What consumers of one watch knew at one moment, and which moment. */
export interface Checkpoint {
  /** Whose words these are. */
  readonly epoch: string;
  /** The last message of that epoch that the picture knows of. */
  readonly seq: number;
  /** In the stream: behind that message, before any later one. */
  readonly cursor: Cursor;
  /** What was watched; see `ConnectionRuntime.identity`. */
  readonly share: string;
  readonly directories: readonly CheckpointDirectory[];
}

const MAX_HEAD = 8_192;

export function* encodeRecord({ directories, ...head }: Checkpoint): Steps<Uint8Array> {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, yield* encodeCheckpoint(directories)]);
}

/** @throws CheckpointError */
export function* decodeRecord(bytes: Uint8Array): Steps<Checkpoint> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = buffer.length < 4 ? Number.POSITIVE_INFINITY : buffer.readUInt32LE(0);
  if (length > MAX_HEAD || length > buffer.length - 4) throw new CheckpointError("bad head");
  const head = readHead(buffer.subarray(4, 4 + length).toString("utf8"));
  return { ...head, directories: yield* decodeCheckpoint(buffer.subarray(4 + length)) };
}

function readHead(json: string): Omit<Checkpoint, "directories"> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new CheckpointError("bad head");
  }
  const { epoch, seq, cursor, share } = (value ?? {}) as Record<string, unknown>;
  const texts = [epoch, cursor, share].every((text) => typeof text === "string");
  if (!texts || !Number.isSafeInteger(seq)) throw new CheckpointError("bad head");
  return { epoch, seq, cursor, share } as Omit<Checkpoint, "directories">;
}
