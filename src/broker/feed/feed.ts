import { deferred, ignoreRejection, onAbort, waitFor } from "../../base/async.ts";
import { stages } from "../../base/channels.ts";
import { AbortedError, ClosedError } from "../../base/errors.ts";
import { isWithin, pathKey } from "../../base/path.ts";
import { formatCursor, parseCursor } from "../cursor.ts";
import { BrokerError } from "../errors.ts";
import { feedFacts } from "../facts.ts";
import {
  mergeBySequence,
  type NatsLink,
  type StoredMessage,
  StreamReader,
  toBrokerError,
} from "../link/index.ts";
import { decodeMessage, unreadable } from "../message/index.ts";
import type { EventMessage } from "../message.ts";
import type { Cursor, EventFeed, FeedListener, FeedMessage, FeedSubscription, ReplayScope } from "../port.ts";
import { streamNonce } from "../streams/index.ts";
import { isConnectionName, isCut, scopeNames, watchName } from "../subjects.ts";
import { Follower, type FollowerOptions } from "./follower.ts";

interface StreamExtent {
  readonly nonce: string;
  readonly first: number;
  readonly last: number;
}

/** One follower per connection, however many listen: each message is received, decoded and audited once. */
class Shared implements FeedListener {
  readonly listeners = new Set<FeedListener>();
  readonly follower: Follower;

  constructor(start: (listener: FeedListener) => Follower) {
    this.follower = start(this);
  }

  onMessage(message: FeedMessage): void {
    stages.publish("relayed");
    for (const listener of [...this.listeners]) listener.onMessage(message);
  }

  onGap(reason: Parameters<FeedListener["onGap"]>[0]): void {
    for (const listener of [...this.listeners]) listener.onGap(reason);
  }
}

export class NatsEventFeed implements EventFeed {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #options: FollowerOptions;
  readonly #shared = new Map<string, Shared>();
  /** Thousands who ask at once get one answer. */
  readonly #extent: () => Promise<StreamExtent> = nextAnswer(() => this.#info());

  constructor(link: NatsLink, stream: string, options: FollowerOptions = {}) {
    this.#link = link;
    this.#stream = stream;
    this.#options = options;
  }

