import { type ArmedNotify, type NotifyOutcome, SourceError, type WatchedDirectory } from "../source.ts";

/** A server that has left so many cancelled requests of one handle unanswered is asked for no more. */
const MOST_UNANSWERED = 8;
/** An answer with so few records is told within a millisecond, of which two new requests would take a quarter. */
const FEW_RECORDS = 16;

export interface NotifyRequestOptions {
  readonly recursive: boolean;
  readonly filter: number;
  /** Requests kept stacked on the handle, so that there is always one at the server. */
  readonly depth: number;
}

export interface OutcomeTaker {
  answered(outcome: NotifyOutcome): void;
}

const NONE: readonly ArmedNotify[] = [];

/**
 * Keeps `depth` CHANGE_NOTIFY requests at the server. Each answer is replaced by a new request: before anybody looks at it
 * where that may take a while and no other is left at the server, or where there is never more than one; else as soon as
 * it was told. Outcomes are passed on in the order the server gave them:
 * `cancelled` means that one of our own cancels found nothing waiting; `cleanup` stands for every end we did not ask for.
 */
export class NotifyRequests {
  readonly #directory: WatchedDirectory;
  readonly #options: NotifyRequestOptions;
  readonly #taker: OutcomeTaker;
  /** Few: exactly as long as it is, a list is a third of a set. */
  #armed = NONE;
  #givenUp = NONE;
  #depth: number;
  #over = false;

  constructor(directory: WatchedDirectory, options: NotifyRequestOptions, taker: OutcomeTaker) {
    this.#directory = directory;
    this.#options = options;
    this.#taker = taker;
    this.#depth = Math.max(1, options.depth);
  }

  /** Resolves `true` when the server holds the first request; `false` when an outcome will say why not. */
  async start(): Promise<boolean> {
    const armed: ArmedNotify[] = [];
    while (!this.#over && armed.length < this.#depth) armed.push(this.#arm());
    for (const { accepted } of armed) if (await accepted) return true;
    return false;
  }

  /**
   * Arms anew, then gives the oldest request up: a server may have forgotten them without a word. The others have their turns;
   * one new request is enough to hear again. A server that does not give the old one up either has it still, or keeps
   * one for each handle; whichever it answers is heard.
   */
  async refresh(): Promise<void> {
    if (this.#givenUp.length >= MOST_UNANSWERED) return;
    const [oldest] = this.#armed;
    const fresh = this.#arm();
    if (!(await fresh.accepted)) return;
    if (oldest !== undefined && this.#armed.includes(oldest)) {
      this.#armed = without(this.#armed, oldest);
      this.#givenUp = [...this.#givenUp, oldest];
      oldest.cancel();
    }
    this.#fill();
  }

  /** No outcome is passed on any more. */
  stop(): void {
    this.#over = true;
  }

  #fill(): void {
    while (!this.#over && this.#armed.length < this.#depth) this.#arm();
  }

  #arm(): ArmedNotify {
    const armed = this.#directory.arm(this.#options);
    this.#armed = [...this.#armed, armed];
    void armed.outcome.then((outcome) => this.#ended(armed, outcome));
    return armed;
  }

  #ended(armed: ArmedNotify, outcome: NotifyOutcome): void {
    this.#armed = without(this.#armed, armed);
    const givenUp = this.#givenUp.includes(armed);
    if (givenUp) this.#givenUp = without(this.#givenUp, armed);
    if (this.#over) return;
    switch (outcome.type) {
      case "records":
      case "overflow":
        // What was said comes first. With another request at the server nothing is missed meanwhile; where two are
        // stacked and answered at once (a change and what it does to its directory's times) the server keeps for a
        // moment what happens, and only a burst would be too much for it.
        if (this.#armed.length === 0 && (this.#depth === 1 || isLong(outcome))) this.#fill();
        else process.nextTick(() => this.#fill());
        this.#taker.answered(outcome);
        return;
      case "cancelled":
        this.#taker.answered(givenUp ? outcome : { type: "cleanup" });
        return;
      case "failed":
        // The server is short of slots: one request is enough to miss nothing, only slower to re-arm.
        if (outcome.error.failure === "busy" && this.#armed.length > 0) {
          this.#depth = this.#armed.length;
          return;
        }
        this.#taker.answered({ type: "failed", error: asNotifyError(outcome.error) });
        return;
      case "cleanup":
        this.#taker.answered(outcome);
    }
  }
}

function isLong(outcome: NotifyOutcome): boolean {
  return outcome.type !== "records" || outcome.records.length > FEW_RECORDS;
}

function without(list: readonly ArmedNotify[], one: ArmedNotify): readonly ArmedNotify[] {
  const rest = list.filter((each) => each !== one);
  return rest.length === 0 ? NONE : rest;
}

/**
 * What can be opened for watching can mostly be listed: a refusal to notify means that listings have to do. FUSE-T's
 * go-smb2 accepts every request, and answers ACCESS_DENIED 5 s later. What cannot be listed either is denied by that.
 */
function asNotifyError(error: SourceError): SourceError {
  return error.failure === "denied" ? new SourceError("unsupported", error.message, error) : error;
}
