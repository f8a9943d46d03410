import { sleep } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { Pacer } from "../pacing.ts";
import { QuietPeriod } from "../quiet-period.ts";
import { STAT_AT_MOST } from "./name-lookup.ts";

/** Names that are only to be confirmed are gathered so long: what is written and renamed at once is gone by then. */
const GATHER_MS = 500;
/**
 * Directories in which names are only to be confirmed, of a share: while many are written to at once, what is told goes
 * before what is looked up, and more names share a request.
 */
const CONFIRMED_PER_SECOND = 200;
/** A burst may last so long before what it has brought is listed in its midst. */
const BURST_MS = 30_000;

interface Waiting {
  /** Somebody waits for the answer. */
  urgent: boolean;
  readonly names: Set<string>;
  readonly quiet: QuietPeriod;
}

/**
 * One lookup at a time per directory. Names that come up meanwhile are asked for together in the next one, and
 * what takes a listing waits for a pause: a burst costs a few listings, not one with every answer of the server.
 */
export class LookupQueue<Directory> {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #ask: (directory: Directory, names: readonly string[]) => Promise<void>;
  readonly #delay: (directory: Directory) => number;
  readonly #confirmations: Pacer;
  /** Where a lookup is under way: what has come up since. */
  readonly #waiting = new Map<Directory, Waiting>();
  readonly #errands = new Set<{ readonly directory: Directory }>();

  /**
   * @param ask must not reject
   * @param delay how long to let those work who have just made something in a directory, ms
   */
  constructor(
    clock: Clock,
    signal: AbortSignal,
    ask: (directory: Directory, names: readonly string[]) => Promise<void>,
    delay: (directory: Directory) => number = () => 0,
  ) {
    this.#delay = delay;
    this.#confirmations = new Pacer(clock, CONFIRMED_PER_SECOND);
    this.#clock = clock;
    this.#signal = signal;
    this.#ask = ask;
  }

  /** Directories of which something is still to be found out. */
  get open(): readonly Directory[] {
    return [...this.#waiting.keys(), ...[...this.#errands].map(({ directory }) => directory)];
  }

  /** Counts a search of another kind. @param errand must not reject */
  async during(directory: Directory, errand: Promise<void>): Promise<void> {
    const entry = { directory };
    this.#errands.add(entry);
    await errand;
    this.#errands.delete(entry);
  }

  /**
   * @param urgent - what they are decides what is watched. Else it is only to be confirmed that they are there: those of
   *   half a second go together, a share's directories have turns, and many wait for the end of a burst, however long that is.
   */
  add(directory: Directory, names: Iterable<string>, urgent = true): void {
    const known = this.#waiting.get(directory);
    const waiting = known ?? { urgent, names: new Set(), quiet: new QuietPeriod(this.#clock) };
    for (const name of names) waiting.names.add(name);
    waiting.quiet.heard();
    waiting.urgent ||= urgent;
    if (known !== undefined) return;
    this.#waiting.set(directory, waiting);
    // Ends by itself, or because we were stopped. What can wait for half a second can wait until the names are told.
    const begin = (): unknown => this.#run(directory, waiting).catch(() => undefined);
    if (waiting.urgent) begin();
    else process.nextTick(begin);
  }

  /** @throws AbortedError */
  async #run(directory: Directory, waiting: Waiting): Promise<void> {
    const { names, quiet } = waiting;
    while (names.size > 0) {
      const ms = Math.max(this.#delay(directory), waiting.urgent ? 0 : GATHER_MS);
      if (ms > 0) await sleep(ms, { signal: this.#signal, clock: this.#clock });
      if (!waiting.urgent) await this.#turn(waiting);
      if (names.size > STAT_AT_MOST) await quiet.wait(waiting.urgent ? 0 : BURST_MS, this.#signal);
      waiting.urgent = false;
      const now = [...names];
      names.clear();
      await this.#ask(directory, now);
    }
    this.#waiting.delete(directory);
  }

  /** Until it may be asked, or one of its names is urgent. @throws AbortedError */
  async #turn(waiting: Waiting): Promise<void> {
    for (let ms = this.#confirmations.reserve(); ms > 0 && !waiting.urgent; ms -= GATHER_MS)
      await sleep(Math.min(ms, GATHER_MS), { signal: this.#signal, clock: this.#clock });
  }
}
