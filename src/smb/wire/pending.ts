import type { PendingRequest } from "./request.ts";

/** Answers to requests that we gave up may come late; beyond this many we believe they never will. */
const MOST_ABANDONED = 4_096;

/** The requests of one connection that the server owes an answer, by MessageId. */
export class PendingTable {
  readonly #byId = new Map<bigint, PendingRequest>();
  /** Requests with a limit to their patience: few at any time, so that a sweep is cheap. */
  readonly #impatient = new Set<PendingRequest>();
  /** Insertion order is age. */
  readonly #abandoned = new Set<PendingRequest>();

  get size(): number {
    return this.#byId.size - this.#abandoned.size;
  }

  get impatient(): number {
    return this.#impatient.size;
  }

  add(request: PendingRequest): void {
    this.#byId.set(request.messageId, request);
    if (request.patienceMs !== undefined) this.#impatient.add(request);
  }

  /** From watchdog time `now` on, bears only `ms` of silence. */
  hurry(request: PendingRequest, ms: number, now: number): void {
    if (this.#byId.get(request.messageId) !== request) return;
    request.since = now;
    request.patienceMs = ms;
    this.#impatient.add(request);
  }

  get(messageId: bigint): PendingRequest | undefined {
    return this.#byId.get(messageId);
  }

  /** The final answer is here. */
  remove(request: PendingRequest): void {
    this.#byId.delete(request.messageId);
    this.#impatient.delete(request);
    this.#abandoned.delete(request);
  }

  /** Nobody waits any more; the id stays known, so that the late answer is no protocol error. */
  abandon(request: PendingRequest): void {
    request.state = "abandoned";
    this.#impatient.delete(request);
    this.#abandoned.add(request);
    if (this.#abandoned.size <= MOST_ABANDONED) return;
    const [oldest] = this.#abandoned;
    if (oldest !== undefined) this.remove(oldest);
  }

  /** Those whose patience is over at watchdog time `now`. */
  overdue(now: number): PendingRequest[] {
    const late: PendingRequest[] = [];
    for (const request of this.#impatient) {
      if (now - request.since >= (request.patienceMs ?? Number.POSITIVE_INFINITY)) late.push(request);
    }
    return late;
  }

  /** Empties the table and returns what was still waited for. */
  drain(): PendingRequest[] {
    const waiting = [...this.#byId.values()].filter((request) => request.state !== "abandoned");
    this.#byId.clear();
    this.#impatient.clear();
    this.#abandoned.clear();
    return waiting;
  }
}
