import { type Deferred, deferred, sleep, waitFor } from "../../../src/base/async.ts";
import type { Clock } from "../../../src/base/clock.ts";
import {
  baseName,
  type CanonicalPath,
  foldCase,
  joinPath,
  parentOf,
  segmentsOf,
} from "../../../src/base/path.ts";
import {
  type ArmedNotify,
  type DirectoryEntry,
  type DirectorySource,
  type EntryInfo,
  type ListOptions,
  type NotifyOutcome,
  type NotifyRecord,
  type OpenOptions,
  type ReachOptions,
  SourceError,
  type SourceFailure,
  type SourceTraits,
  type StatOptions,
  type WatchedDirectory,
} from "../../../src/watch/source.ts";

/** How an entry is kept from those who list: by name only it can be opened, or not at all. */
export type Hidden = "listing" | "unreadable";

/** A file system in memory behind the port of the watch engine, with the faults of real servers. */

interface FakeNode {
  readonly id: bigint;
  readonly created: bigint;
  readonly type: "file" | "directory";
  readonly children: Map<string, FakeNode>;
  parent: FakeNode | undefined;
  name: string;
  modified: bigint;
  size: number;
  attributes: number;
  /** Monotonic ms of the last change. */
  modifiedAt: number;
  /** A symbolic link that the server follows: what it leads to. */
  target?: FakeNode;
  hidden?: Hidden | undefined;
  /** Value of `FakeShare.tick` at the last change of name or content. */
  changedAt: number;
}

export interface FakeOptions {
  readonly clock: Clock;
  readonly random?: () => number;
  readonly traits?: Partial<SourceTraits>;
  /** Longest time an answer takes, ms. Default 5. */
  readonly latencyMs?: number;
  /** Longest time between a change and its record, ms. Default 5. */
  readonly lagMs?: number;
  /** Records a server remembers per handle before it says "overflow". Default 1,000. */
  readonly bufferRecords?: number;
  /** Records per answer. Default 100. */
  readonly batch?: number;
  readonly pageSize?: number;
  /** Default true. */
  readonly caseSensitive?: boolean;
  /** The server answers CHANGE_NOTIFY with "not supported". */
  readonly mute?: boolean;
  /** Handles get leases where they ask for them. Default false. */
  readonly leases?: boolean;
  /** It keeps one request for each handle, forgets the one before, and gives none up when asked to. */
  readonly oneNotify?: boolean;
  /** A recursive handle tells bare names, whatever directory they lie in (DittoFS 0.29, at the share's root). */
  readonly bareNames?: boolean;
  /** A move between directories is told to both as one rename, the name that lies elsewhere bare (DittoFS 0.29). */
  readonly pairsMoves?: boolean;
  /** How long the server hears nothing after it has accepted the first request on a handle, ms. Default 0. */
  readonly deafMs?: number;
  /** Samba's `hide new files timeout`, ms: what changed less long ago is not listed, but opens. Default 0. */
  readonly hideNewMs?: number;
  /** Samba's `mangled names`: what has a colon in its name is listed, and opened, by a stand-in only. */
  readonly mangles?: boolean;
  /** All entries have one file id. */
  readonly oneId?: boolean;
  /** `false`: a creation time is the last write, as Samba makes it up where the file system knows none. Default true. */
  readonly birthTimes?: boolean;
}

const ADDED = 1;
const REMOVED = 2;
const MODIFIED = 3;
const OLD_NAME = 4;
const NEW_NAME = 5;

export class FakeShare implements DirectorySource {
  readonly traits: SourceTraits;
  readonly handles: Set<FakeHandle> = new Set();
  /** Counts changes. */
  tick = 0;
  /** How far the clock that files are dated by is ahead of the server's own, ms. */
  skewMs = 0;
  /** Calls so far, by kind. */
  readonly calls = { open: 0, list: 0, lookUp: 0, stat: 0, arm: 0, reachable: 0 };
  readonly options: FakeOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #denied = new Map<string, SourceFailure>();
  readonly #waiting = new Set<() => void>();
  #root: FakeNode;
  #nextId = 100n;
  /** FILETIME of the last change. */
  #time = 0n;
  #online = true;
  #refused = false;
  #barred: SourceError | undefined;
  /** Answers CHANGE_NOTIFY with "not supported". */
  mute: boolean;
  #busy = 0;
  #secret = false;
  #local = false;

