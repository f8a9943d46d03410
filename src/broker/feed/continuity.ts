/**
 * - `duplicate`: delivered before.
 * - `next`: nothing of its subject lies between.
 * - `hole`: something of its subject was stored in between and did not arrive.
 */
export type Continuity = "duplicate" | "next" | "hole";

/**
 * What a follower of some subjects of a stream has delivered, and how it knows that it missed nothing.
 *
 * Sequences on these subjects are not contiguous, since other connections share the stream. But each republished
 * message says which message of its own subject came before it (`Nats-Last-Sequence`). So with
 *
 * - `proven`: everything of ours up to this sequence was delivered, and
 * - `seen[subject]`: everything of this subject in `(proven, seen]` was delivered,
 *
 * a message whose predecessor is at most `max(proven, seen[subject])` follows without a hole, and both statements
 * hold again after it. A loss is thus found by the next message of the same subject. When none follows, an audit finds
 * it: it reads what the stream holds behind `proven` and compares, then moves `proven` forward. That also keeps `seen`
 * as small as the traffic between two audits. In between, messages get lost only with a connection, which is a doubt
 * by itself, or between servers of a cluster.
 */
export class Positions {
  /** Incarnation of the stream. */
  nonce: string | undefined;
  #proven = 0;
  #newest = 0;
  readonly #seen = new Map<string, number>();

  get proven(): number {
    return this.#proven;
  }

  /** Highest sequence delivered, or proven. */
  get newest(): number {
    return Math.max(this.#newest, this.#proven);
  }

  /** What is stored behind `sequence` is ours to deliver; what came before is not. */
  restart(nonce: string, sequence: number): void {
    this.nonce = nonce;
    this.#proven = sequence;
    this.#newest = sequence;
    this.#seen.clear();
  }

  /** @param previous sequence of the message stored before on the same subject; 0 when reading the stream itself. */
  check(subject: string, sequence: number, previous: number): Continuity {
    const known = Math.max(this.#proven, this.#seen.get(subject) ?? 0);
    if (sequence <= known) return "duplicate";
    return previous <= known ? "next" : "hole";
  }

  delivered(subject: string, sequence: number): void {
    this.#seen.set(subject, sequence);
    this.#newest = Math.max(this.#newest, sequence);
  }

  /** Everything of ours up to `sequence` was delivered. */
  prove(sequence: number): void {
    if (sequence <= this.#proven) return;
    this.#proven = sequence;
    for (const [subject, seen] of this.#seen) if (seen <= sequence) this.#seen.delete(subject);
  }

  /**
   * Whether the stream cannot tell any more what came behind `proven`: it was made anew, it lost its end in a crash
   * (sequences repeat then), or retention has passed us.
   */
  lost(stream: { readonly nonce: string; readonly first: number; readonly last: number }): boolean {
    return stream.nonce !== this.nonce || stream.last < this.newest || stream.first > this.#proven + 1;
  }
}
