const MOST = 64;

/** Sessions of lost connections that the server may still hold; naming one at login makes it drop it. */
export class Orphans {
  readonly #ids: bigint[] = [];

  take(): bigint | undefined {
    return this.#ids.pop();
  }

  add(id: bigint | undefined): void {
    if (id === undefined) return;
    this.#ids.push(id);
    if (this.#ids.length > MOST) this.#ids.shift();
  }
}
