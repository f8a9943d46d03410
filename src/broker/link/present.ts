import type { MsgRequest } from "@nats-io/jetstream";
import type { NatsLink } from "./link.ts";
import { toBrokerError } from "./nats-errors.ts";

export interface PresentOptions {
  readonly stream: string;
  readonly filter: string;
  /** The first sequence that was asked for. */
  readonly from: number;
  /** The stream's last sequence, as its leader told it; undefined: what the replica says is enough. */
  readonly last: number | undefined;
  /** Called once. */
  readonly onReached: () => void;
  /** The leader could not be asked. */
  readonly onFailed: (error: Error) => void;
}

/**
 * Whether a reader has got to the present. A consumer may run on a replica that is behind: where it has nothing more, the
 * leader is asked whether that is all there is.
 */
export class Present {
  readonly #link: NatsLink;
  readonly #options: PresentOptions;
  #reached = false;
  #asking = false;

  constructor(link: NatsLink, options: PresentOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** The replica has delivered all it has, the last of it with `sequence`. */
  nothingMore(sequence: number): void {
    const { last, stream, filter, from } = this.#options;
    if (this.#reached || this.#asking) return;
    if (last === undefined || sequence >= last) {
      this.#reach();
      return;
    }
    this.#asking = true;
    const seq = Math.max(sequence + 1, from);
    this.#link.jsm.streams
      .getMessage(stream, { seq, next_by_subj: filter } as MsgRequest) // the server knows it since 2.9; the type does not
      .then((next) => {
        this.#asking = false;
        if (next === null || next.seq > last) this.#reach();
      })
      .catch((error: unknown) => {
        const failure = toBrokerError(error, `reading ${stream}`);
        // The answer may wait behind what another reader is given: the next heartbeat asks again.
        if (failure.code === "BROKER_TIMEOUT") this.#asking = false;
        else this.#options.onFailed(failure);
      });
  }

  #reach(): void {
    if (this.#reached) return;
    this.#reached = true;
    this.#options.onReached();
  }
}
