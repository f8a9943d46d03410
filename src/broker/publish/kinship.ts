/** One message that is queued or on its way. */
interface Entry<W> {
  readonly key: string;
  /** Folded names of the entries it is about; `undefined`: of the directory as a whole. */
  readonly names: Set<string> | undefined;
  /** Messages it has become. */
  parts: number;
  readonly waiters: W[];
}

interface Place {
  /** Messages of this directory, and of those below it; sets keep the order of insertion, which is the order of numbers. */
  readonly own: Set<number>;
  readonly below: Set<number>;
  /** Newest of either. */
  last: number;
}

/**
 * The order between directories above and below each other. `/a: added b` has to be stored before anything of `/a/b`
 * that was told after it, and what was told of `/a/b` before `/a: renamed b > c`: a consumer can do nothing with
 * changes of a directory it has not heard of. Directories beside each other owe each other nothing.
 *
 * Keys are folded paths. No clocks, no sockets; costs grow with depth, not with the number of messages.
 */
export class Kinship<W> {
  readonly #entries = new Map<number, Entry<W>>();
  readonly #places = new Map<string, Place>();
  #last = 0;

  /** @param names - see `Entry`. Returns the number of the message. */
  enter(key: string, names: Iterable<string> | undefined): number {
    const number = ++this.#last;
    const entry = { key, names: names === undefined ? undefined : new Set(names), parts: 1, waiters: [] };
    this.#entries.set(number, entry);
    this.#touch(key, number).own.add(number);
    for (const [above] of ancestors(key)) this.#touch(above, number).below.add(number);
    return number;
  }

  /** Whether what is told now about these names may go with an earlier message of the same directory. */
  mayJoin(number: number, names: readonly string[]): boolean {
    const { key } = this.#entries.get(number) as Entry<W>;
    for (const [above, name] of ancestors(key)) {
      for (const other of this.#places.get(above)?.own ?? []) {
        if (other > number && this.#concerns(other, name)) return false;
      }
    }
    return names.every((name) => (this.#places.get(childKey(key, name))?.last ?? 0) < number);
  }

  join(number: number, names: readonly string[]): void {
    const entry = this.#entries.get(number);
    for (const name of names) entry?.names?.add(name);
  }

  /** An earlier message that must be stored before this one. */
  blocker(number: number): number | undefined {
    const { key, names } = this.#entries.get(number) as Entry<W>;
    for (const [above, name] of ancestors(key)) {
      for (const other of this.#places.get(above)?.own ?? []) {
        if (other > number) break;
        if (this.#concerns(other, name)) return other;
      }
    }
    if (names === undefined) return earlier(this.#places.get(key)?.below, number);
    for (const name of names) {
      const place = this.#places.get(childKey(key, name));
      const found = earlier(place?.own, number) ?? earlier(place?.below, number);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** `settle` of that message will name this waiter. */
  wait(number: number, waiter: W): void {
    this.#entries.get(number)?.waiters.push(waiter);
  }

  /** It goes as one message more. */
  split(number: number): void {
    const entry = this.#entries.get(number);
    if (entry !== undefined) entry.parts++;
  }

  /** Stored, or given up. Returns who waited for it. */
  settle(number: number): readonly W[] {
    const entry = this.#entries.get(number);
    if (entry === undefined || --entry.parts > 0) return [];
    this.#entries.delete(number);
    this.#leave(entry.key, "own", number);
    for (const [above] of ancestors(entry.key)) this.#leave(above, "below", number);
    return entry.waiters;
  }

  #concerns(number: number, name: string): boolean {
    const names = this.#entries.get(number)?.names;
    return names === undefined || names.has(name);
  }

  #touch(key: string, number: number): Place {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { own: new Set(), below: new Set(), last: number };
      this.#places.set(key, place);
    }
    place.last = number;
    return place;
  }

  #leave(key: string, side: "own" | "below", number: number): void {
    const place = this.#places.get(key);
    place?.[side].delete(number);
    if (place?.own.size === 0 && place.below.size === 0) this.#places.delete(key);
  }
}

function earlier(numbers: ReadonlySet<number> | undefined, than: number): number | undefined {
  for (const number of numbers ?? []) return number < than ? number : undefined;
  return undefined;
}

function childKey(key: string, name: string): string {
  return key === "/" ? `/${name}` : `${key}/${name}`;
}

/** Each directory above, and the name in it that leads to `key`. */
function* ancestors(key: string): Generator<readonly [string, string]> {
  if (key === "/") return;
  for (let at = 0; at >= 0; ) {
    const next = key.indexOf("/", at + 1);
    yield [at === 0 ? "/" : key.slice(0, at), key.slice(at + 1, next < 0 ? undefined : next)];
    at = next;
  }
}
