import type { CanonicalPath } from "../../../src/base/path.ts";
import type { EntryInfo, ProbedFile, StatOptions } from "../../../src/watch/source.ts";
import { FakeShare } from "./fake-source.ts";

/** A share that knows who has its files open for writing, and says so when it is asked. */
export class HeldShare extends FakeShare {
  /** Monotonic ms of each question, by path. */
  readonly probes: Map<CanonicalPath, number[]> = new Map();
  /** What it says instead, of all files. */
  answers: ProbedFile["writer"] | undefined;
  readonly #held = new Map<object, number>();

  /** Somebody opens the file for writing. Returns the function that closes it. */
  hold(path: CanonicalPath): () => void {
    const node = this.nodeOf(path);
    if (node === undefined) throw new Error(`no ${path}`);
    this.#held.set(node, (this.#held.get(node) ?? 0) + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#held.set(node, (this.#held.get(node) ?? 1) - 1);
    };
  }

  isHeld(path: CanonicalPath): boolean {
    const node = this.nodeOf(path);
    return node !== undefined && (this.#held.get(node) ?? 0) > 0;
  }

  async probe(path: CanonicalPath, options: StatOptions): Promise<ProbedFile> {
    this.probes.set(path, [...(this.probes.get(path) ?? []), this.options.clock.monotonic()]);
    await this.stat(path, options);
    const info: EntryInfo = await this.stat(path, options);
    return { writer: this.answers ?? (this.isHeld(path) ? "open" : "closed"), info };
  }
}
