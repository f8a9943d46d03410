import { type CanonicalPath, isWithin, parentOf } from "../../base/path.ts";
import { ArmedHandle, type HandleServices, type HandleSpec, type HandleView } from "../handle/index.ts";
import type { Interest } from "../interest.ts";

/** A directory that comes and goes is told by the one above it long before so many tries, some ten seconds, are over. */
const STUCK_AFTER = 6;

/** All handles of a share: which are there, which an interest has to wait for, which are in trouble. */
export class HandleRegistry {
  readonly #key: (path: CanonicalPath) => string;
  readonly #handles = new Set<ArmedHandle>();
  readonly #closing = new Set<Promise<void>>();
  /** Not yet live for the first time, nor refused for good. */
  readonly #unsettled = new Subtrees<HandleView>();
  /** Directories that cannot be watched, and why. */
  readonly #troubled = new Subtrees<HandleView, string>();
  /** The same inside recursive handles, by key. */
  readonly #skipped = new Subtrees<string, string>();

  /** Whose directories' changes are not all told, and nobody compares from time to time. */
  readonly #untold = new Subtrees<HandleView>();

  constructor(key: (path: CanonicalPath) => string) {
    this.#key = key;
  }

  get size(): number {
    return this.#handles.size;
  }

  enlist(spec: HandleSpec, services: HandleServices): ArmedHandle {
    const handle = new ArmedHandle(spec, services);
    this.#handles.add(handle);
    this.#unsettled.set(this.#key(spec.path), handle, undefined);
    return handle;
  }

