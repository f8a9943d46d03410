import type { Clock } from "../../base/clock.ts";
import { canonicalPath, pathKey } from "../../base/path.ts";
import type { FleetClient } from "../../fleet/port.ts";
import { type ErrorCode, RequestError, toRequestError } from "../errors.ts";
import { requestFacts, subscriptionFacts } from "../facts.ts";
import type { Rights } from "../grants.ts";
import type { Hub } from "../hub/index.ts";
import type { GatewayLimits, GatewayTimes, ServedConnection } from "../options.ts";
import type { Outbox } from "./outbox.ts";
import { isPlain } from "./plain.ts";
import { type Position, parsePosition } from "./position.ts";
import {
  echoId,
  errorFrame,
  type RequestId,
  type SubscribeRequest,
  type UnsubscribeRequest,
} from "./protocol.ts";
import { replayInto, resumePicture } from "./replay.ts";
import { Subscription } from "./subscription.ts";

export interface SubscriptionsOptions {
  readonly hub: Hub;
  readonly fleet: FleetClient;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  readonly times: GatewayTimes;
  readonly connection: (name: string) => ServedConnection | undefined;
  readonly rights: () => Rights;
  readonly outbox: Outbox;
  /** Fires when the socket is gone. */
  readonly signal: AbortSignal;
}

/** Refusals of the file server, which may end without anybody's doing here. */
const MAY_COME_BACK: ReadonlySet<ErrorCode> = new Set([
  "not_found",
  "not_a_directory",
  "denied",
  "unreachable",
]);

/**
 * Checks a right before anything else is looked at, so that a refusal tells nothing about what exists.
 * @throws RequestError `denied`, `unknown_connection`; BadPathError
 */
export function authorize(
  about: { readonly connection_id: string; readonly path: string; readonly recursive: boolean },
  rights: Rights,
  lookUp: (name: string) => ServedConnection | undefined,
): { readonly connection: ServedConnection; readonly path: string } {
  const path = canonicalPath(about.path);
  if (rights.nothing !== undefined) throw new RequestError("denied", rights.nothing);
  const connection = lookUp(about.connection_id);
  if (connection === undefined) {
    throw new RequestError(rights.knows(about.connection_id) ? "unknown_connection" : "denied");
  }
  const { recursive } = about;
  if (!rights.allows(connection.name, path, { recursive, caseSensitive: connection.caseSensitive })) {
    throw new RequestError("denied", "you have no right to this directory");
  }
  return { connection, path };
}

