import { isWithin, joinPath, parentOf } from "../../src/base/path.ts";
import type { WatchEvent } from "../../src/watch/events.ts";
import { doubts, healths, notifies, scans, transitions } from "../../src/watch/facts.ts";

export interface Entry {
  /** Seconds since the run began. */
  readonly at: number;
  readonly kind: "event" | "change" | "fault" | "fact" | "note";
  readonly text: string;
  /** What it is about; empty: everything. */
  readonly paths: readonly string[];
  /** It concerns all below its paths, too. */
  readonly deep: boolean;
}

const KEPT = 200_000;

/** What was done, what was told, and what the engine said about itself, in one order. */
export class Journal {
  readonly #began = performance.now();
  readonly #stops: (() => void)[] = [];
  #entries: Entry[] = [];
  /** What a handle covers has been listed and compared, so often. */
  comparisons = 0;

  /** @param only whose facts, where several connections are watched; default all */
  constructor(only?: string) {
    const fact = ({ connection, path }: { connection: string; path: string }, text: string): void => {
      if (only === undefined || connection === only) this.add("fact", text, [path], false);
    };
    this.#stops.push(
      transitions.subscribe((of) => {
        fact(of, `${of.path}${of.recursive ? "/**" : ""} ${of.from} -> ${of.to} ${of.failure ?? ""}`);
        if (of.from === "rescanning" && of.to === "live" && (only ?? of.connection) === of.connection)
          this.comparisons++;
      }),
      doubts.subscribe((of) => fact(of, `doubt ${of.path} ${of.reason}`)),
      notifies.subscribe((of) => fact(of, `notify ${of.path} ${of.outcome} ${of.records}`)),
      scans.subscribe((of) => {
        if (of.phase !== "progress") fact(of, `scan ${of.path} ${of.phase} ${of.entries}`);
      }),
      healths.subscribe((of) => {
        if (of.verdict !== "same") fact(of, `health ${of.path} ${of.verdict}`);
      }),
    );
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1_000;
  }

  add(kind: Entry["kind"], text: string, paths: readonly string[] = [], deep = true): void {
    this.#entries.push({ at: this.seconds, kind, text, paths, deep });
    if (this.#entries.length > KEPT) this.#entries = this.#entries.slice(KEPT / 2);
  }

  event(consumer: string, event: WatchEvent): void {
    if (event.type === "changes") {
      for (const change of event.changes) {
        const { action, name, oldName } = change;
        const what = oldName === undefined ? name : `${oldName} > ${name}`;
        const names = oldName === undefined ? [name] : [name, oldName];
        this.add(
          "event",
          `${consumer}: ${event.via} ${action} ${event.path}: ${what}`,
          names.map((one) => joinPath(event.path, one)),
        );
      }
    } else if (event.type === "resync") {
      this.add("event", `${consumer}: resync ${event.path} ${event.scope} ${event.reason}`, [event.path]);
    } else {
      const { state, mode, error = "" } = event;
      this.add("event", `${consumer}: ${event.path} is ${state} ${mode} ${error}`, [event.path]);
    }
  }

  /** The last entries that concern `path`. */
  about(path: string, count: number): string[] {
    const parent = parentOf(path);
    const found = this.#entries.filter(
      ({ paths, deep }) =>
        paths.length === 0 ||
        paths.some((one) => one === path || one === parent || (deep && isWithin(one, path))),
    );
    return found.slice(-count).map(line);
  }

  lines(): string[] {
    return this.#entries.map(line);
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}

function line({ at, kind, text }: Entry): string {
  return `${at.toFixed(3).padStart(9)} ${kind.padEnd(6)} ${text}`;
}
