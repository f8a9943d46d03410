import { ignoreRejection, sleep, waitFor } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import { FleetError, type FleetFailure } from "./errors.ts";
import type { FleetErrorCode, RefState, WatchTarget } from "./port.ts";

/** What a look can find, and nothing else can say better. */
const ANSWERS: ReadonlySet<FleetFailure> = new Set([
  "bad_path",
  "denied",
  "not_a_directory",
  "not_found",
  "unknown_connection",
  "unreachable",
] satisfies FleetErrorCode[]);

/** A worker that does not answer in this time leaves us with what is remembered. */
const DEADLINE_MS = 5_000;
/** One client that asks without end must not make everyone's file server work without end. */
const EVERY_MS = 200;

/** Nobody hears what happens in the directory, as far as is remembered. */
export function isLost({ state }: RefState): boolean {
  return state === "gone" || state === "denied" || state === "unreachable";
}

const STATES: Partial<Record<FleetErrorCode, RefState["state"]>> = {
  not_found: "gone",
  not_a_directory: "gone",
  bad_path: "gone",
  denied: "denied",
  unreachable: "unreachable",
};

/** What a look has found, as a state; `undefined` where that is none. */
export function lostState(
  { failure, message }: FleetError,
  latest: RefState | undefined,
): RefState | undefined {
  const code = failure as FleetErrorCode;
  const state = STATES[code];
  return state === undefined ? undefined : { state, mode: latest?.mode ?? "notify", code, error: message };
}

/**
 * Looks at directories that are remembered as lost, for those who ask anew. Each answer is of a look that began after the
 * question; whoever asks while one is under way shares the next.
 */
export class FreshLooks {
  readonly #ask: (target: WatchTarget, signal: AbortSignal) => Promise<unknown>;
  readonly #clock: Clock;
  /** What must be over before the next look at a directory may begin. */
  readonly #busy = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  /** `ask` lists the directory through a worker, or fails as the fleet does. */
  constructor(ask: (target: WatchTarget, signal: AbortSignal) => Promise<unknown>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Resolves where nothing speaks against the directory. @throws FleetError for what a worker has seen now */
  look(target: WatchTarget): Promise<void> {
    const key = `${target.connection}\n${target.path}`;
    let next = this.#next.get(key);
    if (next === undefined) {
      next = (this.#busy.get(key) ?? Promise.resolve()).then(() => {
        this.#next.delete(key);
        const look = this.#look(target);
        const over = look
          .catch(() => undefined)
          .then(() => sleep(EVERY_MS, { signal: this.#stop.signal, clock: this.#clock }))
          .catch(() => undefined)
          .finally(() => this.#busy.get(key) === over && this.#busy.delete(key));
        this.#busy.set(key, over);
        return look;
      });
      ignoreRejection(next);
      this.#next.set(key, next);
    }
    return next;
  }

  close(): void {
    this.#stop.abort();
  }

  async #look(target: WatchTarget): Promise<void> {
    const over = new AbortController();
    const { signal } = this.#stop;
    try {
      await waitFor(this.#ask(target, AbortSignal.any([signal, over.signal])), {
        signal,
        deadlineMs: DEADLINE_MS,
        clock: this.#clock,
        what: "a look",
      });
    } catch (error) {
      if (error instanceof FleetError && ANSWERS.has(error.failure)) throw error;
    } finally {
      over.abort();
    }
  }
}
