import { Smb2NatsError } from "../base/errors.ts";
import type { CanonicalPath } from "../base/path.ts";

/**
 * All that the watch engine knows of a file server. Declared here, implemented over SMB in
 * `src/share`, over memory in unit tests. Every method honours its signal and has its own deadline.
 */
export interface DirectorySource {
  /** Opens a directory for watching. @throws SourceError */
  open(path: CanonicalPath, options: OpenOptions): Promise<WatchedDirectory>;
  /** Lists the entries of one directory, page by page, without `.` and `..`. @throws SourceError */
  list(path: CanonicalPath, options: ListOptions): AsyncIterable<readonly DirectoryEntry[]>;
  /** Looks at one entry by path without following it. @throws SourceError */
  stat(path: CanonicalPath, options: StatOptions): Promise<EntryInfo>;
  /**
   * Asks whether anybody has a file open for writing, without being in the way of anybody: no writer that comes while we
   * ask may be refused. Absent where the server can never be asked. @throws SourceError
   */
  probe?(path: CanonicalPath, options: StatOptions): Promise<ProbedFile>;
  /**
   * Waits until the server may be asked again after `unreachable`; the source owns reconnecting and
   * its backoff, so a thousand watches do not each dial. Resolves when connected; until then tells `onFailed`
   * why it does not come about: it is away, or only people can help (`policy`). @throws SourceError for what is not even
   * tried again (`credentials`).
   */
  reachable(options: ReachOptions): Promise<void>;
  /**
   * Somebody wants to know how it is now: a server that is away is asked without waiting for the next turn, at most once a
   * second, and never after a refused login. Resolves when that is over, whatever was found. Absent: its pauses are short.
   * @throws AbortedError
   */
  hurry?(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Resolves when everything has been heard that the server had sent until now, on every connection. @throws SourceError */
  roundTrip(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** The server's clock (FILETIME); `undefined` where it is not known. */
  serverTime?(): bigint | undefined;
  /** What the server is like, known once connected. */
  readonly traits: SourceTraits;
}

export interface StatOptions {
  readonly signal?: AbortSignal | undefined;
  /** `EntryInfo.spelling` is wanted. */
  readonly spelling?: boolean;
}

export interface ProbedFile {
  /** Nobody writes it; somebody may; or the server cannot say without being in the way, or will not tell us. */
  readonly writer: "closed" | "open" | "unknown";
  /** With `closed`: as it was when nobody was writing. */
  readonly info: EntryInfo;
}

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** It is going to be armed for the whole tree. Default false. */
  readonly recursive?: boolean;
  /** Others shall be able to make us close it before they delete or rename: see `WatchedDirectory.recalled`. Default false. */
  readonly lease?: boolean;
}

export interface ListOptions {
  readonly signal?: AbortSignal | undefined;
  /** It is known to hold more than some hundred entries. Default false. */
  readonly large?: boolean | undefined;
  /**
   * Called before the first page, and also where there is none, with the directory's own last write: as it was
   * when the listing had not read anything yet.
   */
  readonly onOpened?: ((directory: Pick<EntryInfo, "modified">) => void) | undefined;
  /**
   * Only entries of these names, in whatever case the listing has them: what a whole listing would show under them, for
   * less where they are few. Without `onOpened` then.
   */
  readonly only?: readonly string[] | undefined;
}

export interface ReachOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onFailed?: ((failure: SourceError) => void) | undefined;
}

export interface SourceTraits {
  /** Recursive notifications report everything (Windows), or miss sub-directory writes (Samba, others). */
  readonly fullRecursion: boolean;
  /** A recursive handle at the root hears nothing of some parts of the share: what DFS links lead to. Default false. */
  readonly recursionStops?: boolean;
  /** What the handle on the root hears is heard through one on a directory above. Default false. */
  readonly rootFromAbove?: boolean;
  /** How many CHANGE_NOTIFY requests to keep stacked on one handle: 1 or 2. */
  readonly notifyDepth: number;
  /**
   * How long after accepting a request the server may still be deaf, ms: a second listing follows that much
   * later. Default 0: it hears as soon as it has accepted.
   */
  readonly settleScanMs?: number;
  /** A rename may be told to directories in which only one of its names lies. Default false. */
  readonly doubtfulRenames?: boolean;
  /** Records may come to another handle than the one of their directory (Samba; strays.ts has the story). */
  readonly strayRecords?: boolean;
}

