import { AbortedError } from "../base/errors.ts";
import { isWithin, pathKey } from "../base/path.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import { BrokerError } from "./errors.ts";
import { feedFacts } from "./facts.ts";
import { Follower, type FollowerOptions } from "./follower.ts";
import type { NatsLink } from "./link.ts";
import type { EventMessage } from "./message.ts";
import { decodeMessage, unreadable } from "./message-codec.ts";
import { toBrokerError } from "./nats-errors.ts";
import type { Cursor, EventFeed, FeedListener, FeedMessage, FeedSubscription, ReplayScope } from "./port.ts";
import { mergeBySequence, type StoredMessage, StreamReader } from "./reader.ts";
import { streamNonce } from "./streams.ts";
import { ingestSubject, isConnectionName, isCut, scopeNames, toEventSubject, watchName } from "./subjects.ts";

export class NatsEventFeed implements EventFeed {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #options: FollowerOptions;
  readonly #followers = new Set<Follower>();

  constructor(link: NatsLink, stream: string, options: FollowerOptions = {}) {
    this.#link = link;
    this.#stream = stream;
    this.#options = options;
  }

  follow(connection: string, listener: FeedListener): FeedSubscription {
    if (!isConnectionName(connection)) {
      throw new BrokerError("BROKER_BAD_NAME", `bad connection name ${JSON.stringify(connection)}`);
    }
    const follower = new Follower(this.#link, this.#stream, connection, listener, this.#options);
    this.#followers.add(follower);
    return {
      ready: follower.ready,
      get cursor() {
        return follower.cursor;
      },
      close: () => {
        this.#followers.delete(follower);
        follower.close();
      },
    };
  }

  async *replay(
    scope: ReplayScope,
    since: Cursor,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<FeedMessage> {
    const { signal } = options;
    const name = watchName(scope.connection, scope.path, scope.caseSensitive);
    const sequence = await this.#held(since);
    const readers: StreamReader[] = [];
    const close = (): void => {
      for (const reader of readers) reader.close();
    };
    signal?.addEventListener("abort", close, { once: true });
    try {
      for (const filter of scopeNames(name, scope.recursive)) {
        if (signal?.aborted === true) throw new AbortedError(signal.reason);
        readers.push(
          await StreamReader.open(this.#link, {
            stream: this.#stream,
            filter: ingestSubject(filter),
            from: { sequence: sequence + 1 },
            endAtPresent: true,
          }),
        );
      }
      // Retention moved on while the consumers were made: they began later than asked, without a word.
      const nonce = await this.#nonceOf(since);
      for await (const stored of mergeBySequence(readers)) {
        const decoded = this.#decode(scope.connection, stored);
        if (isCut(name) && !concerns(decoded, scope)) continue;
        yield {
          cursor: formatCursor({ nonce, sequence: stored.sequence }),
          subject: toEventSubject(stored.subject),
          message: decoded,
        };
      }
    } catch (error) {
      if (signal?.aborted === true) throw new AbortedError(signal.reason);
      throw toBrokerError(error, "replay");
    } finally {
      signal?.removeEventListener("abort", close);
      close();
    }
  }

  async end(): Promise<Cursor> {
    const info = await this.#info();
    return formatCursor({ nonce: info.nonce, sequence: info.last });
  }

  close(): void {
    for (const follower of this.#followers) follower.close();
    this.#followers.clear();
  }

  /** The sequence of a cursor, if all behind it is still stored. */
  async #held(since: Cursor): Promise<number> {
    const position = parseCursor(since);
    if (position === undefined) throw new BrokerError("BROKER_RETENTION", "the cursor is not one of ours");
    const info = await this.#info();
    if (position.nonce !== info.nonce || position.sequence > info.last) {
      throw new BrokerError("BROKER_RETENTION", "the cursor is of another stream");
    }
    if (info.first > position.sequence + 1) {
      throw new BrokerError("BROKER_RETENTION", "the stream no longer holds what came after the cursor");
    }
    return position.sequence;
  }

  async #nonceOf(since: Cursor): Promise<string> {
    await this.#held(since);
    return parseCursor(since)?.nonce ?? "";
  }

  #decode(connection: string, stored: StoredMessage): EventMessage {
    const subject = toEventSubject(stored.subject);
    try {
      return decodeMessage(stored.header, stored.data);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      feedFacts.publish({ type: "unreadable", connection, subject, message });
      return unreadable(connection, subject, stored.sequence, stored.storedAt);
    }
  }

  async #info(): Promise<{ readonly nonce: string; readonly first: number; readonly last: number }> {
    try {
      const info = await this.#link.jsm.streams.info(this.#stream);
      return { nonce: streamNonce(info), first: info.state.first_seq, last: info.state.last_seq };
    } catch (error) {
      throw toBrokerError(error, `stream ${this.#stream}`);
    }
  }
}

/** Below a cut the subject says too little. A resync also concerns what lies below it. */
function concerns(message: EventMessage, scope: ReplayScope): boolean {
  const path = pathKey(message.body.path, scope.caseSensitive);
  const wanted = pathKey(scope.path, scope.caseSensitive);
  if (path === wanted || (scope.recursive && isWithin(wanted, path))) return true;
  return message.type === "resync" && message.body.scope === "subtree" && isWithin(path, wanted);
}
