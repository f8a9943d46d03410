import { SmbProtocolError } from "../errors.ts";

/** MS-SMB2 3.2.4.1.2: no server needs to give, and no client needs to hold, more than this. */
const MOST_CREDITS = 65_535;

/** Something that wants to be sent and costs credits. */
export interface Spender {
  /** Credits it costs; at least 1. */
  readonly charge: number;
  /** Messages it sends: each is answered, and each answer may grant. */
  readonly messages: number;
  /** Called once, with the first of `charge` consecutive message ids; sends at once. */
  send(firstMessageId: bigint): void;
}

/**
 * The credit account and the message id sequence of one connection (MS-SMB2 3.2.4.1.2 to .6). Ids are
 * given out strictly ascending: Windows stops granting when the spread of unused ids grows. What cannot
 * be paid waits, first come first served, so a dear request is not starved by cheap ones.
 */
export class CreditAccount {
  #available = 1;
  #nextId = 0n;
  /** Requests sent whose grant has not come back yet: as long as there is one, more credits may come. */
  #unanswered = 0;
  #queue: Spender[] = [];
  #head = 0;
  readonly #target: number;

  constructor(target: number) {
    this.#target = target;
  }

  get available(): number {
    return this.#available;
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  /** Credits that could ever be spent together: at hand plus, at worst, one back for each unanswered request. */
  get reach(): number {
    return this.#available + this.#unanswered;
  }

  /** What to ask for in a request's CreditRequest field: its own cost, and what is missing to the target. */
  askFor(charge: number): number {
    return Math.min(MOST_CREDITS, charge + Math.max(0, this.#target - this.#available));
  }

  /** Sends now, or when credits allow. */
  submit(spender: Spender): void {
    if (this.waiting > 0 || spender.charge > this.#available) this.#queue.push(spender);
    else this.#spend(spender);
  }

  /** Takes a waiting spender out of the queue; false when it is not there (any more). */
  withdraw(spender: Spender): boolean {
    const at = this.#queue.indexOf(spender, this.#head);
    if (at < 0) return false;
    this.#queue.splice(at, 1);
    this.#pump();
    return true;
  }

  /** Empties the queue, for a connection that ends. */
  abandonQueue(): Spender[] {
    const left = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    return left;
  }

  /**
   * Books the CreditResponse of one response. `first` for the first response to its request (interim or
   * only one), `more` when others are due.
   * @throws SmbProtocolError when the sum breaks the protocol's limit.
   */
  grant(credits: number, first: boolean): void {
    if (first) this.#unanswered--;
    this.#available += credits;
    if (this.#available > MOST_CREDITS) {
      throw new SmbProtocolError(`the server granted ${this.#available} credits, more than ${MOST_CREDITS}`);
    }
    this.#pump();
  }

  /** The waiting request that no answer under way can pay for, if the queue is stuck. */
  get stuck(): Spender | undefined {
    return this.#unanswered === 0 && this.waiting > 0 ? this.#queue[this.#head] : undefined;
  }

  #pump(): void {
    for (;;) {
      const spender = this.#queue[this.#head];
      if (spender === undefined || spender.charge > this.#available) break;
      this.#head++;
      this.#spend(spender);
    }
    if (this.#head > 1_024 || this.#head === this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #spend(spender: Spender): void {
    const first = this.#nextId;
    this.#available -= spender.charge;
    this.#nextId += BigInt(spender.charge);
    this.#unanswered += spender.messages;
    spender.send(first);
  }
}

/** MS-SMB2 3.2.4.1.5: one credit for each 64 KiB of the larger of what is sent and what may come back. */
export function creditCharge(payloadBytes: number): number {
  return Math.max(1, Math.ceil(payloadBytes / 65_536));
}