  constructor(options: FakeOptions) {
    this.mute = options.mute === true;
    this.options = options;
    this.#clock = options.clock;
    this.#random = options.random ?? (() => 0.5);
    this.traits = { fullRecursion: true, notifyDepth: 2, ...options.traits };
    this.#root = this.#make("directory", "");
  }

  // --- what happens on the server -------------------------------------------------------------

  /** What is done on the server itself: only handles on the very directory hear of it. */
  locally(change: () => void): void {
    this.#local = true;
    try {
      change();
    } finally {
      this.#local = false;
    }
  }

  /** Another client wants to delete or rename what handles at or below `path` are in the way of. */
  recall(path: CanonicalPath): void {
    const top = this.#must(path);
    for (const handle of this.handles) {
      for (let at: FakeNode | undefined = handle.node; at !== undefined; at = at.parent)
        if (at === top) handle.lease?.resolve();
    }
  }

  /** What the server tells nobody. */
  secretly(change: () => void): void {
    this.#secret = true;
    try {
      change();
    } finally {
      this.#secret = false;
    }
  }

  mkdir(path: CanonicalPath): void {
    this.#add(path, "directory");
  }

  /** Creates or changes a file. */
  write(path: CanonicalPath, size: number = this.tick): void {
    const node = this.#find(path, true);
    if (node === undefined) {
      this.#add(path, "file").size = size;
      return;
    }
    node.size = size;
    this.#stamp(node);
    if (node.parent !== undefined) this.#record(node.parent, MODIFIED, node.name);
  }

  /** Sets a directory's own last write, as tools that copy do; without a time, to now. */
  setLastWrite(path: CanonicalPath, modified?: bigint): void {
    const node = this.#must(path);
    this.#stamp(node, false);
    if (modified !== undefined) node.modified = modified;
  }

  /** Changes something about an entry, as its mode or owner. */
  touch(path: CanonicalPath): void {
    const node = this.#must(path);
    if (node.parent !== undefined) this.#record(node.parent, MODIFIED, node.name);
  }

  remove(path: CanonicalPath, silent = false): void {
    // A link itself, not what it leads to.
    const node = this.#find(parentOf(path), true)?.children.get(baseName(path)) ?? this.#must(path);
    for (const name of [...node.children.keys()]) this.remove(joinPath(path, name), silent);
    const { parent } = node;
    if (parent === undefined) throw new Error("the root stays");
    parent.children.delete(node.name);
    this.#stamp(parent, false);
    this.#stamp(node);
    for (const handle of this.handles) if (handle.node === node) handle.directoryRemoved(silent);
    this.#record(parent, REMOVED, node.name);
    node.parent = undefined;
  }

  rename(from: CanonicalPath, to: CanonicalPath): void {
    const node = this.#must(from);
    const target = this.#must(parentOf(to));
    const existing = target.children.get(baseName(to));
    if (existing !== undefined) this.remove(to);
    const { parent: source } = node;
    if (source === undefined) throw new Error("the root stays");
    const oldName = node.name;
    source.children.delete(oldName);
    node.name = baseName(to);
    node.parent = target;
    target.children.set(node.name, node);
    this.#stamp(node);
    this.#stamp(source, false);
    this.#stamp(target, false);
    if (this.options.pairsMoves === true && source !== target) {
      this.#recordPair({ directory: source, name: oldName }, { directory: target, name: node.name });
    } else if (source === target) {
      this.#record(source, OLD_NAME, oldName);
      this.#record(source, NEW_NAME, node.name);
    } else {
      this.#record(source, REMOVED, oldName);
      this.#record(target, ADDED, node.name);
    }
  }

  /** Tells of a name that is not there for anybody: of a link that leads nowhere, of a vetoed file. */
  mention(path: CanonicalPath, action: number = ADDED): void {
    this.#record(this.#must(parentOf(path)), action, baseName(path));
  }

