import { throwIfAborted } from "../../base/async.ts";
import { Command, commandName } from "../../codec/header.ts";
import type { CreateResponse } from "../../codec/msg/create.ts";
import { DirectoryClass, decodeDirectoryInformation } from "../../codec/msg/directory-information.ts";
import {
  decodeQueryDirectoryResponse,
  encodeQueryDirectoryRequest,
  QueryDirectoryFlags,
} from "../../codec/msg/query-directory.ts";
import { isUsableName } from "../../codec/names.ts";
import { NtStatus } from "../../codec/status.ts";
import { SmbStatusError } from "../errors.ts";
import type { Tree } from "../login/index.ts";
import type { HeldLease, Response } from "../wire/index.ts";
import { type DirEntry, entryOf, type FileInfo, infoOfCreate } from "./file-info.ts";
import {
  closeFile,
  closeQuietly,
  createDirectory,
  createdOf,
  createForStat,
  fileIdOf,
  glanceLease,
  isHandleLease,
  open,
  orphanCloser,
  PREVIOUS_HANDLE,
  queryFileId,
  querySpelling,
  spellingOf,
  type TreeRequest,
} from "./open.ts";

export type { DirEntry, FileInfo } from "./file-info.ts";

const SMALL_PAGE = 65_536;
/** Some 2,000 entries: decoding more at once would keep the event loop for tens of milliseconds. */
const LARGE_PAGE = 1 << 18;
/** Overflows in a row without a single entry: a server that does not move is left. */
const MOST_EMPTY_PAGES = 16;

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export interface StatOptions extends Cancellable {
  /** `FileInfo.spelling` is wanted. */
  readonly spelling?: boolean;
}

export interface ListOptions extends Cancellable {
  /** It is known to take more than a page or two. Default false. */
  readonly large?: boolean | undefined;
  /** Called before the first page, with the directory as it was when it was opened; `fileId` is not asked for. */
  readonly onOpened?: ((directory: FileInfo) => void) | undefined;
  /** Asks for entries of these names only, one request each; others may be among the answers. None may hold a wildcard. */
  readonly only?: readonly string[] | undefined;
}

/**
 * Lists one directory on a handle of its own, page by page (MS-SMB2 3.2.4.17). A directory that fits into
 * one page costs one round trip, the CLOSE included: while the handle is open nobody can remove the directory. Order
 * is the server's. Names that could not be part of a path are left out.
 * @throws SmbStatusError and what `Tree.exchange` throws
 */
export async function* listDirectory(
  tree: Tree,
  name: string,
  { signal, onOpened, large = false, only }: ListOptions = {},
): AsyncGenerator<readonly DirEntry[], void> {
  const lease = glanceLease(tree, { unlessKnown: true });
  try {
    if (only !== undefined) {
      yield* listNames(tree, name, only, lease, signal);
      return;
    }
    const small = large ? undefined : await listAtOnce(tree, name, lease, signal);
    if (small === undefined) yield* listInPages(tree, name, lease, { signal, onOpened });
    else {
      onOpened?.(infoOfCreate(small.opened, undefined));
      if (small.entries.length > 0) yield small.entries;
    }
  } finally {
    lease?.end();
  }
}

/** `undefined` when the directory turns out to be larger than that, or credits do not allow it. */
async function listAtOnce(
  tree: Tree,
  name: string,
  lease: HeldLease | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly opened: CreateResponse; readonly entries: readonly DirEntry[] } | undefined> {
  if (!tree.session.canCompound(4)) return undefined;
  const bytes = Math.min(SMALL_PAGE, tree.info.maxTransactSize);
  const page = (): TreeRequest => nextPage(PREVIOUS_HANDLE, bytes, true);
  const [created, first, second] = await tree.exchange(
    [createDirectory(tree, name, lease?.key), page(), page(), closeFile(PREVIOUS_HANDLE, true)],
    { signal },
  );
  const opened = createdOf(tree, created);
  if (lease !== undefined) tree.connection.leases.learn(isHandleLease(opened));
  if (first === undefined || second === undefined) return undefined;
  const entries = entriesOf(tree, first);
  if (entries === undefined) return { opened, entries: [] };
  return entriesOf(tree, second) === undefined ? { opened, entries } : undefined;
}

