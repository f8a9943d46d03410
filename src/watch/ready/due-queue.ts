export interface Due<T> {
  readonly due: number;
  readonly item: T;
}

/** Items by the time at which they fall due: a binary heap. An item may be in it more than once: each says for when. */
export class DueQueue<T> {
  readonly #heap: Due<T>[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** When the first falls due. */
  get next(): number | undefined {
    return this.#heap[0]?.due;
  }

  add(due: number, item: T): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push({ due, item });
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#due(above) <= due) break;
      this.#swap(at, above);
      at = above;
    }
  }

  /** The first, if it is due by now. */
  take(now: number): Due<T> | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.due > now) return undefined;
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const below = this.#due(left + 1) < this.#due(left) ? left + 1 : left;
      if (this.#due(at) <= this.#due(below)) break;
      this.#swap(at, below);
      at = below;
    }
    return first;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #due(at: number): number {
    return this.#heap[at]?.due ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    const [one, other] = [heap[a], heap[b]];
    if (one === undefined || other === undefined) return;
    heap[a] = other;
    heap[b] = one;
  }
}
