import { Smb2NatsError } from "../base/errors.ts";
import { type CanonicalPath, canonicalPath, isWithin } from "../base/path.ts";
import type { Interest } from "./api.ts";
import type { Picture, PictureNode } from "./picture.ts";
import { type EntryMark, Snapshot } from "./snapshot.ts";

/*
 * A picture as bytes, for a later owner of the watch. All integers little-endian.
 *
 *   u32 magic "S2NC", u8 version, u32 directories, then each:
 *     u16 bytes of path, path (UTF-8), u8 blind, u32 entries, then each:
 *       u8 flags (EntryFlag, 8 = name in UTF-16), u16 bytes of name, name, 4 x u32 identity, appearance
 */

const MAGIC = 0x434e3253;
const VERSION = 1;
const WIDE_NAME = 8;
const ENTRY_HEAD = 3;
const MARK_BYTES = 16;

/** Not a checkpoint, not of this version, or damaged. */
export class CheckpointError extends Smb2NatsError {
  constructor(reason: string) {
    super("BAD_CHECKPOINT", "malformed", `unusable checkpoint: ${reason}`);
  }
}

/** One directory of a checkpoint. `snapshot` is `undefined` where it was too large to remember. */
export interface CheckpointDirectory {
  readonly path: CanonicalPath;
  readonly snapshot: Snapshot | undefined;
}

export function encodeCheckpoint(directories: Iterable<CheckpointDirectory>): Uint8Array {
  const parts: Buffer[] = [];
  let count = 0;
  for (const { path, snapshot } of directories) {
    count++;
    const name = Buffer.from(path);
    const head = Buffer.alloc(2 + name.length + 5);
    head.writeUInt16LE(name.length, 0);
    name.copy(head, 2);
    head.writeUInt8(snapshot === undefined ? 1 : 0, 2 + name.length);
    head.writeUInt32LE(snapshot?.size ?? 0, 3 + name.length);
    parts.push(head);
    for (const [entry, mark] of snapshot?.entries() ?? []) parts.push(encodeEntry(entry, mark));
  }
  const head = Buffer.alloc(9);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt8(VERSION, 4);
  head.writeUInt32LE(count, 5);
  return Buffer.concat([head, ...parts]);
}

function encodeEntry(name: string, mark: EntryMark): Buffer {
  const wide = [...name].some((letter) => letter.length > 1 || letter.charCodeAt(0) > 0xff);
  const bytes = Buffer.from(name, wide ? "utf16le" : "latin1");
  const entry = Buffer.alloc(ENTRY_HEAD + bytes.length + MARK_BYTES);
  entry.writeUInt8(mark.flags | (wide ? WIDE_NAME : 0), 0);
  entry.writeUInt16LE(bytes.length, 1);
  bytes.copy(entry, ENTRY_HEAD);
  let at = ENTRY_HEAD + bytes.length;
  for (const word of [...mark.identity, ...mark.appearance]) at = entry.writeUInt32LE(word, at);
  return entry;
}

/** @throws CheckpointError; costs no more than the bytes given. */
export function decodeCheckpoint(bytes: Uint8Array): CheckpointDirectory[] {
  const reader = new Reader(bytes);
  if (reader.u32() !== MAGIC) throw new CheckpointError("bad magic");
  const version = reader.u8();
  if (version !== VERSION) throw new CheckpointError(`version ${version}`);
  const count = reader.u32();
  const directories: CheckpointDirectory[] = [];
  for (let i = 0; i < count; i++) directories.push(decodeDirectory(reader));
  if (reader.left !== 0) throw new CheckpointError(`${reader.left} bytes too many`);
  return directories;
}

function decodeDirectory(reader: Reader): CheckpointDirectory {
  const path = canonical(reader.bytes(reader.u16()).toString("utf8"));
  const blind = reader.u8() !== 0;
  const entries = reader.u32();
  if (entries * (ENTRY_HEAD + MARK_BYTES) > reader.left)
    throw new CheckpointError("fewer entries than announced");
  const snapshot = new Snapshot();
  for (let i = 0; i < entries; i++) {
    const flags = reader.u8();
    const wide = (flags & WIDE_NAME) !== 0;
    const name = reader.bytes(reader.u16()).toString(wide ? "utf16le" : "latin1");
    if (name === "") throw new CheckpointError("an entry without a name");
    snapshot.set(name, {
      flags: flags & 7,
      identity: [reader.u32(), reader.u32()],
      appearance: [reader.u32(), reader.u32()],
    });
  }
  return { path, snapshot: blind ? undefined : snapshot.compact() };
}

function canonical(path: string): CanonicalPath {
  try {
    return canonicalPath(path);
  } catch {
    throw new CheckpointError("bad path");
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  bytes(length: number): Buffer {
    if (length > this.left) throw new CheckpointError("cut short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  u8(): number {
    return this.bytes(1).readUInt8(0);
  }

  u16(): number {
    return this.bytes(2).readUInt16LE(0);
  }

  u32(): number {
    return this.bytes(4).readUInt32LE(0);
  }
}

/** What has been told of the interest's directories; `undefined` before its first listing. */
export function takeCheckpoint<T>(picture: Picture<T>, interest: Interest): Uint8Array | undefined {
  const root = picture.find(interest.path);
  if (root === undefined || !root.told) return undefined;
  const nodes: Iterable<PictureNode<T>> = interest.recursive ? root.walk() : [root];
  const directories: CheckpointDirectory[] = [];
  for (const node of nodes) {
    if (node.told) directories.push({ path: node.path, snapshot: node.snapshot });
  }
  return encodeCheckpoint(directories);
}

/**
 * Takes an earlier owner's picture over, so that the first listing is compared with it. Returns whether
 * that will tell everything; what is already pictured here cannot be compared for one interest alone.
 * @throws CheckpointError
 */
export function adoptCheckpoint<T>(
  picture: Picture<T>,
  interest: Interest,
  bytes: Uint8Array,
  key: (path: CanonicalPath) => string,
): boolean {
  const root = key(interest.path);
  const mine = decodeCheckpoint(bytes).filter(({ path }) =>
    interest.recursive ? isWithin(root, key(path)) : key(path) === root,
  );
  let whole = mine.some(({ path }) => key(path) === root);
  for (const { path, snapshot } of mine) {
    const node = picture.ensure(path);
    if (node.told) {
      whole = false;
      continue;
    }
    node.snapshot = snapshot;
    node.blind = snapshot === undefined;
  }
  return whole;
}
