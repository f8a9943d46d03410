import { DecodeError } from "../errors.ts";
import { isListedRelativeName, isTemporaryRelativeName, isUsableRelativeName } from "../names.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-FSCC 2.7.1: FILE_NOTIFY_INFORMATION, the records of a CHANGE_NOTIFY response. */

export const FileAction = {
  ADDED: 1,
  REMOVED: 2,
  MODIFIED: 3,
  RENAMED_OLD_NAME: 4,
  RENAMED_NEW_NAME: 5,
  ADDED_STREAM: 6,
  REMOVED_STREAM: 7,
  MODIFIED_STREAM: 8,
} as const;

export interface FileNotifyRecord {
  /** 4, u32: one of `FileAction`, or something newer. */
  readonly action: number;
  /** FileNameLength (8, u32), FileName (12): relative to the watched directory, `\`-separated. */
  readonly fileName: string;
  /** The name is that of a directory in the making: it is never listed. */
  readonly temporary?: true;
  /** Listings may show it, or a directory on the way to it, by another name. */
  readonly odd?: true;
}

export interface FileNotifyInformation {
  readonly records: readonly FileNotifyRecord[];
  /** Records were left out, because their name cannot be part of a path (`..`, a NUL, a leading separator). */
  readonly doubtful: boolean;
  /** Records were left out that are of the watched directory itself: none of its entries has changed. */
  readonly itself?: true;
}

const FIXED = 12;

/**
 * Reads the records. Padding may hold anything, and bytes may follow the last record: servers do both.
 * @throws DecodeError when the chain itself is broken (MS-SMB2 3.2.5.16).
 */
export function decodeFileNotifyInformation(buffer: Uint8Array): FileNotifyInformation {
  const records: FileNotifyRecord[] = [];
  let doubtful = false;
  let itself = false;
  const result = (): FileNotifyInformation =>
    itself ? { records, doubtful, itself } : { records, doubtful };
  if (buffer.length === 0) return result();
  for (let at = 0; ; ) {
    const reader = new Reader(buffer, at);
    const next = reader.u32("NextEntryOffset");
    const action = reader.u32("Action");
    const nameLength = reader.u32("FileNameLength");
    const fileName = reader.utf16(nameLength, "FileName");
    const name = isStreamAction(action) ? fileName.replace(/:.*$/s, "") : fileName;
    const usable = isUsableRelativeName(name) && !/[\0\\/]/.test(fileName.slice(name.length));
    const temporary = usable && isTemporaryRelativeName(name);
    if (isOfItself(action, name)) itself = true;
    else if (temporary) records.push({ action, fileName, temporary });
    else if (usable)
      records.push(isListedRelativeName(name) ? { action, fileName } : { action, fileName, odd: true });
    else doubtful = true;
    if (next === 0) return result();
    if (next % 4 !== 0 || next < FIXED + nameLength || at + next >= buffer.length) {
      throw new DecodeError("NextEntryOffset", at, `${next} with ${buffer.length - at} bytes left`);
    }
    at += next;
  }
}

/**
 * What can happen to a directory without taking it from its place. Samba tells of a local change of its mode, owner or times
 * without a name; or, where the directory above is watched too, with one character instead, of which the code is the
 * number of watched directories and one (seen with 4.17.12). As a control character it is no name of anything.
 */
function isOfItself(action: number, name: string): boolean {
  if (isStreamAction(action)) return name === "";
  return (
    action === FileAction.MODIFIED && (name === "" || (name.length === 1 && name < " " && name !== "\0"))
  );
}

/** Only these have names of the form `file:stream`. */
function isStreamAction(action: number): boolean {
  return action >= FileAction.ADDED_STREAM && action <= FileAction.MODIFIED_STREAM;
}

/** Writes the records, each 4-aligned. */
export function encodeFileNotifyInformation(records: readonly FileNotifyRecord[]): Uint8Array {
  const writer = new Writer(64 * records.length);
  for (const [index, { action, fileName }] of records.entries()) {
    const start = writer.length;
    writer
      .u32(0)
      .u32(action)
      .u32(fileName.length * 2)
      .utf16(fileName);
    if (index < records.length - 1) {
      writer.align(4);
      writer.setU32(start, writer.length - start);
    }
  }
  return writer.finish();
}