  /** Hides an entry, or shows it again; told as a change of it, as of its mode. */
  hide(path: CanonicalPath, hidden: Hidden | undefined): void {
    const node = this.#must(path);
    node.hidden = hidden;
    if (node.parent !== undefined) this.#record(node.parent, MODIFIED, node.name);
  }

  /** A symbolic link to a directory, which the server shows as that. */
  symlink(path: CanonicalPath, target: CanonicalPath): void {
    this.#add(path, "directory", this.#must(target));
  }

  /** Makes an entry a link (reparse point). */
  link(path: CanonicalPath): void {
    this.#must(path).attributes |= 0x400;
  }

  exists(path: CanonicalPath): boolean {
    return this.#find(path) !== undefined;
  }

  isDirectory(path: CanonicalPath): boolean {
    return this.#find(path)?.type === "directory";
  }

  /** Whether a listing of it is refused because it is hidden from us. */
  isUnreadable(path: CanonicalPath): boolean {
    return this.#find(path)?.hidden === "unreadable";
  }

  /** Every path below `path`, with the tick of its last change. */
  paths(
    path: CanonicalPath = "/",
    recursive = true,
  ): Map<CanonicalPath, { type: string; changedAt: number }> {
    const found = new Map<CanonicalPath, { type: string; changedAt: number }>();
    const directory = this.#find(path);
    if (directory === undefined) return found;
    for (const [name, node] of directory.children) {
      const full = joinPath(path, name);
      if (!this.#isListed(node)) continue;
      const listed = joinPath(path, this.#listedName(directory, name));
      found.set(listed, { type: node.type, changedAt: node.changedAt });
      if (recursive) for (const [below, what] of this.paths(full)) found.set(below, what);
    }
    return found;
  }

  // --- faults ---------------------------------------------------------------------------------

  /** Every connection is cut; nothing answers until `restore`. */
  cut(): void {
    this.#online = false;
    for (const handle of this.handles) handle.fail(new SourceError("unreachable", "connection lost"));
    this.handles.clear();
  }

  /** The account is locked out, or let in again. */
  refuse(refused: boolean): void {
    this.#refused = refused;
  }

  /** No connection can be made any more, for a reason that people have to remove; `restore` removes it. */
  bar(why: string): void {
    this.#barred = new SourceError("policy", why);
    this.cut();
    for (const wake of this.#waiting) wake();
  }

  restore(): void {
    this.#online = true;
    this.#barred = undefined;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  get online(): boolean {
    return this.#online;
  }

  overflow(): void {
    for (const handle of this.handles) handle.overflow();
  }

  /** The server drops its handles but not the connection. */
  cleanup(): void {
    for (const handle of [...this.handles]) handle.end({ type: "cleanup" });
  }

  /** The server forgets what is parked, without a word. */
  forget(): void {
    for (const handle of this.handles) handle.forget();
  }

  /** The next `count` calls fail with "busy". */
  busy(count: number): void {
    this.#busy = count;
  }

  /** Nobody can open or look at what is there and listed. */
  deny(path: CanonicalPath, denied = true, failure: SourceFailure = "denied"): void {
    if (denied) this.#denied.set(path, failure);
    else this.#denied.delete(path);
  }

  /** An answer that says nothing anybody understands. */
  babble(record: NotifyRecord): void {
    for (const handle of this.handles) handle.queue(record);
  }

  // --- DirectorySource ------------------------------------------------------------------------

  async open(path: CanonicalPath, { signal, lease = false }: OpenOptions): Promise<WatchedDirectory> {
    this.calls.open++;
    await this.#answer(path, signal);
    const node = this.#look(path);
    if (node.type !== "directory") throw failure("not-a-directory", path);
    const handle = new FakeHandle(this, node, path, this.#clock, this.#random);
    if (lease && this.options.leases === true) handle.lease = deferred();
    this.handles.add(handle);
    return handle;
  }

  async *list(
    path: CanonicalPath,
    { signal, onOpened, only }: ListOptions,
  ): AsyncIterable<readonly DirectoryEntry[]> {
    if (only === undefined) this.calls.list++;
    else this.calls.lookUp++;
    await this.#answer(path, signal);
    const node = this.#look(path);
    if (node.type !== "directory") throw failure("not-a-directory", path);
    onOpened?.(this.infoOf(node));
    const key = (name: string): string => (this.options.caseSensitive === false ? foldCase(name) : name);
    const wanted = only?.map(key);
    const names = [...node.children.keys()].filter(
      (name) => wanted?.includes(key(this.#listedName(node, name))) ?? true,
    );
    const pageSize = this.options.pageSize ?? 50;
    for (let at = 0; at < names.length; at += pageSize) {
      if (at > 0) await this.#answer(path, signal);
      yield names.slice(at, at + pageSize).flatMap((name) => {
        const child = node.children.get(name);
        return child === undefined || !this.#isListed(child)
          ? []
          : [{ name: this.#listedName(node, name), ...this.infoOf(child) }];
      });
    }
  }

  async stat(path: CanonicalPath, { signal, spelling }: StatOptions): Promise<EntryInfo> {
    this.calls.stat++;
    await this.#answer(path, signal);
    const node = this.#look(path);
    return spelling === true ? { ...this.infoOf(node), spelling: node.name } : this.infoOf(node);
  }

  serverTime(): bigint {
    return 133_000_000_000_000_000n + BigInt(Math.trunc(this.#clock.monotonic() * 10_000));
  }

  async roundTrip({ signal }: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    await this.#answer("/", signal);
  }

  async reachable({ signal, onFailed }: ReachOptions): Promise<void> {
    this.calls.reachable++;
    if (this.#refused) throw failure("credentials", "/");
    while (!this.#online) {
      if (this.#barred !== undefined) onFailed?.(this.#barred);
      const back = deferred<void>();
      this.#waiting.add(back.resolve);
      await waitFor(back.promise, { signal });
    }
  }

  // --- inside ---------------------------------------------------------------------------------

  infoOf(node: FakeNode): EntryInfo {
    const { type, id, modified, size, attributes } = node.target ?? node;
    const created = this.options.birthTimes === false ? modified : (node.target ?? node).created;
    return {
      type,
      fileId: this.options.oneId === true ? 7n : id,
      created,
      modified,
      changed: modified,
      size,
      attributes,
    };
  }

  nodeOf(path: CanonicalPath): FakeNode | undefined {
    return this.#find(path);
  }

  async #answer(path: CanonicalPath, signal: AbortSignal | undefined): Promise<void> {
    await sleep(this.#random() * (this.options.latencyMs ?? 5), { signal, clock: this.#clock });
    if (this.#refused) throw failure("credentials", path);
    if (!this.#online) throw this.#barred ?? failure("unreachable", path);
    if (this.#busy > 0) {
      this.#busy--;
      throw failure("busy", path);
    }
  }

  #look(path: CanonicalPath): FakeNode {
    const node = this.#find(path);
    if (node === undefined) throw failure("gone", path);
    const denied = node.hidden === "unreadable" ? "denied" : this.#denied.get(path);
    if (denied !== undefined) throw failure(denied, path);
    return node;
  }

  /** As a client finds it; `exactly`: as a process on the server does. */
  #find(path: CanonicalPath, exactly = false): FakeNode | undefined {
    let node: FakeNode | undefined = this.#root;
    for (const name of segmentsOf(path)) {
      const exact: FakeNode | undefined = node?.children.get(name);
      node = exactly || node === undefined ? (exact?.target ?? exact) : this.#child(node, name);
    }
    return node;
  }

  #child(node: FakeNode, name: string): FakeNode | undefined {
    if (this.options.mangles === true) {
      for (const [own, child] of node.children) if (this.#listedName(node, own) === name) return child;
      return undefined;
    }
    const exact = node.children.get(name);
    if (exact !== undefined || this.options.caseSensitive !== false) return exact?.target ?? exact;
    for (const [other, child] of node.children)
      if (foldCase(other) === foldCase(name)) return child.target ?? child;
    return undefined;
  }

  #listedName(parent: FakeNode, name: string): string {
    const mangled = this.options.mangles === true && name.includes(":");
    return mangled ? `M~${parent.children.get(name)?.id}` : name;
  }

  #isListed(node: FakeNode): boolean {
    if (node.hidden !== undefined) return false;
    return this.#clock.monotonic() - node.modifiedAt >= (this.options.hideNewMs ?? 0);
  }

  #must(path: CanonicalPath): FakeNode {
    const node = this.#find(path, true);
    if (node === undefined) throw new Error(`no ${path}`);
    return node;
  }

  #make(type: "file" | "directory", name: string): FakeNode {
    this.#advance();
    return {
      id: this.#nextId++,
      created: this.#time,
      type,
      children: new Map(),
      parent: undefined,
      name,
      modified: this.#time,
      modifiedAt: this.#clock.monotonic(),
      size: 0,
      attributes: type === "directory" ? 0x10 : 0x20,
      changedAt: ++this.tick,
    };
  }

  #add(path: CanonicalPath, type: "file" | "directory", target?: FakeNode): FakeNode {
    const parent = this.#must(parentOf(path));
    if (parent.type !== "directory" || parent.children.has(baseName(path)))
      throw new Error(`cannot add ${path}`);
    const node = this.#make(type, baseName(path));
    node.parent = parent;
    if (target !== undefined) node.target = target;
    parent.children.set(node.name, node);
    this.#stamp(parent, false);
    this.#record(parent, ADDED, node.name);
    return node;
  }

  /** Times never repeat. */
  #advance(): void {
    const now = this.serverTime() + BigInt(Math.trunc(this.skewMs * 10_000));
    this.#time = now > this.#time ? now : this.#time + 10_000n;
  }

  #stamp(node: FakeNode, content = true): void {
    this.#advance();
    node.modified = this.#time;
    node.modifiedAt = this.#clock.monotonic();
    if (content) node.changedAt = ++this.tick;
  }

  #record(directory: FakeNode, action: number, name: string): void {
    if (this.#secret) return;
    for (const handle of this.handles) {
      const path = relativeTo(handle.node, directory, name);
      if (path === undefined) continue;
      const relative = this.options.bareNames === true ? name : path;
      if (directory !== handle.node) {
        if (!handle.recursive || this.#local) continue;
        // Samba: plain writes below the top of a tree watch are not reported.
        if (!this.traits.fullRecursion && action === MODIFIED) continue;
      }
      handle.queue(
        relative.includes(":") ? { action, name: relative, odd: true } : { action, name: relative },
      );
    }
  }

  #recordPair(
    from: { readonly directory: FakeNode; readonly name: string },
    to: { readonly directory: FakeNode; readonly name: string },
  ): void {
    if (this.#secret) return;
    for (const handle of this.handles) {
      const hears = ({ directory, name }: typeof from): string | undefined =>
        directory === handle.node || (handle.recursive && !this.#local)
          ? relativeTo(handle.node, directory, name)
          : undefined;
      const [old, now] = [hears(from), hears(to)];
      if (old === undefined && now === undefined) continue;
      handle.queue({ action: OLD_NAME, name: old ?? from.name });
      handle.queue({ action: NEW_NAME, name: now ?? to.name });
    }
  }
}

/** The name as a handle on `base` tells it; `undefined` where it lies elsewhere. */
function relativeTo(base: FakeNode, directory: FakeNode, name: string): string | undefined {
  let relative = name;
  let node: FakeNode | undefined = directory;
  while (node !== undefined && node !== base) {
    relative = `${node.name}/${relative}`;
    node = node.parent;
  }
  return node === undefined ? undefined : relative;
}

interface Parked {
  readonly settle: (outcome: NotifyOutcome) => void;
  forgotten: boolean;
}

export class FakeHandle implements WatchedDirectory {
  readonly path: CanonicalPath;
  readonly info: EntryInfo;
  readonly node: FakeNode;
  recursive = false;
  lease: Deferred<void> | undefined;
  readonly #share: FakeShare;
  readonly #clock: Clock;
  readonly #random: () => number;
  #parked: Parked[] = [];
  #buffer: NotifyRecord[] = [];
  #overflown = false;
  #armedAt: number | undefined;
  #over = false;
  #deleted = false;
  #flushing: (() => void) | undefined;

  constructor(share: FakeShare, node: FakeNode, path: CanonicalPath, clock: Clock, random: () => number) {
    this.#share = share;
    this.node = node;
    this.path = path;
    this.info = share.infoOf(node);
    this.#clock = clock;
    this.#random = random;
  }

  get recalled(): Promise<void> | undefined {
    return this.lease?.promise;
  }

  arm({ recursive }: { readonly recursive: boolean; readonly filter: number }): ArmedNotify {
    this.#share.calls.arm++;
    const outcome = deferred<NotifyOutcome>();
    const accepted = deferred<boolean>();
    const parked: Parked = { settle: outcome.resolve, forgotten: false };
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      accepted.resolve(false);
      outcome.resolve(refusal);
    } else {
      if (this.#armedAt === undefined) this.recursive = recursive;
      this.#armedAt ??= this.#clock.monotonic();
      if (this.#share.options.oneNotify === true) this.#parked = [];
      this.#parked.push(parked);
      accepted.resolve(true);
      this.#flushSoon();
    }
    return {
      accepted: accepted.promise,
      outcome: outcome.promise,
      cancel: () => {
        const at = this.#parked.indexOf(parked);
        if (at < 0 || this.#share.options.oneNotify === true) return;
        this.#parked.splice(at, 1);
        parked.settle({ type: "cancelled" });
      },
    };
  }

  async close(): Promise<void> {
    this.end({ type: "cancelled" });
  }

  queue(record: NotifyRecord): void {
    if (this.#armedAt === undefined || this.#over) return;
    if (this.#clock.monotonic() - this.#armedAt < (this.#share.options.deafMs ?? 0)) return;
    this.#buffer.push(record);
    if (this.#buffer.length > (this.#share.options.bufferRecords ?? 1_000)) this.overflow();
    this.#flushSoon();
  }

  overflow(): void {
    this.#buffer = [];
    this.#overflown = true;
    this.#flushSoon();
  }

  forget(): void {
    this.#buffer = [];
    for (const parked of this.#parked) parked.forgotten = true;
  }

  directoryRemoved(silent: boolean): void {
    this.#deleted = true;
    if (!silent) {
      const outcome: NotifyOutcome = { type: "failed", error: failure("gone", this.path) };
      for (const parked of this.#parked.splice(0)) parked.settle(outcome);
    }
  }

  fail(error: SourceError): void {
    this.end({ type: "failed", error });
  }

  end(outcome: NotifyOutcome): void {
    this.#over = true;
    this.#flushing?.();
    this.#flushing = undefined;
    this.#share.handles.delete(this);
    for (const parked of this.#parked.splice(0)) parked.settle(outcome);
  }

  #refusal(): NotifyOutcome | undefined {
    if (this.#share.mute) return { type: "failed", error: failure("unsupported", this.path) };
    if (!this.#share.online) return { type: "failed", error: failure("unreachable", this.path) };
    if (this.#over) return { type: "cleanup" };
    return this.#deleted ? { type: "failed", error: failure("gone", this.path) } : undefined;
  }

  #flushSoon(): void {
    if (this.#over || this.#flushing !== undefined) return;
    this.#flushing = this.#clock.after(this.#random() * (this.#share.options.lagMs ?? 5), () => {
      this.#flushing = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#buffer.length === 0 && !this.#overflown) return;
    const at = this.#parked.findIndex(({ forgotten }) => !forgotten);
    if (at < 0) {
      // Nobody hears it: a server that forgot its subscriptions keeps nothing either.
      if (this.#parked.length > 0) this.#buffer = [];
      return;
    }
    const [parked] = this.#parked.splice(at, 1);
    if (this.#overflown) {
      this.#overflown = false;
      parked?.settle({ type: "overflow" });
    } else {
      const batch = Math.max(1, Math.ceil(this.#random() * (this.#share.options.batch ?? 100)));
      parked?.settle({ type: "records", records: this.#buffer.splice(0, batch) });
    }
    if (this.#buffer.length > 0) this.#flushSoon();
  }
}

function failure(kind: SourceFailure, path: CanonicalPath): SourceError {
  return new SourceError(kind, `${kind}: ${path}`);
}
