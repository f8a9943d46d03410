import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, isWithin, parentOf, pathKey } from "../../base/path.ts";
import type { ResyncMessage } from "../../broker/message.ts";
import type { FeedMessage, FeedSubscription, FleetClient, WatchTarget } from "../../fleet/port.ts";
import type { ResyncReason, ResyncScope } from "../../watch/events.ts";
import { Glances } from "./glances.ts";
import { Pacer } from "./pacer.ts";
import { Room } from "./room.ts";
import { SharedMirror } from "./shared-mirror.ts";
import { SharedWatch } from "./shared-watch.ts";
import { Ways } from "./ways.ts";

export interface HubOptions {
  readonly fleet: FleetClient;
  readonly clock: Clock;
  readonly caseSensitive: (connection: string) => boolean;
  /** Entries that may be kept for snapshots. Default: no limit. */
  readonly mirroredEntries?: number;
}

/** Below this many listeners nobody needs to be asked to wait before listing again. */
const HERD = 20;
const JITTER_MS_PER_LISTENER = 2;
const MAX_JITTER_MS = 30_000;
/** How many resyncs we remember to know a copy of one by. */
const REMEMBERED_RESYNCS = 64;

/** Fans messages out: one feed per connection and one ref per directory, however many browsers. */
export class Hub {
  readonly #options: HubOptions;
  readonly #room: Room;
  readonly #connections = new Map<string, ConnectionHub>();

  constructor(options: HubOptions) {
    this.#options = options;
    this.#room = new Room(options.mirroredEntries ?? Number.POSITIVE_INFINITY);
  }

  /** Directories with a ref. */
  get watches(): number {
    let sum = 0;
    for (const connection of this.#connections.values()) sum += connection.size;
    return sum;
  }

  /** The watch all subscribers of this target share; registers interest if it is the first. */
  watch(target: WatchTarget): SharedWatch {
    let connection = this.#connections.get(target.connection);
    if (connection === undefined) {
      connection = new ConnectionHub(target.connection, this.#options, this.#room, () => {
        this.#connections.delete(target.connection);
      });
      this.#connections.set(target.connection, connection);
    }
    return connection.watch(target);
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
}

class ConnectionHub {
  readonly #self = new Map<string, SharedWatch>();
  readonly #tree = new Map<string, SharedWatch>();
  readonly #options: HubOptions;
  readonly #pacer: Pacer;
  readonly #glances: Glances;
  readonly #caseSensitive: boolean;
  readonly #onEmpty: () => void;
  readonly #room: Room;
  readonly #ways = new Ways();
  readonly #feed: FeedSubscription;
  readonly #resyncs: string[] = [];

