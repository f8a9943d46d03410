import { randomBytes } from "node:crypto";
import { type Deferred, deferred } from "../../base/async.ts";

/** One lease that was asked for, from before the request leaves until its handle is closed. */
export interface HeldLease {
  readonly key: Uint8Array;
  /** Resolves when the server wants it back, which may be before the answer to CREATE is read. */
  readonly recalled: Promise<void>;
  /** It is no more. */
  end(): void;
}

/** The leases of a connection by their key: a recall comes out of the blue and names nothing else. */
export class Leases {
  readonly #held = new Map<string, Deferred<void>>();
  #given: boolean | undefined;

  /** Whether the server gives leases on directories; `undefined` as long as none was asked for. */
  get given(): boolean | undefined {
    return this.#given;
  }

  /** What became of a lease on a directory that was asked for. A server that gives them may refuse one nevertheless. */
  learn(granted: boolean): void {
    this.#given = granted || this.#given === true;
  }

  /** A new key. */
  take(): HeldLease {
    const key = Uint8Array.from(randomBytes(16));
    const name = nameOf(key);
    const recalled = deferred<void>();
    this.#held.set(name, recalled);
    return { key, recalled: recalled.promise, end: () => void this.#held.delete(name) };
  }

  /** Returns whether there is such a lease. */
  recall(key: Uint8Array): boolean {
    const held = this.#held.get(nameOf(key));
    held?.resolve();
    return held !== undefined;
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
