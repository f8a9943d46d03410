import type { Clock } from "../../base/clock.ts";
import type { Addressee } from "./pending.ts";

/** How soon a reader that is behind is looked at again. */
const BEHIND_MS = 50;

/** Frames that are made as the reader takes them. */
export interface Load {
  readonly to: Addressee;
  /** Its turn has come. Absent: there is nothing to send for now. */
  begin(): Iterator<string> | undefined;
  /** The last one went out. */
  done(): void;
}

/** What is too much for a socket's buffer, one after the other and only while the reader keeps up. */
export class Bulk {
  readonly #clock: Clock;
  readonly #isBehind: () => boolean;
  readonly #send: (text: string) => void;
  #loads: Load[] = [];
  #current: { readonly load: Load; readonly frames: Iterator<string> } | undefined;
  #cancelTimer: (() => void) | undefined;
  #pumping = false;
  #closed = false;

  constructor(options: {
    readonly clock: Clock;
    readonly isBehind: () => boolean;
    readonly send: (text: string) => void;
  }) {
    this.#clock = options.clock;
    this.#isBehind = options.isBehind;
    this.#send = options.send;
  }

  get waiting(): boolean {
    return this.#current !== undefined || this.#loads.length > 0;
  }

  add(load: Load): void {
    if (this.#closed) return;
    this.#loads.push(load);
    this.#pump();
  }

  forget(to: Addressee): void {
    this.#loads = this.#loads.filter((load) => load.to !== to);
    if (this.#current?.load.to === to) this.#current = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#loads = [];
    this.#current = undefined;
  }

  #pump(): void {
    if (this.#pumping || this.#cancelTimer !== undefined) return;
    this.#pumping = true;
    while (this.waiting && !this.#isBehind()) this.#step();
    this.#pumping = false;
    if (!this.waiting || this.#closed) return;
    this.#cancelTimer = this.#clock.after(BEHIND_MS, () => {
      this.#cancelTimer = undefined;
      this.#pump();
    });
  }

  #step(): void {
    if (this.#current === undefined) {
      const load = this.#loads.shift();
      const frames = load?.begin();
      if (load !== undefined && frames !== undefined) this.#current = { load, frames };
      return;
    }
    const { load, frames } = this.#current;
    const next = frames.next();
    if (next.done !== true) {
      this.#send(next.value);
      return;
    }
    this.#current = undefined;
    load.done();
  }
}