async function* listInPages(
  tree: Tree,
  name: string,
  lease: HeldLease | undefined,
  { signal, onOpened }: ListOptions,
): AsyncGenerator<readonly DirEntry[], void> {
  const { opened, pages } = await openListing(tree, name, lease, signal);
  const { fileId } = opened;
  try {
    onOpened?.(infoOfCreate(opened, undefined));
    for (const page of pages) {
      const entries = entriesOf(tree, page);
      if (entries === undefined) return;
      if (entries.length > 0) yield entries;
    }
    for (let empty = 0; empty < MOST_EMPTY_PAGES; ) {
      throwIfAborted(signal);
      const [page] = await tree.exchange([nextPage(fileId, pageBytes(tree), false)], { signal });
      const entries = page === undefined ? undefined : entriesOf(tree, page);
      if (entries === undefined) return;
      if (entries.length > 0) yield entries;
      empty = entries.length > 0 ? 0 : empty + 1;
    }
    throw tree.broken("QUERY_DIRECTORY: the listing does not move on");
  } finally {
    await closeQuietly(tree, fileId);
  }
}

/**
 * What the listing of a directory shows under some names: what is hidden or refused by itself shows here as it does
 * in a whole listing. A name costs one request, the directory two; in one round trip where credits allow.
 */
