import { sleep } from "../../base/async.ts";
import type { Pacer } from "../pacing.ts";
import type { PictureNode, TouchLog } from "../picture/picture.ts";
import type { DirectorySource } from "../source.ts";
import { ageMs } from "./habits.ts";
import type { NameReport, NameServices } from "./unlisted-names.ts";

/** Longest time for which a share is expected to keep new files back. */
const NEW_MS = 60_000;
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
  readonly #report: Pick<NameReport<T>, "emerged">;
  readonly #waiting = new Set<PictureNode<T>>();

  constructor(
    source: DirectorySource,
    services: NameServices<T>,
    pacer: Pacer,
    report: Pick<NameReport<T>, "emerged">,
  ) {
    this.#source = source;
    this.#services = services;
    this.#pacer = pacer;
    this.#report = report;
  }

  /** A directory has been listed. @param fresh - it may hold names of which nothing had been told */
  listed(node: PictureNode<T>, modified: bigint, fresh: boolean): void {
    const { habits } = this.#services;
    if ((this.#source.traits.settleScanMs ?? 0) === 0 || habits.showsNew) return;
    if ((!fresh && !habits.hides) || this.#waiting.has(node)) return;
    const age = ageMs(this.#source.serverTime?.(), modified);
    if (age === undefined || age >= NEW_MS) return;
    this.#waiting.add(node);
    // Ends by itself, or because we were stopped.
    void this.#lookLater(node, NEW_MS - Math.max(0, age))
      .catch(() => undefined)
      .finally(() => this.#waiting.delete(node));
  }

  async #lookLater(node: PictureNode<T>, ms: number): Promise<void> {
    const { clock, signal, habits } = this.#services;
    const first = AbortSignal.any([signal, habits.hiding]);
    // Not as long where it becomes known meanwhile that it happens.
    await sleep(ms + 1_000, { signal: first, clock }).catch(() => undefined);
    for (const pause of habits.hides ? HIDING_MS : [0]) {
      await sleep(pause, { signal, clock });
      await this.#pacer.turn(signal);
      if (habits.showsNew || !(await this.#look(node))) return;
    }
  }

  /** Returns whether it is still worth looking. */
  async #look(node: PictureNode<T>): Promise<boolean> {
    const { lookup, picture, signal, habits } = this.#services;
    const log: TouchLog = new Map();
    const { path, snapshot } = node;
    if (snapshot === undefined || picture.find(path) !== node) return false;
    node.logs.add(log);
    try {
      const unseen = await lookup.others(path, (name) => node.snapshot?.has(name) === true, signal);
      if (picture.find(path) !== node || node.snapshot === undefined) return false;
      const fresh = unseen.filter(({ name }) => node.snapshot?.has(name) === false && !log.has(name));
      if (fresh.length === 0) return true;
      habits.hid();
      for (const { name } of fresh) node.reveal(name);
      this.#report.emerged(node, fresh);
      return true;
    } finally {
      node.logs.delete(log);
    }
  }
}
