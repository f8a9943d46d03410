import { type CanonicalPath, parentOf, pathKey } from "../base/path.ts";
import { watchName } from "../broker/subjects.ts";
import type { FleetMember } from "../fleet/member.ts";
import type { FeedListener, FeedMessage, FeedSubscription, WatchTarget } from "../fleet/port.ts";

export interface RouteOptions {
  /** Also what is told of the directories above it. Default false. */
  readonly onTheWay?: boolean;
}

interface Route {
  readonly target: WatchTarget;
  readonly listener: FeedListener;
}

type Feed = Pick<FeedSubscription, "ready" | "close">;

/**
 * One feed per connection for all watches of a client, each of which is handed what can concern it, and hardly anything
 * else: asking each watch about each message took a client of 2,000 watches a core, and one of 6,000 did not come back.
 */
export class FeedRoutes {
  readonly #member: Pick<FleetMember, "follow" | "subjects">;
  readonly #connections = new Map<string, ConnectionRoutes>();

  constructor(member: Pick<FleetMember, "follow" | "subjects">) {
    this.#member = member;
  }

  /**
   * @returns whose `ready` is that of the connection's feed
   * @throws ClosedError, BrokerError `BROKER_BAD_NAME`
   */
  follow(target: WatchTarget, listener: FeedListener, { onTheWay = false }: RouteOptions = {}): Feed {
    const { connection } = target;
    let routes = this.#connections.get(connection);
    if (routes === undefined) {
      routes = new ConnectionRoutes(this.#member, connection);
      this.#connections.set(connection, routes);
    }
    const remove = routes.add({ target, listener }, onTheWay);
    const { feed } = routes;
    return {
      ready: feed.ready,
      close: () => {
        if (!remove() || routes.size > 0) return;
        feed.close();
        if (this.#connections.get(connection) === routes) this.#connections.delete(connection);
      },
    };
  }
}

class ConnectionRoutes implements FeedListener {
  readonly feed: FeedSubscription;
  readonly #subjects: FleetMember["subjects"];
  readonly #all = new Set<Route>();
  /** Where a message is about their own directory. */
  readonly #own = new Index();
  readonly #trees = new Index();
  readonly #onTheWay = new Index();
  readonly #bySubject = new Index();

  constructor(member: Pick<FleetMember, "follow" | "subjects">, connection: string) {
    this.#subjects = member.subjects;
    this.feed = member.follow(connection, this);
  }

  get size(): number {
    return this.#all.size;
  }

  /** Returns what removes it, which says whether it was there. */
  add(route: Route, onTheWay: boolean): () => boolean {
    const { path, recursive } = route.target;
    const own = keyOf(path);
    const entries: [Index, string][] = [[this.#own, own]];
    if (recursive) entries.push([this.#trees, own]);
    if (onTheWay) for (const above of withAncestors(own).slice(1)) entries.push([this.#onTheWay, above]);
    for (const subject of this.#subjectsOf(route.target)) entries.push([this.#bySubject, subject]);
    this.#all.add(route);
    for (const [index, key] of entries) index.add(key, route);
    return () => {
      for (const [index, key] of entries) index.delete(key, route);
      return this.#all.delete(route);
    };
  }

  onMessage(message: FeedMessage): void {
    for (const route of this.#concerned(message)) {
      // One may end another.
      if (this.#all.has(route)) route.listener.onMessage(message);
    }
  }

  onGap(reason: Parameters<FeedListener["onGap"]>[0]): void {
    for (const route of [...this.#all]) route.listener.onGap(reason);
  }

  #concerned({ subject, message }: FeedMessage): Set<Route> {
    const way = withAncestors(keyOf(message.body.path));
    const found = new Set(this.#own.get(way[0] ?? "/"));
    for (const key of way) for (const route of this.#trees.get(key)) found.add(route);
    for (const route of this.#onTheWay.get(way[0] ?? "/")) found.add(route);
    // A resync is told on the subjects of directories below, too.
    if (message.type === "resync") for (const route of this.#bySubject.get(subject)) found.add(route);
    return found;
  }

  /** Whether names are told apart by case may be known later. */
  #subjectsOf({ connection, path }: WatchTarget): Set<string> {
    return new Set([true, false].map((each) => this.#subjects.event(watchName(connection, path, each))));
  }
}

class Index {
  readonly #routes = new Map<string, Set<Route>>();

  get(key: string): Iterable<Route> {
    return this.#routes.get(key) ?? [];
  }

  add(key: string, route: Route): void {
    const there = this.#routes.get(key);
    if (there === undefined) this.#routes.set(key, new Set([route]));
    else there.add(route);
  }

  delete(key: string, route: Route): void {
    const there = this.#routes.get(key);
    if (there?.delete(route) === true && there.size === 0) this.#routes.delete(key);
  }
}

/** Without case, also where case matters: who is handed too much looks closer. */
function keyOf(path: CanonicalPath): string {
  return pathKey(path, false);
}

/** Itself first, the root last. */
function withAncestors(key: string): string[] {
  const way = [key];
  for (let at = key; at !== "/"; way.push(at)) at = parentOf(at);
  return way;
}
