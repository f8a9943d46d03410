import { waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { baseName, type CanonicalPath, parentOf } from "../../base/path.ts";
import { type Gate, Pacer } from "../pacing.ts";
import { type DirectoryEntry, type DirectorySource, type ProbedFile, SourceError } from "../source.ts";

/** Probes of one share in a second, whatever the number of files and of those who wait for them. */
const PER_SECOND = 200;

export interface ProberContext {
  readonly source: DirectorySource;
  /** How many at the same time. */
  readonly gate: Gate;
  readonly clock: Clock;
  /** Of a path, by the case rule of the share. */
  readonly key: (path: CanonicalPath) => string;
  /** The share's end. */
  readonly stop: AbortSignal;
}

/** What is asked of the server about files that are waited for: within a budget, and one question at a time per file. */
export class Prober {
  readonly #context: ProberContext;
  readonly #pacer: Pacer;
  readonly #asked = new Map<string, Promise<ProbedFile>>();

  constructor(context: ProberContext) {
    this.#context = context;
    this.#pacer = new Pacer(context.clock, PER_SECOND);
  }

  /** FILETIME of the server's clock; `undefined` where it is not known. */
  serverTime(): bigint | undefined {
    return this.#context.source.serverTime?.();
  }

  /**
   * @param options.wanted - whether the answer is still of use when it is its turn. Returns `undefined` where it is not.
   * @throws SourceError, AbortedError
   */
  async probe(
    path: CanonicalPath,
    options: { readonly closed: boolean; readonly wanted: () => boolean; readonly signal: AbortSignal },
  ): Promise<ProbedFile | undefined> {
    const { closed, wanted, signal } = options;
    const key = `${closed ? "c" : "s"}${this.#context.key(path)}`;
    const asked = this.#asked.get(key);
    if (asked !== undefined) return waitFor(asked, { signal });
    const leave = await this.#context.gate.enter(signal);
    try {
      await this.#pacer.turn(signal);
      if (!wanted()) return undefined;
      const other = this.#asked.get(key);
      if (other !== undefined) return await waitFor(other, { signal });
      // Others may wait for the same answer: it ends with the share, not with whoever asked first.
      const question = this.#ask(path, closed).finally(() => this.#asked.delete(key));
      this.#asked.set(key, question);
      return await waitFor(question, { signal });
    } finally {
      leave();
    }
  }

  /** A listing, as far as it is read. @throws SourceError, AbortedError */
  list(path: CanonicalPath, signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    return this.#context.source.list(path, { signal });
  }

  async #ask(path: CanonicalPath, closed: boolean): Promise<ProbedFile> {
    const { source, stop: signal } = this.#context;
    try {
      if (closed && source.probe !== undefined) return await source.probe(path, { signal });
      return { writer: "unknown", info: await source.stat(path, { signal }) };
    } catch (error) {
      if (!(error instanceof SourceError) || error.failure !== "denied") throw error;
      // What we may not open is listed all the same, with its size and time.
      return { writer: "unknown", info: await this.#listed(path, error) };
    }
  }

  async #listed(path: CanonicalPath, denied: SourceError): Promise<DirectoryEntry> {
    const { source, key, stop: signal } = this.#context;
    const name = baseName(path);
    for await (const page of source.list(parentOf(path), { signal, only: [name] })) {
      const entry = page.find((each) => key(each.name) === key(name));
      if (entry !== undefined) return entry;
    }
    throw denied;
  }
}
