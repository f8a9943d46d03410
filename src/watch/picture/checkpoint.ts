import { Smb2NatsError } from "../../base/errors.ts";
import { type CanonicalPath, canonicalPath, isWithin } from "../../base/path.ts";
import type { Interest } from "../interest.ts";
import type { Steps } from "./diff.ts";
import type { Picture, PictureNode } from "./picture.ts";
import { Snapshot } from "./snapshot.ts";

/*
 * A picture as bytes, for a later owner of the watch. All integers little-endian.
 *
 *   u32 magic "S2NC", u8 version, u32 directories, then each:
 *     u16 bytes of path, path (UTF-8), u8 flags (1 blind, 2 written), u64 last write (FILETIME; 0 unless written),
 *     u32 entries, then each:
 *       u8 flags (EntryFlag, 8 = name in UTF-16), u16 bytes of name, name, 4 x u32 identity, appearance
 */

const MAGIC = 0x434e3253;
const VERSION = 2;
const BLIND = 1;
const WRITTEN = 2;
const WIDE_NAME = 8;
const ENTRY_HEAD = 3;
const MARK_BYTES = 16;
const SLICE = 1_024;

/** Not a checkpoint, not of this version, or damaged. */
export class CheckpointError extends Smb2NatsError {
  constructor(reason: string) {
    super("BAD_CHECKPOINT", "malformed", `unusable checkpoint: ${reason}`);
  }
}

/** One directory as consumers know it. */
export interface CheckpointDirectory {
  readonly path: CanonicalPath;
  /** `undefined` where it was too large to remember. */
  readonly snapshot: Snapshot | undefined;
  /** Last write of the directory itself (FILETIME) when no name had come or gone that was not told. */
  readonly modified?: bigint | undefined;
}

/** Yields the number of entries gone through since the last time. The pictures must not change meanwhile. */
export function* encodeCheckpoint(directories: readonly CheckpointDirectory[]): Steps<Uint8Array> {
  const out = new Writer();
  out.room(9);
  out.u32(MAGIC);
  out.u8(VERSION);
  out.u32(directories.length);
  let done = 0;
  for (const { path, snapshot, modified } of directories) {
    const name = Buffer.from(path);
    out.room(15 + name.length);
    out.u16(name.length);
    out.bytes(name);
    out.u8((snapshot === undefined ? BLIND : 0) | (modified === undefined ? 0 : WRITTEN));
    out.u64(modified ?? 0n);
    out.u32(snapshot?.size ?? 0);
    if (++done % SLICE === 0) yield SLICE;
    for (const [entry, mark] of snapshot?.entries() ?? []) {
      const wide = isWide(entry);
      const bytes = Buffer.from(entry, wide ? "utf16le" : "latin1");
      out.room(ENTRY_HEAD + bytes.length + MARK_BYTES);
      out.u8(mark.flags | (wide ? WIDE_NAME : 0));
      out.u16(bytes.length);
      out.bytes(bytes);
      for (const word of mark.identity) out.u32(word);
      for (const word of mark.appearance) out.u32(word);
      if (++done % SLICE === 0) yield SLICE;
    }
  }
  return out.done();
}

function isWide(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0xff) return true;
  return false;
}

/** Costs no more than the bytes given. @throws CheckpointError */
export function* decodeCheckpoint(bytes: Uint8Array): Steps<CheckpointDirectory[]> {
  const reader = new Reader(bytes);
  if (reader.u32() !== MAGIC) throw new CheckpointError("bad magic");
  const version = reader.u8();
  if (version !== VERSION) throw new CheckpointError(`version ${version}`);
  const count = reader.u32();
  const directories: CheckpointDirectory[] = [];
  for (let i = 0; i < count; i++) {
    directories.push(yield* decodeDirectory(reader));
    if (i % SLICE === SLICE - 1) yield SLICE;
  }
  if (reader.left !== 0) throw new CheckpointError(`${reader.left} bytes too many`);
  return directories;
}

function* decodeDirectory(reader: Reader): Steps<CheckpointDirectory> {
  const path = canonical(reader.bytes(reader.u16()).toString("utf8"));
  const kind = reader.u8();
  const written = reader.u64();
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
    if (i % SLICE === SLICE - 1) yield SLICE;
  }
  return {
    path,
    snapshot: (kind & BLIND) === 0 ? snapshot.compact() : undefined,
    modified: (kind & WRITTEN) === 0 ? undefined : written,
  };
}

function canonical(path: string): CanonicalPath {
  try {
    return canonicalPath(path);
  } catch {
    throw new CheckpointError("bad path");
  }
}

class Writer {
  #bytes = Buffer.alloc(4_096);
  #at = 0;

  /** For what is written next. */
  room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.#at + bytes, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }

  u8(value: number): void {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
  }

  u16(value: number): void {
    this.#at = this.#bytes.writeUInt16LE(value, this.#at);
  }

  u32(value: number): void {
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  u64(value: bigint): void {
    this.#at = this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#at);
  }

  bytes(value: Buffer): void {
    this.#at += value.copy(this.#bytes, this.#at);
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
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
    return this.#bytes.subarray(this.#take(length), this.#at);
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  #take(length: number): number {
    if (length > this.left) throw new CheckpointError("cut short");
    this.#at += length;
    return this.#at - length;
  }
}

/**
 * What has been told of the interest's directories, frozen at once: nothing can change between two of them.
 * `undefined` before the first listing.
 */
export function takeCheckpoint<T>(
  picture: Picture<T>,
  interest: Interest,
): CheckpointDirectory[] | undefined {
  const root = picture.find(interest.path);
  if (root === undefined || !root.told) return undefined;
  const nodes: Iterable<PictureNode<T>> = interest.recursive ? root.walk() : [root];
  const directories: CheckpointDirectory[] = [];
  for (const node of nodes) {
    if (!node.told) continue;
    directories.push({ path: node.path, snapshot: node.snapshot?.freeze(), modified: node.dirModified });
  }
  return directories;
}

/**
 * Takes an earlier owner's picture over, so that the first listing is compared with it. Returns whether
 * that will tell everything; what is already pictured here cannot be compared for one interest alone.
 */
export function adoptCheckpoint<T>(
  picture: Picture<T>,
  interest: Interest,
  directories: readonly CheckpointDirectory[],
  key: (path: CanonicalPath) => string,
): boolean {
  const root = key(interest.path);
  const mine = directories.filter(({ path }) =>
    interest.recursive ? isWithin(root, key(path)) : key(path) === root,
  );
  let whole = mine.some(({ path }) => key(path) === root);
  for (const { path, snapshot, modified } of mine) {
    const node = picture.ensure(path);
    if (node.told) {
      whole = false;
      continue;
    }
    node.snapshot = snapshot;
    node.blind = snapshot === undefined;
    node.dirModified = modified;
    node.inherited = true;
  }
  return whole;
}
