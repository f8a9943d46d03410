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
}

export interface FileNotifyInformation {
  readonly records: readonly FileNotifyRecord[];
  /**
   * Names cannot be trusted alone, the directory must be listed: records were left out because their name cannot
   * be part of a path (empty, `..`, a NUL, a leading separator), or have a name that listings show otherwise.
   */
  readonly doubtful: boolean;
}

const FIXED = 12;

/**
 * Reads the records. Padding may hold anything, and bytes may follow the last record: servers do both.
 * @throws DecodeError when the chain itself is broken (MS-SMB2 3.2.5.16).
 */
export function decodeFileNotifyInformation(buffer: Uint8Array): FileNotifyInformation {
  const records: FileNotifyRecord[] = [];
  let doubtful = false;
  if (buffer.length === 0) return { records, doubtful };
  for (let at = 0; ; ) {
    const reader = new Reader(buffer, at);
    const next = reader.u32("NextEntryOffset");
    const action = reader.u32("Action");
    const nameLength = reader.u32("FileNameLength");
    const fileName = reader.utf16(nameLength, "FileName");
    const name = isStreamAction(action) ? fileName.replace(/:.*$/s, "") : fileName;
    const usable = isUsableRelativeName(name) && !/[\0\\/]/.test(fileName.slice(name.length));
    const temporary = usable && isTemporaryRelativeName(name);
    if (usable) records.push(temporary ? { action, fileName, temporary } : { action, fileName });
    doubtful ||= !usable || !(temporary || isListedRelativeName(name));
    if (next === 0) return { records, doubtful };
    if (next % 4 !== 0 || next < FIXED + nameLength || at + next >= buffer.length) {
      throw new DecodeError("NextEntryOffset", at, `${next} with ${buffer.length - at} bytes left`);
    }
    at += next;
  }
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
