import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import type { Change } from "../events.ts";
import type { PictureNode } from "../picture/index.ts";
import { type DirectorySource, SourceError } from "../source.ts";

/** Stand-ins of one directory that are asked for at a time: a request each. */
const MOST_ASKED = 64;

/** What is known of one directory. */
interface Spelled {
  /** How listings show what notifications call otherwise. */
  readonly listed: Map<string, string>;
  /** Of these it is known how notifications call them. */
  readonly known: Set<string>;
  /** Told at this time (monotonic ms), and a listing is due. */
  readonly due: Map<string, number>;
  /** Told, listed since, and on no listing: nothing to list again for. */
  readonly nowhere: Set<string>;
}

/**
 * Names that notifications spell otherwise than listings: Samba lists `app:2026.log` as `AV7AQ3~A.LOG`, as long as
 * `mangled names` is on, and opens it under that only. Consumers are told what they can list and open. What a stand-in
 * stands for is asked for once (a server tells the name on its disk), so that the next change needs no listing.
 */
export class Spellings<T> {
  readonly #source: Pick<DirectorySource, "stat">;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  readonly #spelled = new WeakMap<PictureNode<T>, Spelled>();

  constructor(source: Pick<DirectorySource, "stat">, clock: Clock, signal: AbortSignal) {
    this.#source = source;
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * The same in the names of listings; `undefined` where nobody knows (yet). Then a listing is due, unless there has been
   * one in vain.
   */
  translate(
    node: PictureNode<T>,
    change: Change,
    odd: ReadonlySet<string>,
  ): { readonly change?: Change | undefined; readonly due: boolean } {
    const { name, oldName } = change;
    if (node.blind) return { change, due: true };
    const spell = (each: string): string | undefined => (odd.has(each) ? this.#listedAs(node, each) : each);
    const now = spell(name);
    const before = oldName === undefined ? undefined : spell(oldName);
    if (now !== undefined && (oldName === undefined || before !== undefined)) {
      return {
        change: { ...change, name: now, ...(before === undefined ? {} : { oldName: before }) },
        due: false,
      };
    }
    const spelled = this.#of(node);
    if (change.action === "modified" && spelled.nowhere.has(name)) return { due: false };
    for (const each of [name, oldName]) {
      if (each === undefined || !odd.has(each)) continue;
      spelled.due.set(each, this.#clock.monotonic());
      spelled.nowhere.delete(each);
    }
    return { due: true };
  }

  /** A directory has been listed, by a listing that began then. Never rejects. */
  async listed(node: PictureNode<T>, begunAt: number): Promise<void> {
    const spelled = this.#spelled.get(node);
    if (spelled === undefined || node.snapshot === undefined) return;
    if (spelled.due.size === 0 && spelled.nowhere.size === 0) return;
    const due = [...spelled.due].filter(([, at]) => at < begunAt).map(([name]) => name);
    const asked: string[] = [];
    for (const [name] of node.snapshot.entries()) {
      if (isStandIn(name) && !spelled.known.has(name)) asked.push(name);
      if (asked.length === MOST_ASKED) break;
    }
    await Promise.all(asked.map((name) => this.#ask(node.path, name, spelled)));
    for (const name of due) {
      if ((spelled.due.get(name) ?? begunAt) >= begunAt) continue;
      spelled.due.delete(name);
      if (this.#listedAs(node, name) === undefined) spelled.nowhere.add(name);
    }
  }

  async #ask(path: CanonicalPath, name: string, { listed, known }: Spelled): Promise<void> {
    try {
      const { spelling } = await this.#source.stat(joinPath(path, name), {
        signal: this.#signal,
        spelling: true,
      });
      known.add(name);
      if (spelling !== undefined) listed.set(spelling, name);
    } catch (error) {
      // It cannot be opened, or not now: its changes are found by listings.
      if (error instanceof SourceError && error.failure !== "unreachable") known.add(name);
    }
  }

  #listedAs(node: PictureNode<T>, name: string): string | undefined {
    // `mangled names = no`, a server of another kind, or a name that only stands beside an odd one.
    if (node.snapshot === undefined) return undefined;
    if (node.snapshot.has(name)) return name;
    const spelled = this.#spelled.get(node);
    const other = spelled?.listed.get(name);
    if (other === undefined || node.snapshot.has(other)) return other;
    spelled?.listed.delete(name);
    spelled?.known.delete(other);
    return undefined;
  }

  #of(node: PictureNode<T>): Spelled {
    const spelled = this.#spelled.get(node) ?? {
      listed: new Map(),
      known: new Set(),
      due: new Map(),
      nowhere: new Set(),
    };
    this.#spelled.set(node, spelled);
    return spelled;
  }
}

/** Of the form 8.3 with a tilde, as servers make them up. */
export function isStandIn(name: string): boolean {
  return /^(?=.*~)[^.]{1,8}(\.[^.]{1,3})?$/.test(name);
}
