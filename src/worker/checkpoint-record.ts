import type { Cursor } from "../broker/port.ts";
import {
  type CheckpointDirectory,
  CheckpointError,
  decodeCheckpoint,
  encodeCheckpoint,
  type Steps,
} from "../watch/picture/index.ts";
import { type ReadyRecord, readRecord } from "../watch/ready/index.ts";

/*
 * An object of the bucket of checkpoints: u32 length of the head (little-endian), head as JSON, then, where the head has
 * its length (`ready`), what is waited for as JSON, then the picture (src/watch/picture/checkpoint.ts).
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
  /** Where files are told when they are ready. */
  readonly ready?: ReadyRecord | undefined;
}

const MAX_HEAD = 8_192;

export function* encodeRecord({ directories, ready, ...head }: Checkpoint): Steps<Uint8Array> {
  const waited = Buffer.from(ready === undefined ? "" : JSON.stringify(ready));
  const json = Buffer.from(JSON.stringify(ready === undefined ? head : { ...head, ready: waited.length }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, waited, yield* encodeCheckpoint(directories)]);
}

/** @throws CheckpointError */
export function* decodeRecord(bytes: Uint8Array): Steps<Checkpoint> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = buffer.length < 4 ? Number.POSITIVE_INFINITY : buffer.readUInt32LE(0);
  if (length > MAX_HEAD || length > buffer.length - 4) throw new CheckpointError("bad head");
  const { ready: waited, ...head } = readHead(buffer.subarray(4, 4 + length).toString("utf8"));
  const picture = 4 + length + (waited ?? 0);
  if (picture > buffer.length) throw new CheckpointError("bad head");
  const ready = waited === undefined ? {} : { ready: readReady(buffer.subarray(4 + length, picture)) };
  return { ...head, ...ready, directories: yield* decodeCheckpoint(buffer.subarray(picture)) };
}

function readReady(json: Buffer): ReadyRecord {
  let value: unknown;
  try {
    value = JSON.parse(json.toString("utf8"));
  } catch {
    throw new CheckpointError("bad record of what is waited for");
  }
  const record = readRecord(value);
  if (record === undefined) throw new CheckpointError("bad record of what is waited for");
  return record;
}

type Head = Omit<Checkpoint, "directories" | "ready"> & { readonly ready?: number };

function readHead(json: string): Head {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new CheckpointError("bad head");
  }
  const { epoch, seq, cursor, share, ready } = (value ?? {}) as Record<string, unknown>;
  const texts = [epoch, cursor, share].every((text) => typeof text === "string");
  const waited = ready === undefined || (Number.isSafeInteger(ready) && (ready as number) >= 0);
  if (!texts || !waited || !Number.isSafeInteger(seq)) throw new CheckpointError("bad head");
  return { epoch, seq, cursor, share, ...(ready === undefined ? {} : { ready }) } as Head;
}
