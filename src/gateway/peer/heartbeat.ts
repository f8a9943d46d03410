import type { Clock } from "../../base/clock.ts";

const JITTER = 0.1;

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Between pings, each moved by up to a tenth, ms. */
  readonly everyMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface Pinged {
  ping(): void;
  /** Not even a pong since the last ping: nobody is there to read a close frame. */
  terminate(): void;
}

/** Pings a socket, and notices when nobody is there any more. */
export class Heartbeat {
  readonly #socket: Pinged;
  readonly #options: HeartbeatOptions;
  #heard = true;
  #cancel: (() => void) | undefined;

  constructor(socket: Pinged, options: HeartbeatOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#schedule();
  }

  /** Something came. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    this.#cancel?.();
  }

  /** The jitter is drawn each time, so that sockets opened together drift apart. */
  #schedule(): void {
    const { clock, everyMs, random } = this.#options;
    const wait = everyMs * (1 + JITTER * (2 * random() - 1));
    this.#cancel = clock.after(
      wait,
      () => {
        if (!this.#heard) {
          this.#socket.terminate();
          return;
        }
        this.#heard = false;
        this.#socket.ping();
        this.#schedule();
      },
      { unref: true },
    );
  }
}
