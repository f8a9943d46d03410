import { AbortedError } from "../../base/errors.ts";
import { LeaseState } from "../../codec/msg/lease.ts";
import { NtStatus } from "../../codec/status.ts";
import type { Tree } from "../login/index.ts";
import { type FileInfo, infoOfCreate } from "./file-info.ts";
import { statPath } from "./listing.ts";
import {
  closeFile,
  closeQuietly,
  createdOf,
  createForProbe,
  createForStat,
  open,
  orphanCloser,
  PREVIOUS_HANDLE,
} from "./open.ts";

/**
 * - `closed`:  nobody has it open for writing; `info` is of that moment.
 * - `open`:    somebody has, or keeps a lease that he does not give back.
 * - `unknown`: the server cannot be asked without being in the way of others, or does not let us read.
 */
export type WriterState = "closed" | "open" | "unknown";

export interface Probed {
  readonly writer: WriterState;
  readonly info: FileInfo;
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Whoever keeps a lease is asked for it, and the server waits for the answer (35 s on Samba): longer than this we do not.
 */
const LEASE_MS = 5_000;

/**
 * Asks whether anybody has a file open for writing, without being in anybody's way: no writer that comes meanwhile is
 * refused. The question is an open that does not share writing, and while it lasts others are refused, unless it has a
 * lease with handle caching: then they wait until it is closed, which it is by the same compound. Whether it would get
 * one has to be known before: Samba gives such an open none while somebody reads without a lease (seen with 4.17 and
 * 4.22), nor with `oplocks = no`. So the file is looked at first, by an open that no sharing concerns (no access to data)
 * and that asks for the lease; Samba gives it whoever else has the file open, and the question shares its key, and so
 * the lease. Without lease there is no question. @throws SmbStatusError and what `Tree.exchange` throws
 */
export async function probeFile(tree: Tree, name: string, { signal }: ProbeOptions = {}): Promise<Probed> {
  // Version 2 of leases, which is what we speak, is of SMB 3.0.
  if (tree.info.dialect < 0x0300) return { writer: "unknown", info: await statPath(tree, name, { signal }) };
  const lease = tree.connection.leases.take();
  try {
    const { fileId, info, granted } = await open(tree, createForStat(tree, name, lease.key), signal);
    let closed: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closed ??= closeQuietly(tree, fileId);
      return closed;
    };
    // Somebody wants to rename or delete it, or to write, and waits.
    void lease.recalled.then(close);
    try {
      if (info.type === "directory" || (granted & LeaseState.HANDLE) === 0)
        return { writer: "unknown", info };
      return await ask(tree, name, { key: lease.key, info, signal });
    } finally {
      await close();
    }
  } finally {
    lease.end();
  }
}

async function ask(
  tree: Tree,
  name: string,
  about: { readonly key: Uint8Array; readonly info: FileInfo; readonly signal: AbortSignal | undefined },
): Promise<Probed> {
  const { key, info, signal } = about;
  const late = new AbortController();
  const cancel = tree.connection.options.clock.after(LEASE_MS, () => late.abort());
  const until = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
  const question = createForProbe(tree, name, key);
  // By the same compound, whatever becomes of us.
  const whole = tree.session.canCompound(2);
  const requests = whole ? [question, closeFile(PREVIOUS_HANDLE, true)] : [question];
  try {
    const orphan = whole ? {} : { orphan: orphanCloser(tree) };
    const [answer] = await tree.exchange(requests, { signal: until, ...orphan });
    const { status } = answer?.header ?? {};
    if (status === NtStatus.SHARING_VIOLATION) return { writer: "open", info };
    if (status === NtStatus.ACCESS_DENIED) return { writer: "unknown", info };
    const created = createdOf(tree, answer);
    if (!whole) await closeQuietly(tree, created.fileId);
    return { writer: "closed", info: infoOfCreate(created, info.fileId) };
  } catch (error) {
    if (error instanceof AbortedError && late.signal.aborted && signal?.aborted !== true) {
      return { writer: "open", info };
    }
    throw error;
  } finally {
    cancel();
  }
}
