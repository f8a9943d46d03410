import { poolFacts } from "../facts.ts";
import type { Tree } from "../login/index.ts";
import { lowerCap, placeHandle } from "./placement.ts";
import { WatchLane } from "./watch-lane.ts";

export interface WatchLanesOptions {
  /** For facts. */
  readonly label: string;
  /** Handles on one connection. Default 2,000 on Samba, which has no limit; 200 elsewhere. */
  readonly cap: number | undefined;
  /** How long a connection without handles is kept, ms. */
  readonly idleMs: number;
}

/** The connections of one pool that carry watch handles, and how many each may carry. */
export class WatchLanes {
  readonly #options: WatchLanesOptions;
  readonly #lanes = new Set<WatchLane>();
  #cap: number | undefined;

  constructor(options: WatchLanesOptions) {
    this.#options = options;
    this.#cap = options.cap;
  }

  /** Handles one connection may carry, as learnt so far. */
  get cap(): number | undefined {
    return this.#cap;
  }

  /** Handles open or being opened. */
  get load(): number {
    return [...this.#lanes].reduce((sum, { load }) => sum + load, 0);
  }

  get trees(): Tree[] {
    return [...this.#lanes].map(({ tree }) => tree);
  }

  /** A lane with room, its load already counted; `undefined` when another connection is needed. */
  take(): WatchLane | undefined {
    const lane = placeHandle(this.#lanes);
    lane?.taken();
    return lane;
  }

  /** Has a connection carry handles, as long as it lasts. `shared`: it has another use, and outlasts them. */
  add(tree: Tree, { shared }: { readonly shared: boolean }): void {
    this.#cap ??= tree.info.kind === "samba" ? 2_000 : 200;
    const lane: WatchLane = new WatchLane({
      tree,
      cap: this.#cap,
      idleMs: this.#options.idleMs,
      idle: () => {
        if (shared) this.#lanes.delete(lane);
        else void tree.close();
      },
      short: () => this.#lower(lane),
    });
    this.#lanes.add(lane);
    void tree.lost.then(() => {
      lane.stop();
      this.#lanes.delete(lane);
    });
  }

  #lower(lane: WatchLane): void {
    const cap = lowerCap(lane);
    if (this.#cap !== undefined && cap >= this.#cap) return;
    this.#cap = cap;
    for (const other of this.#lanes) other.cap = Math.min(other.cap, cap);
    poolFacts.publish({ connection: this.#options.label, type: "watch-cap", cap });
  }
}
