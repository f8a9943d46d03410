import { type Deferred, deferred, ignoreRejection } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import { AbortedError } from "../base/errors.ts";
import { FleetError } from "./errors.ts";
import { isLost, lostState } from "./looks.ts";
import type { RefState, WatchRef, WatchTarget } from "./port.ts";
import { sameState } from "./serving.ts";

/** A watch whose directory is there gets this long to notice before it is believed that it cannot be watched. */
const PATIENCE_MS = 10_000;

interface Verification {
  /** As remembered. */
  latest: RefState | undefined;
  cancel?: () => void;
}

/** One interest in a target. */
export class MemberRef implements WatchRef {
  readonly target: WatchTarget;
  readonly #ready: Deferred<void> = deferred();
  readonly #hooks: {
    readonly release: (options: { readonly linger: boolean }) => void;
    readonly forget: () => void;
    readonly look: () => Promise<void>;
    readonly clock: Clock;
  };
  readonly #listeners = new Set<(state: RefState) => void>();
  #state: RefState = { state: "unclaimed", mode: "notify" };
  /** What is only remembered, and not told before a look has been taken. */
  #verifying: Verification | undefined;
  #released = false;

  constructor(
    target: WatchTarget,
    hooks: {
      readonly release: (options: { readonly linger: boolean }) => void;
      readonly forget: () => void;
      /** @throws FleetError */
      readonly look: () => Promise<void>;
      readonly clock: Clock;
    },
  ) {
    this.target = target;
    this.#hooks = hooks;
    ignoreRejection(this.#ready.promise);
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get state(): RefState {
    return this.#state;
  }

  onState(listener: (state: RefState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  look(): Promise<void> {
    return this.#hooks.look();
  }

  /** That the directory is lost is not told from memory: a look decides. */
  verify(): void {
    const verifying: Verification = { latest: undefined };
    this.#verifying = verifying;
    const over = (seen?: RefState): void => {
      if (this.#verifying !== verifying) return;
      this.#verifying = undefined;
      verifying.cancel?.();
      const state = seen ?? verifying.latest;
      if (state !== undefined) this.update(state);
    };
    this.look().then(
      () => {
        if (this.#verifying !== verifying) return;
        verifying.cancel = this.#hooks.clock.after(PATIENCE_MS, () => over(), { unref: true });
      },
      (error: unknown) => over(error instanceof FleetError ? lostState(error, verifying.latest) : undefined),
    );
  }

  update(state: RefState): void {
    if (this.#released) return;
    if (this.#verifying !== undefined) {
      if (isLost(state)) {
        this.#verifying.latest = state;
        return;
      }
      if (state.state === "live" || state.state === "degraded") {
        this.#verifying.cancel?.();
        this.#verifying = undefined;
      }
    }
    if (sameState(state, this.#state)) return;
    this.#state = state;
    if (state.state === "live" || state.state === "degraded") this.#ready.resolve();
    else {
      const failure = failureOf(state);
      if (failure !== undefined) this.#ready.reject(failure);
    }
    for (const listener of [...this.#listeners]) listener(state);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#verifying?.cancel?.();
    this.#verifying = undefined;
    this.#listeners.clear();
    this.#ready.reject(new AbortedError("released"));
    this.#hooks.forget();
    // Whoever comes back to what is not watched is to be told how it is then.
    const { state } = this.#state;
    this.#hooks.release({ linger: state === "live" || state === "degraded" });
  }
}

function failureOf({ state, code, error }: RefState): FleetError | undefined {
  const byState = { gone: "not_found", denied: "denied", unreachable: "unreachable" } as const;
  const failure = code ?? (state in byState ? byState[state as keyof typeof byState] : undefined);
  return failure === undefined ? undefined : new FleetError(failure, error ?? `the watch is ${state}`);
}
