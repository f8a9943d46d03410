import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, isWithin } from "../../base/path.ts";
import type { DoneFacts } from "./done-file.ts";

/** A file that is ready, as its program gets it. */
export interface ReadyFile extends DoneFacts {
  readonly name: string;
  readonly closed: boolean;
}

export interface TakingsOptions {
  readonly clock: Clock;
  /** Deals with one file. Resolves with whether that worked. None of these may reject or throw. */
  readonly take: (file: ReadyFile) => Promise<boolean>;
  /** Times that one file is tried. */
  readonly tries: number;
  readonly isDone: (file: ReadyFile) => boolean;
  readonly done: (file: ReadyFile) => void;
  readonly givenUp: (file: ReadyFile) => void;
}

interface Item {
  file: ReadyFile;
  tries: number;
  running: boolean;
  /** Removed, or renamed, while it was being dealt with: that it did not work means nothing. */
  gone: boolean;
  /** What came while an older content of it was being dealt with. */
  next: ReadyFile | undefined;
  cancel: (() => void) | undefined;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Deals with ready files: each until it works or has been tried often enough, and none twice at the same time. */
export class Takings {
  readonly #options: TakingsOptions;
  readonly #items = new Map<CanonicalPath, Item>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: TakingsOptions) {
    this.#options = options;
  }

  /** Files not dealt with yet. */
  get size(): number {
    return this.#items.size;
  }

  add(file: ReadyFile): void {
    if (this.#closed || this.#options.isDone(file)) return;
    const item = this.#items.get(file.path);
    if (item === undefined) {
      const fresh: Item = { file, tries: 0, running: false, gone: false, next: undefined, cancel: undefined };
      this.#items.set(file.path, fresh);
      this.#begin(fresh);
    } else if (item.running) item.next = file;
    else {
      item.cancel?.();
      item.file = file;
      item.tries = 0;
      this.#begin(item);
    }
  }

  /** It is there no more: nothing is left to be tried again. */
  forget(path: CanonicalPath): void {
    for (const [each, item] of [...this.#items]) {
      if (!isWithin(path, each)) continue;
      item.next = undefined;
      if (item.running) item.gone = true;
      else {
        item.cancel?.();
        this.#items.delete(each);
      }
    }
  }

  /** Nothing is begun any more. */
  close(): void {
    this.#closed = true;
    for (const item of this.#items.values()) item.cancel?.();
    this.#items.clear();
  }

  /** When those are over that had been begun. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #begin(item: Item): void {
    const run = this.#run(item).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #run(item: Item): Promise<void> {
    const { take, tries, done, givenUp, clock } = this.#options;
    item.running = true;
    item.cancel = undefined;
    item.tries++;
    const { file } = item;
    const worked = await take(file);
    item.running = false;
    if (worked) done(file);
    if (this.#closed) return;
    if (item.next !== undefined) {
      item.file = item.next;
      item.next = undefined;
      item.gone = false;
      item.tries = 0;
      this.#begin(item);
    } else if (worked || item.gone || item.tries >= tries) {
      this.#items.delete(file.path);
      if (!worked && !item.gone) givenUp(file);
    } else {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** (item.tries - 1), LONGEST_PAUSE_MS);
      item.cancel = clock.after(pause, () => this.#begin(item));
    }
  }
}
