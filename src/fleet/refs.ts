import { Backoff } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import { ConflictError } from "../broker/errors.ts";
import type { KvBucket } from "../broker/port.ts";
import { refKey, watchName } from "../broker/subjects.ts";
import { refFacts } from "./facts.ts";
import type { CaseRule } from "./identity.ts";
import type { WatchTarget } from "./port.ts";
import { encodeRecord } from "./records.ts";

export interface RefBookOptions {
  readonly bucket: KvBucket;
  readonly caseSensitive: CaseRule;
  /** The lease to name; `undefined` while there is none. */
  readonly lease: () => string | undefined;
  /** How long a ref outlives its last release, ms. Default 10,000. */
  readonly lingerMs?: number;
  readonly onStored?: (key: string, revision: number) => void;
  /** The set of stored refs has changed. Must not throw. */
  readonly onChange?: () => void;
  readonly clock?: Clock;
}

interface Interest {
  readonly target: WatchTarget;
  count: number;
  cancelLinger: (() => void) | undefined;
  /** In the bucket. Making one is a hundred times what looking one up is, and each look asks for all. */
  key: { readonly lease: string; readonly caseSensitive: boolean; readonly text: string } | undefined;
}

const WRITES_AT_ONCE = 64;

/**
 * One holder's refs: what is wanted (counted, with a linger) and what is stored, moved towards each other. After a
 * lost lease everything is written again under the new one.
 */
export class RefBook {
  readonly #options: RefBookOptions;
  readonly #clock: Clock;
  readonly #wanted = new Map<string, Interest>();
  /** Key -> revision, under `#lease`. */
  #stored = new Map<string, number>();
  #lease: string | undefined;
  #dirty = false;
  #running: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  readonly #backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
  #closed = false;

  constructor(options: RefBookOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Targets wanted, lingering ones included. */
  get size(): number {
    return this.#wanted.size;
  }

  /**
   * Counts one more interest. The returned function takes it back, once. `linger: false`: nobody would miss it, such as
   * a watch of what is not there, of which ten thousand may be asked for in a row.
   */
  hold(target: WatchTarget): (options?: { readonly linger?: boolean }) => void {
    const id = idOf(target);
    let interest = this.#wanted.get(id);
    if (interest === undefined) {
      interest = { target, count: 0, cancelLinger: undefined, key: undefined };
      this.#wanted.set(id, interest);
      this.sync();
    }
    interest.count++;
    interest.cancelLinger?.();
    interest.cancelLinger = undefined;
    const held = interest;
    let released = false;
    return ({ linger = true } = {}) => {
      if (released) return;
      released = true;
      held.count--;
      if (held.count > 0 || this.#closed) return;
      const over = (): void => {
        this.#wanted.delete(id);
        this.sync();
      };
      if (!linger) over();
      else held.cancelLinger = this.#clock.after(this.#options.lingerMs ?? 10_000, over, { unref: true });
    };
  }

  /** Whether the bucket is known to hold a ref for this target under the present lease. */
  isStored(target: WatchTarget): boolean {
    const lease = this.#options.lease();
    return lease !== undefined && lease === this.#lease && this.#stored.has(this.#key(lease, target));
  }

  /** Writes a stored ref again, as it is: whoever watches for it looks again at what it had given up for now. */
  async touch(target: WatchTarget): Promise<void> {
    const lease = this.#options.lease();
    if (lease === undefined || !this.isStored(target)) return;
    const key = this.#key(lease, target);
    const revision = this.#stored.get(key);
    if (revision === undefined) return;
    const written = await this.#options.bucket.update(key, encodeRecord(target), revision);
    if (lease !== this.#lease || !this.#stored.has(key)) return;
    this.#stored.set(key, written);
    this.#options.onStored?.(key, written);
  }

  /** Somebody deleted a key of ours. */
  forget(key: string): void {
    if (this.#stored.delete(key)) this.sync();
  }

  /** Looks again at what should be stored. */
  sync(): void {
    this.#dirty = true;
    if (this.#running !== undefined || this.#closed) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Stops. What is stored becomes void with the lease. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    for (const { cancelLinger } of this.#wanted.values()) cancelLinger?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Callers that add many interests in one turn get one pass.
    await Promise.resolve();
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      const lease = this.#options.lease();
      if (lease !== this.#lease) {
        this.#lease = lease;
        this.#stored = new Map();
      }
      if (lease === undefined) return;
      const failed = await this.#pass(lease);
      this.#options.onChange?.();
      if (!failed) {
        this.#backoff.reset();
        continue;
      }
      if (this.#closed) return;
      this.#cancelRetry = this.#clock.after(this.#backoff.next(), () => this.sync(), { unref: true });
      return;
    }
  }

  async #pass(lease: string): Promise<boolean> {
    const wanted = new Map<string, WatchTarget>();
    for (const { target } of this.#wanted.values()) wanted.set(this.#key(lease, target), target);
    const work: (() => Promise<void>)[] = [];
    for (const [key, target] of wanted) {
      if (!this.#stored.has(key)) work.push(() => this.#write(lease, key, target));
    }
    for (const [key, revision] of this.#stored) {
      if (!wanted.has(key)) work.push(() => this.#remove(key, revision));
    }
    let failed = false;
    const next = async (): Promise<void> => {
      for (let job = work.pop(); job !== undefined && !this.#closed; job = work.pop()) {
        try {
          await job();
        } catch (error) {
          failed = true;
          refFacts.publish({ type: "failed", code: errorCode(error) });
        }
      }
    };
    work.reverse();
    await Promise.all(Array.from({ length: Math.min(WRITES_AT_ONCE, work.length) }, next));
    return failed;
  }

  async #write(lease: string, key: string, target: WatchTarget): Promise<void> {
    const { bucket, onStored } = this.#options;
    const value = encodeRecord(target);
    let revision: number;
    try {
      revision = await bucket.create(key, value);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      // Under our own lease id: an earlier write of ours whose acknowledgement was lost, or a stranger's.
      const entry = await bucket.get(key);
      if (entry === undefined) throw error;
      const same = Buffer.compare(entry.value, value) === 0;
      revision = same ? entry.revision : await bucket.update(key, value, entry.revision);
    }
    if (lease !== this.#lease) return;
    this.#stored.set(key, revision);
    onStored?.(key, revision);
    refFacts.publish({ type: "written", connection: target.connection, refs: this.#stored.size });
  }

  async #remove(key: string, revision: number): Promise<void> {
    const { bucket } = this.#options;
    try {
      await bucket.delete(key, revision);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const entry = await bucket.get(key);
      if (entry !== undefined) await bucket.delete(key, entry.revision);
    }
    this.#stored.delete(key);
    refFacts.publish({ type: "removed", refs: this.#stored.size });
  }

  #key(lease: string, target: WatchTarget): string {
    const { connection, path, recursive } = target;
    const caseSensitive = this.#options.caseSensitive(connection);
    const interest = this.#wanted.get(idOf(target));
    const known = interest?.key;
    if (known?.lease === lease && known.caseSensitive === caseSensitive) return known.text;
    const text = refKey(lease, watchName(connection, path, caseSensitive), recursive);
    if (interest !== undefined) interest.key = { lease, caseSensitive, text };
    return text;
  }
}

function idOf({ connection, path, recursive }: WatchTarget): string {
  return `${connection}\n${recursive}\n${path}`;
}
