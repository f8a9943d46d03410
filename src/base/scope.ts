type Closer = () => void | Promise<void>;

/**
 * Owns resources and closes them in reverse order, once, whoever asks and however often.
 * (Node 20 has no `AsyncDisposableStack`.)
 */
export class Scope {
  #closers: Closer[] = [];
  #closing: Promise<void> | undefined;

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Registers a closer. In a scope already closed it runs at once, so nothing can slip through. */
  defer(closer: Closer): void {
    if (this.#closing === undefined) {
      this.#closers.push(closer);
      return;
    }
    this.#closing = Promise.allSettled([this.#closing, Promise.resolve().then(closer)]).then(rethrow);
  }

  /** Registers `resource.close()` and hands the resource back. */
  use<T extends { close(): void | Promise<void> }>(resource: T): T {
    this.defer(() => resource.close());
    return resource;
  }

  /** @throws the only error, or an AggregateError of several; every closer has run by then. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const results: PromiseSettledResult<void>[] = [];
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      results.push(...(await Promise.allSettled([Promise.resolve().then(closer)])));
    }
    rethrow(results);
  }
}

function rethrow(results: readonly PromiseSettledResult<void>[]): void {
  const errors = results.flatMap((result): unknown[] =>
    result.status === "rejected" ? [result.reason] : [],
  );
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, "several resources failed to close");
}
