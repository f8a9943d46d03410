import { Command, commandName } from "../../codec/header.ts";
import { encodeCloseRequest } from "../../codec/msg/close.ts";
import {
  Access,
  CreateDisposition,
  CreateOptions,
  type CreateResponse,
  decodeCreateResponse,
  encodeCreateRequest,
  ShareAccess,
} from "../../codec/msg/create.ts";
import {
  decodeFileAllInformation,
  decodeFileInternalInformation,
  FileInformationClass,
  INTERNAL_BYTES,
} from "../../codec/msg/file-information.ts";
import { type Lease, LeaseState } from "../../codec/msg/lease.ts";
import { decodeQueryInfoResponse, encodeQueryInfoRequest } from "../../codec/msg/query-info.ts";
import { NtStatus } from "../../codec/status.ts";
import { SmbProtocolError, SmbStatusError } from "../errors.ts";
import type { Tree } from "../login/index.ts";
import type { HeldLease, RequestOptions, Response } from "../wire/index.ts";
import { type FileInfo, infoOfCreate, usableFileId } from "./file-info.ts";

/** MS-SMB2 3.2.4.1.4: in a related compound, "the handle that the message before opened". */
export const PREVIOUS_HANDLE: Uint8Array = new Uint8Array(16).fill(0xff);

export type TreeRequest = Omit<RequestOptions, "treeId">;

/** A directory as it is opened for watching and listing: others may do with it what they like, delete included. */
export function createDirectory(tree: Tree, name: string, leaseKey?: Uint8Array): TreeRequest {
  return create(tree, name, {
    ...leased(leaseKey),
    desiredAccess: Access.LIST_DIRECTORY | Access.READ_ATTRIBUTES | Access.SYNCHRONIZE,
    // Nothing but DIRECTORY_FILE: FILE_NO_INTERMEDIATE_BUFFERING makes Windows refuse directories.
    createOptions: CreateOptions.DIRECTORY_FILE,
  });
}

/**
 * Any entry as listings show it, only to be looked at: itself, not what it points to. Samba lists what a symbolic
 * link leads to, and nothing where that is not there; asked for the link itself it has ignored that up to 4.17, and
 * answers since (seen with 4.22 and 4.25) with another file id than the listing has, dangling or not.
 */
export function createForStat(tree: Tree, name: string, leaseKey?: Uint8Array): TreeRequest {
  return create(tree, name, {
    ...leased(leaseKey),
    desiredAccess: Access.READ_ATTRIBUTES | Access.SYNCHRONIZE,
    createOptions: tree.info.kind === "samba" ? 0 : CreateOptions.OPEN_REPARSE_POINT,
  });
}

/**
 * A file, opened for reading as long as nobody has it open for writing: that is refused by a sharing violation
 * (MS-FSA 2.1.5.1.2.2). While it is open nobody else can open it for writing, so the lease is no luxury.
 */
export function createForProbe(tree: Tree, name: string, leaseKey: Uint8Array): TreeRequest {
  return create(tree, name, {
    ...leased(leaseKey),
    desiredAccess: Access.READ_DATA | Access.READ_ATTRIBUTES | Access.SYNCHRONIZE,
    shareAccess: ShareAccess.READ | ShareAccess.DELETE,
    createOptions: CreateOptions.NON_DIRECTORY_FILE,
  });
}

/** A new, empty file that is gone when its handle is: nothing else is ever written. Fails where the name is taken. */
export function createTemporary(tree: Tree, name: string): TreeRequest {
  return create(tree, name, {
    desiredAccess: Access.READ_ATTRIBUTES | Access.DELETE | Access.SYNCHRONIZE,
    createOptions: CreateOptions.NON_DIRECTORY_FILE | CreateOptions.DELETE_ON_CLOSE,
    createDisposition: CreateDisposition.CREATE,
  });
}

/** Handle caching comes with read caching only. */
function leased(key: Uint8Array | undefined): { readonly lease?: Lease } {
  return key === undefined ? {} : { lease: { key, state: LeaseState.READ | LeaseState.HANDLE } };
}

/**
 * For a handle that is only a glance: whoever wants to remove or rename what it is in the way of finds it gone a moment
 * later, but only a lease makes the server wait that long instead of refusing. Version 2, which directories take, is of
 * SMB 3.0.
 */
export function glanceLease(
  tree: Tree,
  { unlessKnown }: { readonly unlessKnown: boolean },
): HeldLease | undefined {
  const { leases } = tree.connection;
  if (tree.info.dialect < 0x0300 || !(leases.given ?? unlessKnown)) return undefined;
  return leases.take();
}

export function isHandleLease({ lease }: CreateResponse): boolean {
  return ((lease?.state ?? 0) & LeaseState.HANDLE) !== 0;
}