async function* listNames(
  tree: Tree,
  name: string,
  names: readonly string[],
  lease: HeldLease | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly DirEntry[], void> {
  const [first, ...others] = names;
  if (first === undefined) return;
  if (tree.session.canCompound(names.length + 2)) {
    const bytes = Math.min(SMALL_PAGE, tree.info.maxTransactSize);
    const [created, ...rest] = await tree.exchange(
      [
        createDirectory(tree, name, lease?.key),
        ...names.map((each) => nextPage(PREVIOUS_HANDLE, bytes, true, each)),
        closeFile(PREVIOUS_HANDLE, true),
      ],
      { signal },
    );
    createdOf(tree, created);
    for (const page of rest.slice(0, names.length)) yield* foundIn(tree, page);
    return;
  }
  const { opened, pages } = await openListing(tree, name, lease, signal, first);
  const { fileId } = opened;
  try {
    for (const page of pages) yield* foundIn(tree, page);
    for (const each of pages.length > 0 ? others : [first, ...others]) {
      throwIfAborted(signal);
      const request = nextPage(fileId, Math.min(SMALL_PAGE, tree.info.maxTransactSize), false, each);
      for (const page of await tree.exchange([request], { signal })) yield* foundIn(tree, page);
    }
  } finally {
    await closeQuietly(tree, fileId);
  }
}

/** The answer about one name. One that the server does not accept as a name is on no listing either. */
function* foundIn(tree: Tree, page: Response): Generator<readonly DirEntry[], void> {
  const { status } = page.header;
  if (status === NtStatus.OBJECT_NAME_NOT_FOUND || status === NtStatus.OBJECT_NAME_INVALID) return;
  const entries = entriesOf(tree, page);
  if (entries !== undefined && entries.length > 0) yield entries;
}

/** Looks at one entry, in one round trip where credits allow. @throws SmbStatusError and what `Tree.exchange` throws */
export async function statPath(
  tree: Tree,
  name: string,
  { signal, spelling = false }: StatOptions = {},
): Promise<FileInfo> {
  if (spelling) return statSpelling(tree, name, signal);
  if (!tree.session.canCompound(3)) {
    const { fileId, info } = await open(tree, createForStat(tree, name), signal);
    await closeQuietly(tree, fileId);
    return info;
  }
  const lease = glanceLease(tree, { unlessKnown: false });
  try {
    const [created, queried] = await tree.exchange(
      [
        createForStat(tree, name, lease?.key),
        queryFileId(PREVIOUS_HANDLE, true),
        closeFile(PREVIOUS_HANDLE, true),
      ],
      { signal },
    );
    return infoOfCreate(createdOf(tree, created), fileIdOf(tree, queried));
  } finally {
    lease?.end();
  }
}

/** The same, and how the server itself calls what may go by a stand-in. */
async function statSpelling(tree: Tree, name: string, signal: AbortSignal | undefined): Promise<FileInfo> {
  const { fileId, info } = await open(tree, createForStat(tree, name), signal);
  try {
    const [answer] = await tree.exchange([querySpelling(fileId)], { signal });
    return { ...info, spelling: spellingOf(tree, answer) };
  } finally {
    await closeQuietly(tree, fileId);
  }
}

/**
 * The handle, and the answers to the first two pages: of a small directory the second says that it was all. With
 * `only`, what there is of that name. Without pages where they could not go along.
 */
async function openListing(
  tree: Tree,
  name: string,
  lease: HeldLease | undefined,
  signal: AbortSignal | undefined,
  only?: string,
): Promise<{ readonly opened: CreateResponse; readonly pages: readonly Response[] }> {
  const bytes = Math.min(SMALL_PAGE, tree.info.maxTransactSize);
  const requests = [createDirectory(tree, name, lease?.key)];
  if (tree.session.canCompound(3)) {
    requests.push(nextPage(PREVIOUS_HANDLE, bytes, true, only));
    if (only === undefined) requests.push(nextPage(PREVIOUS_HANDLE, bytes, true));
  }
  const [created, ...pages] = await tree.exchange(requests, { signal, orphan: orphanCloser(tree) });
  return { opened: createdOf(tree, created), pages };
}

/** The next entries, or from the start those of one name. */
function nextPage(fileId: Uint8Array, bytes: number, related: boolean, only?: string): TreeRequest {
  return {
    command: Command.QUERY_DIRECTORY,
    related,
    payload: bytes,
    body: encodeQueryDirectoryRequest({
      fileInformationClass: DirectoryClass.ID_FULL,
      // Only that makes a server take a new pattern on an open handle (MS-SMB2 3.3.5.18). With RESTART_SCANS Samba 4.17
      // does, too; 4.22 and 4.25 go on with the first one, and find nothing.
      flags: only === undefined ? 0 : QueryDirectoryFlags.REOPEN,
      fileIndex: 0,
      fileId,
      fileName: only ?? "*",
      outputBufferLength: bytes,
    }),
  };
}

/** As large as the server and a quarter of the credits allow: others want to be served meanwhile. */
function pageBytes(tree: Tree): number {
  const byCredits = Math.floor(tree.connection.creditReach / 4) * SMALL_PAGE;
  return Math.min(
    LARGE_PAGE,
    tree.info.maxTransactSize,
    Math.max(SMALL_PAGE, tree.multiCredit ? byCredits : 0),
  );
}

/** The usable entries of one page; `undefined` at the end of the listing. */
function entriesOf(tree: Tree, response: Response): DirEntry[] | undefined {
  const { status, command } = response.header;
  switch (status) {
    case NtStatus.NO_MORE_FILES:
    // An empty directory, where a server does not even list "." and "..".
    case NtStatus.NO_SUCH_FILE:
      return undefined;
    case NtStatus.SUCCESS:
    // MS-SMB2 3.2.5.15: what fits is here, and may be nothing; ask on.
    case NtStatus.BUFFER_OVERFLOW:
      break;
    default:
      throw new SmbStatusError(commandName(command), status);
  }
  const entries = tree.decode(response, (message) =>
    decodeDirectoryInformation(decodeQueryDirectoryResponse(message), DirectoryClass.ID_FULL),
  );
  return entries.filter((entry) => isUsableName(entry.fileName)).map(entryOf);
}
