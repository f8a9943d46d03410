import { sleep, throwIfAborted } from "../../base/async.ts";
import { foldCase } from "../../base/path.ts";
import type { Pacer } from "../pacing.ts";
import { type PictureNode, TouchLog } from "../picture/index.ts";
import type { DirectorySource } from "../source.ts";
import { ageMs } from "./habits.ts";
import { foldedNames, type NameReport, type NameServices } from "./unlisted-names.ts";

/** Longest time for which a share is expected to keep new files back. */
const NEW_MS = 60_000;
/** Directories that have gone are forgotten as often. */
const MOST_MS = 20_000;
/** Where that is known to happen: pauses between looks. */
const HIDING_MS = [5_000, 5_000, 10_000, 20_000, 21_000, 60_000] as const;

/**
 * A directory that changed unheard, and shortly before it was listed, may hold names that the listing keeps back for being new
 * (`hide new files timeout`), and of which nothing will ever be told. It is listed once more when they are old enough;
 * not where a share has shown something new at once.
 */
export class RecentDirectories<T> {
  readonly #source: DirectorySource;
  readonly #services: NameServices<T>;
  readonly #pacer: Pacer;
  readonly #report: Pick<NameReport<T>, "emerged" | "compare">;
  /** When a directory is due (monotonic ms), and how often it has been looked at. One timer for all of them. */
  readonly #waiting = new Map<PictureNode<T>, { due: number; looks: number }>();
  #running = false;

  constructor(
    source: DirectorySource,
    services: NameServices<T>,
    pacer: Pacer,
    report: Pick<NameReport<T>, "emerged" | "compare">,
  ) {
    this.#source = source;
    this.#services = services;
    this.#pacer = pacer;
    this.#report = report;
  }

  /** A directory has been listed. @param fresh - it may hold names of which nothing had been told */
  listed(node: PictureNode<T>, modified: bigint, fresh: boolean): void {
    const { habits, clock } = this.#services;
    if ((this.#source.traits.settleScanMs ?? 0) === 0 || habits.showsNew) return;
    if ((!fresh && !habits.hides) || this.#waiting.has(node)) return;
    const age = ageMs(this.#source.serverTime?.(), modified);
    if (age === undefined || age >= NEW_MS) return;
    const ms = habits.hides ? HIDING_MS[0] : NEW_MS - Math.max(0, age) + 1_000;
    this.#waiting.set(node, { due: clock.monotonic() + ms, looks: 0 });
    if (this.#running) return;
    this.#running = true;
    // Ends by itself, or because nobody is left who would want to know.
    void this.#run()
      .catch(() => this.#waiting.clear())
      .finally(() => {
        this.#running = false;
      });
  }

  async #run(): Promise<void> {
    const { clock, signal, habits } = this.#services;
    while (this.#waiting.size > 0) {
      const next = Math.min(...[...this.#waiting.values()].map(({ due }) => due));
      const wake = habits.hides ? signal : AbortSignal.any([signal, habits.hiding]);
      const ms = Math.min(MOST_MS, Math.max(0, next - clock.monotonic()));
      await sleep(ms, { signal: wake, clock }).catch(() => throwIfAborted(signal));
      for (const [node, each] of [...this.#waiting]) {
        // Not as late where it has become known meanwhile that it happens.
        if (habits.hides && each.looks === 0) each.due = Math.min(each.due, clock.monotonic() + HIDING_MS[0]);
        if (this.#services.picture.find(node.path) !== node || habits.showsNew) this.#waiting.delete(node);
        else if (each.due <= clock.monotonic()) await this.#visit(node, each);
      }
    }
  }

  async #visit(node: PictureNode<T>, each: { due: number; looks: number }): Promise<void> {
    const { clock, signal, habits } = this.#services;
    await this.#pacer.turn(signal);
    const worth = await this.#look(node).catch(() => false);
    const pause = habits.hides ? HIDING_MS[++each.looks] : undefined;
    if (worth && pause !== undefined) each.due = clock.monotonic() + pause;
    else this.#waiting.delete(node);
  }

  /** Returns whether it is still worth looking. */
  async #look(node: PictureNode<T>): Promise<boolean> {
    const { lookup, picture, signal, habits } = this.#services;
    const log = new TouchLog();
    const { path, snapshot } = node;
    if (snapshot === undefined || picture.find(path) !== node) return false;
    node.listen(log);
    try {
      const unseen = await lookup.others(path, (name) => node.snapshot?.has(name) === true, signal);
      if (picture.find(path) !== node || node.snapshot === undefined) return false;
      const fresh = unseen.filter(({ name }) => node.snapshot?.has(name) === false && !log.has(name));
      if (fresh.length === 0) return true;
      const known = foldedNames(node.snapshot);
      if (fresh.some(({ name }) => known.has(foldCase(name)))) {
        // Not hidden until now, but called otherwise: what goes by the old spelling is to be told, too.
        this.#report.compare(node);
        return true;
      }
      habits.hid();
      for (const { name } of fresh) node.reveal(name);
      this.#report.emerged(node, fresh);
      return true;
    } finally {
      node.unlisten(log);
    }
  }
}
