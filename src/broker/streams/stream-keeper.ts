import { deferred, waitFor } from "../../base/async.ts";
import { AbortedError, DeadlineError } from "../../base/errors.ts";
import type { BrokerErrorCode } from "../errors.ts";
import { connectionFacts } from "../facts.ts";
import { type NatsLink, toBrokerError } from "../link/index.ts";
import type { StreamOptions } from "../stream-config.ts";
import { streamsThatCatch } from "./clash.ts";
import { type PreparedStreams, prepareStreams } from "./streams.ts";

const AGAIN_MS = 1_000;

/** What a server that has just started says, and one that is away. */
export const NOT_READY: ReadonlySet<string> = new Set<BrokerErrorCode>([
  "BROKER_NO_JETSTREAM",
  "BROKER_UNAVAILABLE",
  "BROKER_TIMEOUT",
]);

export interface StreamKeeperOptions {
  readonly streams: StreamOptions;
  /** Between two looks, ms: nobody tells that an operator removed a stream. */
  readonly lookMs: number;
  /** Whether to look for other streams that take our events. */
  readonly lookForClash: boolean;
  /** The streams are others than before. Must not throw. */
  readonly onOthers: () => void;
}

/**
 * Looks after the streams at each reconnect, and from time to time: one that is gone, because the server lost its
 * data or somebody removed it, is made again, and `current` names the incarnations there are now.
 */
export class StreamKeeper {
  readonly #link: NatsLink;
  readonly #options: StreamKeeperOptions;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #current: PreparedStreams;
  #wake = deferred<void>();

  constructor(link: NatsLink, options: StreamKeeperOptions, first: PreparedStreams) {
    this.#link = link;
    this.#options = options;
    this.#current = first;
    this.#loop = this.#run();
  }

  get current(): PreparedStreams {
    return this.#current;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const forget = this.#link.onStatus(({ type }) => {
      if (type === "connected") this.#wake.resolve();
    });
    try {
      const { lookMs } = this.#options;
      await this.#lookForClash();
      let wait = lookMs;
      for (;;) {
        await this.#pause(wait);
        wait = !this.#link.connected || (await this.#look()) ? lookMs : AGAIN_MS;
      }
    } catch (error) {
      if (!(error instanceof AbortedError)) throw error;
    } finally {
      forget();
    }
  }

  /** @throws AbortedError */
  async #pause(deadlineMs: number): Promise<void> {
    const { signal } = this.#stop;
    try {
      await waitFor(this.#wake.promise, { signal, deadlineMs });
      this.#wake = deferred();
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
    }
  }

  /** Whether the server could answer. */
  async #look(): Promise<boolean> {
    const { eventsNonce, watchesNonce } = this.#current;
    try {
      this.#current = await prepareStreams(this.#link, this.#options.streams);
    } catch (error) {
      const { code, message } = toBrokerError(error, "look after the streams");
      if (NOT_READY.has(code)) return false;
      connectionFacts.publish({ type: "error", code, message });
      return true;
    }
    if (this.#current.eventsNonce !== eventsNonce || this.#current.watchesNonce !== watchesNonce) {
      const message = "the streams are not those of before: NATS lost its data, or somebody removed them";
      connectionFacts.publish({ type: "error", code: "BROKER_NO_STREAM", message });
      this.#options.onOthers();
    }
    await this.#lookForClash();
    return true;
  }

  async #lookForClash(): Promise<void> {
    if (!this.#options.lookForClash || this.#stop.signal.aborted) return;
    try {
      const answer = streamsThatCatch(this.#link);
      const streams = await waitFor(answer, { signal: this.#stop.signal });
      if (streams.length > 1) connectionFacts.publish({ type: "clash", streams });
    } catch {
      // The next look asks again: NATS is away, or there is no right to publish.
    }
  }
}
