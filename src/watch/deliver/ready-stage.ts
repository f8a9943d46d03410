import type { CanonicalPath } from "../../base/path.ts";
import type { ReadyLedger } from "../api.ts";
import type { ChangesEvent, WatchEvent } from "../events.ts";
import { ReadyTracker, type ReadyTrackerContext } from "../ready/index.ts";
import type { NumberedSink, Stage, StageOutlets } from "./active-interest.ts";

export interface ReadyStageOptions extends Omit<ReadyTrackerContext, "tell" | "onDeferred"> {
  /** Of a path, by the case rule of the share. */
  readonly key: (path: CanonicalPath) => string;
}

/** Tells files when they are ready, besides what is told of them or instead of it. */
export class ReadyStage {
  readonly ledger: ReadyLedger;
  readonly #out: NumberedSink;
  readonly #only: boolean;
  readonly #tracker: ReadyTracker;

  constructor({ out, number, statusChanged }: StageOutlets, { key, ...context }: ReadyStageOptions) {
    this.#out = out;
    this.#only = context.options.only;
    const tell = (event: ChangesEvent): void => out(event, number());
    const tracker = new ReadyTracker({ ...context, tell, onDeferred: statusChanged }, key);
    this.#tracker = tracker;
    this.ledger = {
      only: this.#only,
      get record() {
        return tracker.record;
      },
      get undecided() {
        return tracker.undecided;
      },
      get deferred() {
        return tracker.deferred;
      },
      adopt: (record) => tracker.adopt(record),
      expect: (paths) => tracker.adopt({ waiting: [...paths].map((path) => ({ path, ageMs: 0 })), told: [] }),
    };
  }

  push(event: WatchEvent, told: number): void {
    if (event.type !== "changes" || !this.#only) this.#out(event, told);
    if (event.type === "changes") this.#tracker.hear(event);
  }

  /** This stage, with another one before it. What is waited for is not held back: it can be handed over. */
  behind(first: Stage): Stage {
    return {
      ready: this.ledger,
      get holds() {
        return first.holds;
      },
      push: (event, told) => first.push(event, told),
      withheld: () => first.withheld(),
      get unsorted() {
        return first.unsorted ?? false;
      },
      release: () => first.release(),
      close: () => {
        first.close();
        this.#tracker.close();
      },
    };
  }
}