function create(
  tree: Tree,
  name: string,
  {
    desiredAccess,
    createOptions,
    shareAccess = ShareAccess.ALL,
    createDisposition = CreateDisposition.OPEN,
    lease,
  }: {
    readonly desiredAccess: number;
    readonly createOptions: number;
    readonly shareAccess?: number;
    readonly createDisposition?: number;
    readonly lease?: Lease;
  },
): TreeRequest {
  return {
    command: Command.CREATE,
    dfs: tree.dfs,
    body: encodeCreateRequest({
      desiredAccess,
      fileAttributes: 0,
      shareAccess,
      createDisposition,
      createOptions,
      name: tree.nameOf(name),
      ...(lease === undefined ? {} : { lease }),
    }),
  };
}

/** Asks for the 64-bit file id (FileInternalInformation), which CREATE does not tell. */
export function queryFileId(fileId: Uint8Array, related: boolean): TreeRequest {
  return {
    command: Command.QUERY_INFO,
    related,
    payload: INTERNAL_BYTES,
    body: encodeQueryInfoRequest({
      fileInfoClass: FileInformationClass.INTERNAL,
      outputBufferLength: INTERNAL_BYTES,
      fileId,
    }),
  };
}

/** A name may have 255 characters, a path many names: longer ones stay unknown. */
const SPELLING_BYTES = 8_192;

/** Asks how the server itself calls a file (FileAllInformation): Samba tells the name on its disk (seen with 4.17). */
export function querySpelling(fileId: Uint8Array): TreeRequest {
  return {
    command: Command.QUERY_INFO,
    payload: SPELLING_BYTES,
    body: encodeQueryInfoRequest({
      fileInfoClass: FileInformationClass.ALL,
      outputBufferLength: SPELLING_BYTES,
      fileId,
    }),
  };
}

export function closeFile(fileId: Uint8Array, related = false): TreeRequest {
  return { command: Command.CLOSE, related, body: encodeCloseRequest({ fileId }) };
}

export interface Opened {
  readonly fileId: Uint8Array;
  readonly info: FileInfo;
  /** LeaseState bits that the server granted. */
  readonly granted: number;
}

/** Opens, and reads the file id, in one round trip where credits allow. @throws SmbStatusError and what `exchange` throws */
export async function open(
  tree: Tree,
  request: TreeRequest,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const orphan = orphanCloser(tree);
  if (tree.session.canCompound(2)) {
    const [created, queried] = await tree.exchange([request, queryFileId(PREVIOUS_HANDLE, true)], {
      signal,
      orphan,
    });
    const response = createdOf(tree, created);
    return openedBy(tree, response, queried);
  }
  const [created] = await tree.exchange([request], { signal, orphan });
  const response = createdOf(tree, created);
  try {
    const [queried] = await tree.exchange([queryFileId(response.fileId, false)], { signal });
    return openedBy(tree, response, queried);
  } catch (error) {
    await closeQuietly(tree, response.fileId);
    throw error;
  }
}

function openedBy(tree: Tree, created: CreateResponse, queried: Response | undefined): Opened {
  const { fileId, lease } = created;
  return { fileId, info: infoOfCreate(created, fileIdOf(tree, queried)), granted: lease?.state ?? 0 };
}

/** @throws SmbStatusError unless the CREATE succeeded */
export function createdOf(tree: Tree, response: Response | undefined): CreateResponse {
  if (response === undefined) throw new SmbProtocolError("CREATE: no answer");
  const { status, command } = response.header;
  if (status !== NtStatus.SUCCESS) throw new SmbStatusError(commandName(command), status);
  const created = tree.decode(response, decodeCreateResponse);
  if (created.fileId.every((byte) => byte === 0xff) || created.fileId.every((byte) => byte === 0)) {
    throw tree.broken("CREATE: the handle is none");
  }
  return created;
}

/** Servers without file ids refuse the question or answer 0: both mean "not known". */
export function fileIdOf(tree: Tree, response: Response | undefined): bigint | undefined {
  if (response === undefined || response.header.status !== NtStatus.SUCCESS) return undefined;
  const id = tree.decode(response, (message) =>
    decodeFileInternalInformation(decodeQueryInfoResponse(message)),
  );
  return usableFileId(id);
}

/** The last name of the path that the server tells; `undefined` where it tells none. */
export function spellingOf(tree: Tree, response: Response | undefined): string | undefined {
  if (response === undefined || response.header.status !== NtStatus.SUCCESS) return undefined;
  const { fileName } = tree.decode(response, (message) =>
    decodeFileAllInformation(decodeQueryInfoResponse(message)),
  );
  return fileName.split("\\").at(-1);
}

/** Closes, and does not care whether it worked: the handle dies with its connection anyway. */
export async function closeQuietly(tree: Tree, fileId: Uint8Array): Promise<void> {
  await tree.exchange([closeFile(fileId)]).catch(() => undefined);
}

/** Closes handles whose opener did not wait for them. */
export function orphanCloser(tree: Tree): (response: Response) => void {
  return ({ header, message }) => {
    if (header.command !== Command.CREATE || header.status !== NtStatus.SUCCESS) return;
    void closeQuietly(tree, tree.decode({ header, message }, decodeCreateResponse).fileId);
  };
}