  follow(connection: string, listener: FeedListener): FeedSubscription {
    if (!isConnectionName(connection)) {
      throw new BrokerError("BROKER_BAD_NAME", `bad connection name ${JSON.stringify(connection)}`);
    }
    const shared =
      this.#shared.get(connection) ??
      new Shared((all) => new Follower(this.#link, this.#stream, connection, all, this.#options));
    this.#shared.set(connection, shared);
    // Listeners are counted by object, and one object may listen twice.
    const own: FeedListener = {
      onMessage: (message) => listener.onMessage(message),
      onGap: (reason) => listener.onGap(reason),
    };
    shared.listeners.add(own);
    const ready = deferred<void>();
    ignoreRejection(ready.promise);
    shared.follower.ready.then(ready.resolve, ready.reject);
    return {
      ready: ready.promise,
      get cursor() {
        return shared.follower.cursor;
      },
      close: () => {
        ready.reject(new ClosedError("feed"));
        if (!shared.listeners.delete(own) || shared.listeners.size > 0) return;
        shared.follower.close();
        if (this.#shared.get(connection) === shared) this.#shared.delete(connection);
      },
    };
  }

  /** Has every follower look whether the stream is the one it follows. */
  recheck(): void {
    for (const { follower } of this.#shared.values()) follower.recheck();
  }

  async *replay(
    scope: ReplayScope,
    since: Cursor,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<FeedMessage> {
    const { signal } = options;
    const name = watchName(scope.connection, scope.path, scope.caseSensitive);
    const { nonce, sequence, last } = await this.#held(since);
    const readers: StreamReader[] = [];
    const close = (): void => {
      for (const reader of readers) reader.close();
    };
    const forget = onAbort(signal, close);
    try {
      const common = { stream: this.#stream, from: { sequence: sequence + 1 }, endAtPresent: true, last };
      const all = scopeNames(name, scope.recursive).map((each) => ({
        ...common,
        filter: this.#link.subjects.ingest(each),
      }));
      readers.push(...(await StreamReader.openAll(this.#link, all)));
      if (signal?.aborted === true) throw new AbortedError(signal.reason);
      // Retention may pass while the consumers are made: they begin later than asked, without a word. The answer
      // comes behind what is delivered meanwhile, so it is awaited at the end.
      const held = this.#held(since);
      ignoreRejection(held);
      for await (const stored of mergeBySequence(readers)) {
        // Whoever follows hears it live, and what one reader brings beyond the end the other may not.
        if (stored.sequence > last) break;
        const decoded = this.#decode(scope.connection, stored);
        if (isCut(name) && !concerns(decoded, scope)) continue;
        yield {
          cursor: formatCursor({ nonce, sequence: stored.sequence }),
          subject: this.#link.subjects.toEvent(stored.subject),
          message: decoded,
        };
      }
      await held.catch(() => this.#held(since));
    } catch (error) {
      if (signal?.aborted === true) throw new AbortedError(signal.reason);
      throw toBrokerError(error, "replay");
    } finally {
      forget();
      close();
    }
  }

  async isSilent(
    scope: ReplayScope,
    since: Cursor,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<boolean> {
    const name = watchName(scope.connection, scope.path, scope.caseSensitive);
    const { sequence = 0 } = parseCursor(since) ?? {};
    try {
      for (const filter of scopeNames(name, scope.recursive)) {
        const query = { seq: sequence + 1, next_by_subj: this.#link.subjects.ingest(filter) };
        const next = this.#link.jsm.streams.getMessage(this.#stream, query);
        if ((await waitFor(next, { signal, what: "a look at the stream" })) !== null) return false;
      }
      // What was removed is not found either: only that all is still held makes the silence count.
      await this.#held(since, this.#extent);
      return true;
    } catch (error) {
      throw toBrokerError(error, "a look at the stream");
    }
  }

  async end(): Promise<Cursor> {
    const info = await this.#info();
    return formatCursor({ nonce: info.nonce, sequence: info.last });
  }

  close(): void {
    for (const { follower } of this.#shared.values()) follower.close();
    this.#shared.clear();
  }

  /** The sequence of a cursor, if all behind it is still stored. */
  async #held(
    since: Cursor,
    ask: () => Promise<StreamExtent> = () => this.#info(),
  ): Promise<{ readonly nonce: string; readonly sequence: number; readonly last: number }> {
    const position = parseCursor(since);
    if (position === undefined) throw new BrokerError("BROKER_RETENTION", "the cursor is not one of ours");
    const info = await ask();
    if (position.nonce !== info.nonce || position.sequence > info.last) {
      throw new BrokerError("BROKER_RETENTION", "the cursor is of another stream");
    }
    if (info.first > position.sequence + 1) {
      throw new BrokerError("BROKER_RETENTION", "the stream no longer holds what came after the cursor");
    }
    return { nonce: info.nonce, sequence: position.sequence, last: info.last };
  }

  #decode(connection: string, stored: StoredMessage): EventMessage {
    const { subjects } = this.#link;
    const subject = subjects.toEvent(stored.subject);
    try {
      return decodeMessage(stored.header, stored.data);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      feedFacts.publish({ type: "unreadable", connection, subject, message });
      return unreadable(connection, { subjects, subject }, stored.sequence, stored.storedAt);
    }
  }

  async #info(): Promise<StreamExtent> {
    try {
      const info = await this.#link.jsm.streams.info(this.#stream);
      return { nonce: streamNonce(info), first: info.state.first_seq, last: info.state.last_seq };
    } catch (error) {
      throw toBrokerError(error, `stream ${this.#stream}`);
    }
  }
}

/** Everyone who asks while a question is open gets the answer to the next one: none is older than its asking. */
function nextAnswer<T>(ask: () => Promise<T>): () => Promise<T> {
  let open: Promise<unknown> | undefined;
  let next: Promise<T> | undefined;
  return () => {
    next ??= (async () => {
      await open?.catch(() => undefined);
      next = undefined;
      const answer = ask();
      open = answer;
      return answer;
    })();
    return next;
  };
}

/** Below a cut the subject says too little. A resync also concerns what lies below it. */
function concerns(message: EventMessage, scope: ReplayScope): boolean {
  const path = pathKey(message.body.path, scope.caseSensitive);
  const wanted = pathKey(scope.path, scope.caseSensitive);
  if (path === wanted || (scope.recursive && isWithin(wanted, path))) return true;
  return message.type === "resync" && message.body.scope === "subtree" && isWithin(path, wanted);
}