  constructor(name: string, options: HubOptions, room: Room, onEmpty: () => void) {
    this.#options = options;
    this.#room = room;
    this.#pacer = new Pacer(options.clock);
    this.#glances = new Glances((paths, signal) =>
      options.fleet.stat({ connection: name, paths }, { signal }),
    );
    this.#caseSensitive = options.caseSensitive(name);
    this.#onEmpty = onEmpty;
    this.#feed = options.fleet.follow(name, {
      onMessage: (message) => this.#onMessage(message),
      onGap: (reason) => this.#onGap(reason),
    });
    // Awaited by each subscribe; here only kept from being reported as unhandled.
    this.#feed.ready.catch(() => undefined);
  }

  get size(): number {
    return this.#self.size + this.#tree.size;
  }

  watch(target: WatchTarget): SharedWatch {
    const key = pathKey(target.path, this.#caseSensitive);
    const map = target.recursive ? this.#tree : this.#self;
    const existing = map.get(key);
    if (existing !== undefined) return existing;
    const watch = new SharedWatch({
      target,
      key,
      acquire: () => this.#options.fleet.acquire(target),
      pacer: this.#pacer,
      glances: this.#glances,
      feed: this.#feed,
      clock: this.#options.clock,
      onEmpty: () => {
        map.delete(key);
        if (this.size === 0) this.close();
      },
      newMirror: (onEnd) => this.#newMirror(target, key, onEnd),
    });
    map.set(key, watch);
    return watch;
  }

  close(): void {
    this.#pacer.close();
    this.#glances.close();
    this.#feed.close();
    for (const map of [this.#self, this.#tree]) {
      for (const watch of map.values()) watch.close();
      map.clear();
    }
    this.#onEmpty();
  }

  #newMirror(target: WatchTarget, key: string, onEnd: () => void): SharedMirror {
    const { fleet, clock } = this.#options;
    const mirror: SharedMirror = new SharedMirror({
      target,
      caseSensitive: this.#caseSensitive,
      take: (signal) => fleet.snapshot(target, { signal }),
      cursor: () => this.#feed.cursor,
      room: this.#room,
      clock,
      onEnd: () => {
        this.#ways.delete(key, mirror);
        onEnd();
      },
    });
    this.#ways.add(key, mirror);
    return mirror;
  }

  #onMessage({ cursor, message }: FeedMessage): void {
    const { path } = message.body;
    const key = pathKey(path, this.#caseSensitive);
    if (message.type === "resync") {
      const { epoch, seq, scope, reason } = message.body;
      // One resync arrives on the subject of every directory inside its scope; walking all directories
      // for each copy would be quadratic.
      if (scope === "subtree" && !this.#isNews(`${epoch} ${seq} ${key}`)) return;
      this.#resync(this.#concerned(key, scope), path, { scope, reason, cursor, body: message.body });
      return;
    }
    if (message.type === "changes") {
      for (const mirror of this.#ways.through(key)) mirror.hearAbove(message.body);
    }
    for (const watch of this.#concerned(key, "self")) {
      if (message.type === "changes") {
        watch.deliver({ type: "changes", directory: path, cursor, body: message.body });
      } else {
        watch.deliver({ type: "state", directory: path, own: watch.key === key, body: message.body });
      }
    }
  }

  #onGap(reason: ResyncReason): void {
    for (const watch of [...this.#self.values(), ...this.#tree.values()]) {
      const scope = watch.target.recursive ? "subtree" : "self";
      this.#resync([watch], watch.target.path, { scope, reason, cursor: this.#feed.cursor });
    }
  }

  #resync(
    watches: readonly SharedWatch[],
    path: CanonicalPath,
    about: {
      scope: ResyncScope;
      reason: ResyncReason;
      cursor: string | undefined;
      body?: ResyncMessage;
    },
  ): void {
    const listeners = watches.reduce((sum, watch) => sum + watch.size, 0);
    const jitterMs =
      listeners > HERD ? Math.min(MAX_JITTER_MS, listeners * JITTER_MS_PER_LISTENER) : undefined;
    for (const watch of watches) {
      // What a subscriber can see of a wider scope begins at its own directory.
      const inside = !isWithin(watch.key, pathKey(path, this.#caseSensitive));
      watch.deliver({
        type: "resync",
        directory: inside ? watch.target.path : path,
        scope: watch.target.recursive ? about.scope : "self",
        reason: about.reason,
        cursor: about.cursor,
        jitterMs,
        body: about.body,
      });
    }
  }

  /** The watches that see what happens at `key`, and with `subtree` those anywhere below. */
  #concerned(key: string, scope: ResyncScope): SharedWatch[] {
    const found: SharedWatch[] = [];
    if (scope === "subtree") {
      for (const map of [this.#self, this.#tree]) {
        for (const watch of map.values()) if (isWithin(key, watch.key)) found.push(watch);
      }
    } else {
      const own = this.#self.get(key);
      if (own !== undefined) found.push(own);
      const tree = this.#tree.get(key);
      if (tree !== undefined) found.push(tree);
    }
    for (let at = key; at !== "/"; ) {
      at = parentOf(at);
      const above = this.#tree.get(at);
      if (above !== undefined) found.push(above);
    }
    return found;
  }

  #isNews(resync: string): boolean {
    if (this.#resyncs.includes(resync)) return false;
    this.#resyncs.push(resync);
    if (this.#resyncs.length > REMEMBERED_RESYNCS) this.#resyncs.shift();
    return true;
  }
}