export interface EntryInfo {
  readonly type: "file" | "directory";
  /** 64-bit file id; `undefined` where the server gives none. Inode numbers get reused: compare `created` too. */
  readonly fileId: bigint | undefined;
  /** FILETIME, 100 ns since 1601. */
  readonly created: bigint;
  /** FILETIME of the last write. */
  readonly modified: bigint;
  /** FILETIME of the last change of content or metadata. */
  readonly changed: bigint;
  /** Bytes. */
  readonly size: number;
  /** FILE_ATTRIBUTE_* bits (MS-FSCC 2.6). */
  readonly attributes: number;
  /** The name that notifications have for it, where that was asked for and the server tells. */
  readonly spelling?: string | undefined;
}

export interface DirectoryEntry extends EntryInfo {
  readonly name: string;
}

/** One open handle on a directory. */
export interface WatchedDirectory {
  readonly path: CanonicalPath;
  /** Identity of the directory this handle holds, whatever its path means by now. */
  readonly info: EntryInfo;
  /**
   * Sends one CHANGE_NOTIFY. Several may be stacked; they are served first in, first out. The first
   * call on a handle fixes `recursive` and `filter` (MS-SMB2 3.3.1.3). Never throws: failures are outcomes.
   */
  arm(options: { readonly recursive: boolean; readonly filter: number }): ArmedNotify;
  /**
   * With a lease: somebody wants to delete or rename what this handle is in the way of, and waits until it is closed
   * (half a minute at most). Absent where no lease was asked for, or granted.
   */
  readonly recalled?: Promise<void> | undefined;
  /** Closes the handle; what is armed ends with `cancelled`. Idempotent. */
  close(): Promise<void>;
}

export interface ArmedNotify {
  /**
   * Resolves `true` once the server is known to hold or to have answered the request: from then on no
   * change can be missed. Resolves `false` when it failed; `outcome` says how. Never rejects.
   */
  readonly accepted: Promise<boolean>;
  /** Exactly one outcome. Never rejects. */
  readonly outcome: Promise<NotifyOutcome>;
  /** Asks the server to give the request up; `outcome` tells what became of it. */
  cancel(): void;
}

export type NotifyOutcome =
  /** `doubtful`: something else has changed as well: list again. No records: only the directory itself has. */
  | { readonly type: "records"; readonly records: readonly NotifyRecord[]; readonly doubtful?: boolean }
  /** The server lost track (STATUS_NOTIFY_ENUM_DIR, or success with nothing in it): list again. */
  | { readonly type: "overflow" }
  /** The server dropped handle, tree or session (STATUS_NOTIFY_CLEANUP and its kin). */
  | { readonly type: "cleanup" }
  | { readonly type: "cancelled" }
  | { readonly type: "failed"; readonly error: SourceError };

/** One FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1). */
export interface NotifyRecord {
  /** FILE_ACTION_*: 1 added, 2 removed, 3 modified, 4 old name, 5 new name, 6-8 streams; others unknown. */
  readonly action: number;
  /** Relative to the watched directory, `/`-separated. */
  readonly name: string;
  /** A directory in the making has this name, which no listing shows; RENAMED_NEW_NAME follows, or nothing. */
  readonly temporary?: true;
  /** Listings may show it, or a directory on the way to it, by another name. */
  readonly odd?: true;
}

/**
 * - `gone`: the path does not exist (now).
 * - `denied`: the account may not.
 * - `not-a-directory`
 * - `unsupported`: the server cannot notify.
 * - `busy`: the server is short of something; try later, with less.
 * - `unreachable`: connection, session or share is away.
 * - `credentials`: login refused; do not try again by yourself (lock-out).
 * - `policy`: there is no connection until somebody changes a setting, here or on the server; tried again slowly.
 * - `bad-path`: the server refuses the name.
 */
export type SourceFailure =
  | "gone"
  | "denied"
  | "not-a-directory"
  | "unsupported"
  | "busy"
  | "unreachable"
  | "credentials"
  | "policy"
  | "bad-path";

const RETRYABLE: ReadonlySet<SourceFailure> = new Set(["gone", "busy", "unreachable"]);

/** The server, or the way to it, said no. */
export class SourceError extends Smb2NatsError {
  readonly failure: SourceFailure;
  constructor(failure: SourceFailure, message: string, cause?: unknown) {
    super(
      `SOURCE_${failure.toUpperCase().replaceAll("-", "_")}`,
      failure === "unreachable" ? "hung-up" : "refused",
      message,
      {
        retryable: RETRYABLE.has(failure),
        cause,
      },
    );
    this.failure = failure;
  }
}