/** The subscriptions of one socket, by connection and path exactly as the client sent them. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #byName = new Map<string, Subscription>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Of which something is watched, by name. */
  get connections(): string[] {
    return [...new Set([...this.#byName.values()].map(({ connectionId }) => connectionId))].sort();
  }

  /** @throws RequestError, BadPathError where it is refused at once */
  subscribe(request: SubscribeRequest): void {
    try {
      this.#subscribe(request);
    } catch (error) {
      const { connection_id, path } = request;
      if (isPlain(request)) this.#options.outbox.send({ type: "directory_changed", connection_id, path });
      throw error;
    }
  }

  #subscribe(request: SubscribeRequest): void {
    const name = nameOf(request);
    const recursive = request.recursive ?? false;
    const snapshot = request.snapshot ?? false;
    const detail = snapshot || request.detail === "changes";
    const plain = isPlain(request);
    const { connection, path } = authorize(
      { ...request, recursive },
      this.#options.rights(),
      this.#options.connection,
    );
    const existing = this.#byName.get(name);
    const another = snapshot || existing?.snapshot === true || request.since !== undefined;
    if (existing !== undefined && existing.recursive === recursive && !another) {
      existing.detail = detail;
      existing.windowMs = request.windowMs;
      existing.plain = plain;
      if (existing.state === "arming") existing.waiting.push(request.id);
      else if (existing.state === "refused") this.#rearm(existing, [request.id]);
      // Without a cursor: what waits for this client may be older than the newest message.
      else this.#answer(existing, [request.id]);
      if (existing.watch.lost) existing.watch.look();
      return;
    }
    if (existing === undefined && this.#byName.size >= this.#options.limits.subscriptionsPerSocket) {
      throw new RequestError("limit", "too many subscriptions on this connection");
    }
    const watch = this.#options.hub.watch({ connection: connection.name, path, recursive });
    const subscription: Subscription = new Subscription({
      connectionId: request.connection_id,
      path: request.path,
      recursive,
      detail,
      windowMs: request.windowMs,
      plain,
      snapshot,
      watch,
      directory: path,
      outbox: this.#options.outbox,
      clock: this.#options.clock,
      heldLimit: this.#options.limits.replayMessages,
      onBack: () => this.#rearm(subscription, [undefined]),
    });
    subscription.waiting.push(request.id);
    if (existing !== undefined) {
      // Another depth, or another past: the new one takes over, and answers for both.
      subscription.waiting.unshift(...existing.waiting);
      this.#remove(existing);
    }
    this.#byName.set(name, subscription);
    subscriptionFacts.publish({ connection: subscription.connectionId, change: 1 });
    void this.#arm(subscription, request.since);
  }

  #rearm(subscription: Subscription, ids: readonly (RequestId | undefined)[]): void {
    subscription.rearm();
    subscription.waiting.push(...ids);
    void this.#arm(subscription, undefined);
  }

  unsubscribe(request: UnsubscribeRequest): void {
    const exact = this.#byName.get(nameOf(request));
    for (const subscription of exact === undefined ? this.#sameDirectory(request) : [exact]) {
      this.#remove(subscription);
      // Whoever still waits for `subscribed` learns what became of it.
      const told = subscription.waiting.filter((id) => id !== undefined);
      for (const id of told) this.#unsubscribed(subscription, id);
      // Ended in another spelling than its own: that must not go unnoticed.
      if (exact === undefined && told.length === 0) this.#unsubscribed(subscription);
    }
    this.#unsubscribed({ connectionId: request.connection_id, path: request.path }, request.id);
  }

  /** Ends what the rights or the configuration no longer allow. */
  recheck(): void {
    for (const subscription of [...this.#byName.values()]) {
      try {
        const { connectionId, path, recursive } = subscription;
        authorize(
          { connection_id: connectionId, path, recursive },
          this.#options.rights(),
          this.#options.connection,
        );
      } catch (error) {
        this.#fail(subscription, toRequestError(error));
      }
    }
  }

  /** Ends all subscriptions of a connection that is served differently from now on. */
  drop(connection: string): void {
    for (const subscription of [...this.#byName.values()]) {
      if (subscription.connectionId === connection) {
        this.#fail(subscription, new RequestError("unreachable", "the connection was configured anew"));
      }
    }
  }

  close(): void {
    for (const subscription of [...this.#byName.values()]) this.#remove(subscription);
  }

  /** `/Media` ends what `media/` began: they are one directory. */
  #sameDirectory(request: UnsubscribeRequest): Subscription[] {
    let path: string;
    try {
      path = canonicalPath(request.path);
    } catch {
      return [];
    }
    const caseSensitive = this.#options.connection(request.connection_id)?.caseSensitive ?? false;
    return [...this.#byName.values()].filter(
      ({ connectionId, watch }) =>
        connectionId === request.connection_id && watch.key === pathKey(path, caseSensitive),
    );
  }

  async #arm(subscription: Subscription, since: string | undefined): Promise<void> {
    const { signal, times } = this.#options;
    const { watch } = subscription;
    try {
      await watch.live({ signal, deadlineMs: times.subscribeMs });
    } catch (error) {
      if (subscription.state !== "arming" || signal.aborted) return;
      const answer = toRequestError(error);
      if (subscription.plain && MAY_COME_BACK.has(answer.answer)) this.#refuse(subscription, answer);
      else this.#fail(subscription, answer);
      return;
    }
    if (subscription.state !== "arming") return;
    const { waiting } = subscription;
    subscription.waiting = [];
    if (subscription.snapshot) {
      const position = since === undefined ? undefined : parsePosition(since);
      subscription.open({ replaying: position !== undefined });
      this.#answer(subscription, waiting, position && since);
      this.#show(subscription, since, position);
      return;
    }
    subscription.open({ replaying: since !== undefined });
    // During a replay the past is still to come: a client cut off in the middle must ask from there.
    this.#answer(subscription, waiting, since ?? watch.cursor);
    if (since !== undefined) await replayInto(subscription, since, this.#options);
  }

  /** `cursor` is where a client resumes that was told nothing yet. */
  #answer(subscription: Subscription, ids: readonly (RequestId | undefined)[], cursor?: string): void {
    const { connectionId, directory, path, watch } = subscription;
    for (const id of ids) {
      this.#options.outbox.send({
        type: "subscribed",
        connection_id: connectionId,
        path,
        ...(cursor === undefined ? {} : { cursor }),
        ...(watch.late === undefined ? {} : { late: watch.late }),
        ...echoId(id),
      });
      requestFacts.publish({ action: "subscribe", outcome: "ok" });
    }
    subscription.tellToList();
    const body = watch.trouble;
    if (body !== undefined) subscription.deliver({ type: "state", directory, own: true, body });
  }

  /** After `subscribed`: a snapshot, or what its picture has missed. */
  #show(subscription: Subscription, since: string | undefined, position: Position | undefined): void {
    const feed = subscription.follow((error) => this.#fail(subscription, error));
    if (position === undefined) {
      feed.begin(since === undefined ? "first" : "retention");
      return;
    }
    feed.resume(position);
    const { fleet, limits, signal, connection } = this.#options;
    const caseSensitive = connection(subscription.watch.target.connection)?.caseSensitive ?? false;
    void resumePicture(subscription, feed, position, { fleet, limits, signal, caseSensitive });
  }

  #unsubscribed(about: { readonly connectionId: string; readonly path: string }, id?: RequestId): void {
    const { connectionId, path } = about;
    this.#options.outbox.send({ type: "unsubscribed", connection_id: connectionId, path, ...echoId(id) });
  }

  /** Ends one, and says why to all who ask. */
  #fail(subscription: Subscription, error: RequestError): void {
    const armed = subscription.state !== "arming";
    this.#remove(subscription);
    this.#tellError(subscription, error, armed ? undefined : subscription.waiting);
  }

  /** Says why, and goes on: whoever speaks Sambee's protocol takes no notice of errors, and does not ask again. */
  #refuse(subscription: Subscription, error: RequestError): void {
    const { waiting } = subscription;
    subscription.waiting = [];
    if (subscription.refuse(error.answer)) this.#tellError(subscription, error, waiting);
  }

  /** `waiting`: the requests it answers; none where it ends what was told before. */
  #tellError(
    subscription: Subscription,
    error: RequestError,
    waiting: readonly (RequestId | undefined)[] | undefined,
  ): void {
    const { connectionId, path } = subscription;
    for (const id of waiting ?? [undefined]) {
      this.#options.outbox.send(errorFrame(error, { connection_id: connectionId, path, ...echoId(id) }));
      if (waiting !== undefined) requestFacts.publish({ action: "subscribe", outcome: error.answer });
    }
    subscription.tellToList();
  }

  #remove(subscription: Subscription): void {
    subscription.end();
    const name = nameOf({ connection_id: subscription.connectionId, path: subscription.path });
    if (this.#byName.get(name) === subscription) this.#byName.delete(name);
    subscriptionFacts.publish({ connection: subscription.connectionId, change: -1 });
  }
}

/** No connection's name contains a line feed, and neither does a path that is let in. */
function nameOf(request: { readonly connection_id: string; readonly path: string }): string {
  return `${request.connection_id}\n${request.path}`;
}