  /** Closes a handle. Returns whether an interest's state may depend on that. */
  dismiss(handle: ArmedHandle): boolean {
    if (!this.#handles.delete(handle)) return false;
    const key = this.#key(handle.spec.path);
    const awaited = this.#unsettled.delete(key, handle);
    const troubled = this.#troubled.delete(key, handle);
    const untold = this.#untold.delete(key, handle);
    const ended = handle.close().finally(() => this.#closing.delete(ended));
    this.#closing.add(ended);
    return awaited || troubled || untold;
  }

  /** Takes note of a handle's new status. `listed`: the directory above says that its directory is there. */
  note(handle: HandleView, listed: boolean): void {
    const { state, error } = handle.status;
    const key = this.#key(handle.spec.path);
    if (handle.settled) this.#unsettled.delete(key, handle);
    const refused = error?.failure === "bad-path" || handle.failures >= STUCK_AFTER;
    const stuck = state === "gone" && listed && refused;
    if (state === "denied" || state === "degraded" || stuck) {
      this.#troubled.set(key, handle, `${handle.spec.path}: ${error?.message ?? state}`);
    } else this.#troubled.delete(key, handle);
    if (handle.untold && handle.spec.rescanMinutes === 0) this.#untold.set(key, handle, undefined);
    else this.#untold.delete(key, handle);
  }

  /** What the server does not tell of an interest's directories, in one clause. */
  untoldOf({ path, recursive }: Interest): string | undefined {
    const key = this.#key(path);
    for (const [{ spec }] of this.#untold.within(key)) {
      if (!recursive && this.#key(spec.path) !== key) continue;
      return `${spec.path}: the server tells only some changes; names that come and go are found by looking, new content only with rescanMinutes`;
    }
    return undefined;
  }

  /** A directory inside a recursive handle cannot be listed, or can again. */
  trouble(path: CanonicalPath, text: string | undefined): void {
    const key = this.#key(path);
    if (text === undefined) this.#skipped.delete(key, key);
    else this.#skipped.set(key, key, `${path}: ${text}`);
  }

  isSkipped(path: CanonicalPath): boolean {
    const key = this.#key(path);
    return this.#skipped.has(key, key);
  }

  /** Whether no handle at or below `path` is in doubt of anything. */
  isSure(path: CanonicalPath): boolean {
    const top = this.#key(path);
    for (const handle of this.#handles) {
      if (!isSure(handle) && isWithin(top, this.#key(handle.spec.path))) return false;
    }
    return true;
  }

  /**
   * Before somebody else goes on: compares where that is done from time to time anyway. A recursive handle is compared
   * so by default: there it stays a look like any other, or every busy directory were listed again at a hand-over.
   */
  recheck({ path, recursive }: Interest): void {
    const top = this.#key(path);
    for (const handle of this.#handles) {
      const { spec } = handle;
      const own = this.#key(spec.path);
      const below = recursive && isWithin(top, own);
      const above = spec.recursive && isWithin(own, top);
      if (spec.rescanMinutes > 0 && (own === top || below || above))
        handle.doubt(spec.recursive ? "timer" : "handover");
    }
  }

  /** Whether a handle at or below `path` has not given its first answer. */
  isAwaited(path: CanonicalPath): boolean {
    return this.#unsettled.within(this.#key(path)).next().done !== true;
  }

  /** What is wrong below `path`, in one clause. It does not count: each one more would be news to tell. */
  troubleBelow(path: CanonicalPath): string | undefined {
    const key = this.#key(path);
    let first: string | undefined;
    for (const trouble of this.#troubles(key)) {
      if (first !== undefined) return `${first} (and others)`;
      first = trouble;
    }
    return first;
  }

  *#troubles(key: string): IterableIterator<string> {
    for (const [handle, trouble] of this.#troubled.within(key)) {
      if (this.#key(handle.spec.path) !== key && !isReturning(handle)) yield trouble;
    }
    for (const [, trouble] of this.#skipped.within(key)) yield trouble;
  }

  /** What was refused may be allowed now; with `path`, that directory may be there again, which repeats no refused login. */
  retry(path?: CanonicalPath): void {
    const key = path === undefined ? undefined : this.#key(path);
    for (const handle of this.#handles) {
      const { failure } = handle.status.error ?? {};
      const refused = failure === "credentials" || failure === "policy";
      if (key === undefined || (!refused && this.#key(handle.spec.path) === key)) handle.retry();
    }
  }

  async close(): Promise<void> {
    for (const handle of [...this.#handles]) this.dismiss(handle);
    while (this.#closing.size > 0) await Promise.allSettled(this.#closing);
  }
}

/** It waited for the connection, which is back: what was wrong then is not any more. */
function isReturning({ state, status: { error } }: HandleView): boolean {
  const atTheDoor = error?.failure === "credentials" || error?.failure === "policy";
  return atTheDoor && (state === "opening" || state === "arming" || state === "scanning");
}

/** Armed, pictured, looked at for the second time where that is due, and no comparison under way. */
export function isSure({ state, lookDue }: HandleView): boolean {
  return state === "live" && !lookDue;
}

/** Items by directory, found again by any of its ancestors without asking each. */
class Subtrees<Item, Value = undefined> {
  readonly #byAncestor = new Map<string, Map<Item, Value>>();

  set(key: string, item: Item, value: Value): void {
    for (const ancestor of upwards(key)) {
      const below = this.#byAncestor.get(ancestor) ?? new Map<Item, Value>();
      this.#byAncestor.set(ancestor, below.set(item, value));
    }
  }

  has(key: string, item: Item): boolean {
    return this.#byAncestor.get(key)?.has(item) === true;
  }

  /** Returns whether it was there. */
  delete(key: string, item: Item): boolean {
    if (this.#byAncestor.get(key)?.has(item) !== true) return false;
    for (const ancestor of upwards(key)) {
      const below = this.#byAncestor.get(ancestor);
      below?.delete(item);
      if (below?.size === 0) this.#byAncestor.delete(ancestor);
    }
    return true;
  }

  /** What is at the directory or below. */
  *within(key: string): IterableIterator<[Item, Value]> {
    yield* this.#byAncestor.get(key)?.entries() ?? [];
  }
}

function* upwards(key: string): IterableIterator<string> {
  for (let at = key; ; at = parentOf(at)) {
    yield at;
    if (at === "/") return;
  }
}
