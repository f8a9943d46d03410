import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { WatchClient } from "../../src/client/watch-client.ts";
import { FleetError } from "../../src/fleet/errors.ts";
import type { LiveMirror } from "../../src/watch/mirror/index.ts";
import { WsClient } from "../../test/support/clients/ws-client.ts";
import { disagreements, Mirror, type MirrorEntry } from "../../test/support/oracles/mirror.ts";
import { differences } from "../../test/support/oracles/unlisting.ts";
import type { Journal } from "./journal.ts";
import { diskTruth } from "./truth.ts";

export const CONNECTION = "lab";

export interface Tally {
  changes: number;
  readonly resyncs: Record<string, number>;
  relists: number;
  /** Of those that never list, by reason: but for `first` something had been lost. */
  readonly snapshots: Record<string, number>;
}

/** Something that keeps a picture from events, and can be compared with the disk. */
export interface Watcher {
  readonly name: string;
  /** What it gets wrong now; `undefined` while it is busy. */
  wrong(folder: string): string[] | undefined;
}

/**
 * A service with a NATS connection and nothing else: lists through the fleet once it is live, believes events, lists
 * again on `resync` only.
 */
export class ServiceConsumer implements Watcher {
  readonly name: string;
  readonly #mirror: Mirror;
  readonly #journal: Journal;
  readonly #interest: { readonly path: string; readonly recursive: boolean };
  #live = false;

  constructor(
    client: WatchClient,
    interest: { readonly path: string; readonly recursive: boolean },
    tally: Tally,
    journal: Journal,
    signal: AbortSignal,
    onError: (error: unknown) => void,
  ) {
    this.#journal = journal;
    this.#interest = interest;
    this.name = `service ${interest.path}${interest.recursive ? "/**" : ""}`;
    this.#mirror = new Mirror({
      ...interest,
      now: () => Date.now(),
      forgets: true,
      list: (path) => this.#list(client, path, tally, signal),
    });
    this.#follow(client, tally, signal).catch((error: unknown) => {
      if (!signal.aborted) onError(error);
    });
  }

  wrong(folder: string): string[] | undefined {
    if (!this.#live || this.#mirror.busy) return undefined;
    return disagreements(this.#mirror, diskTruth(folder, this.#interest.path, this.#interest.recursive));
  }

  async #follow(client: WatchClient, tally: Tally, signal: AbortSignal): Promise<void> {
    const { path, recursive } = this.#interest;
    for await (const event of client.watch(CONNECTION, path, { recursive, signal })) {
      if (event.type === "live") {
        this.#journal.add("note", `${this.name} is live`, [path]);
        this.#live = true;
        this.#mirror.start();
      } else if (event.type === "changes") {
        this.#journal.event(`${event.epoch.slice(-9)}:${event.seq} @${event.cursor.slice(-6)}`, event);
        tally.changes += event.changes.length;
        this.#mirror.apply(event);
      } else if (event.type === "resync") {
        this.#journal.event(`@${event.cursor?.slice(-6)}`, event);
        tally.resyncs[event.reason] = (tally.resyncs[event.reason] ?? 0) + 1;
        this.#mirror.apply(event);
      }
    }
  }

  /** Workers may be away: a listing is asked for until it is answered. */
  async #list(
    client: WatchClient,
    path: string,
    tally: Tally,
    signal: AbortSignal,
  ): Promise<readonly MirrorEntry[] | undefined> {
    for (;;) {
      try {
        const entries: MirrorEntry[] = [];
        let after: string | undefined;
        do {
          const request = { connection: CONNECTION, path, ...(after === undefined ? {} : { after }) };
          const page = await client.list(request, { signal });
          for (const { name, type } of page.entries) entries.push({ name, directory: type === "directory" });
          after = page.next;
        } while (after !== undefined);
        tally.relists++;
        this.#journal.add("note", `listed ${path}: ${entries.length}`, [path], false);
        return entries;
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof FleetError && /^(not_found|not_a_directory)$/.test(error.failure))
          return undefined;
        await delay(100);
      }
    }
  }
}

/** A service that never lists: a snapshot through NATS, then what is told. */
export class MirrorConsumer implements Watcher {
  readonly name: string;
  readonly #mirror: LiveMirror;

  constructor(
    client: WatchClient,
    { path, recursive }: { readonly path: string; readonly recursive: boolean },
    tally: Tally,
    journal: Journal,
    signal: AbortSignal,
    onError: (error: unknown) => void,
  ) {
    this.name = `mirror ${path}${recursive ? "/**" : ""}`;
    this.#mirror = client.mirror(CONNECTION, path, { recursive, signal }) as LiveMirror;
    this.#mirror.on("change", (change) => {
      if (change.type !== "snapshot") return;
      const { reason, position } = change;
      tally.snapshots[reason] = (tally.snapshots[reason] ?? 0) + 1;
      journal.add(
        "note",
        `${this.name}: snapshot ${position.epoch.slice(-9)} told ${position.told} (${reason})`,
        [path],
      );
    });
    this.#mirror.ready.catch((error: unknown) => {
      if (!signal.aborted) onError(error);
    });
  }

  wrong(folder: string): string[] | undefined {
    const { ready, state } = this.#mirror.getSnapshot();
    if (!ready || this.#mirror.position === undefined || (state !== "live" && state !== "degraded"))
      return undefined;
    return differences(this.#mirror, diskTruth(folder, this.#mirror.path, this.#mirror.recursive));
  }
}

/** A page of a browser: one socket, many directories; looks at a directory again whenever it is told to. */
export class PageConsumer implements Watcher {
  readonly name: string;
  readonly #paths: readonly string[];
  readonly #folder: string;
  readonly #pictures = new Map<string, string>();
  readonly #journal: Journal;
  #subscribed = 0;

  constructor(
    name: string,
    url: () => string | undefined,
    paths: readonly string[],
    folder: string,
    journal: Journal,
    signal: AbortSignal,
  ) {
    this.#journal = journal;
    this.name = name;
    this.#paths = paths;
    this.#folder = folder;
    void this.#run(url, signal);
  }

  wrong(folder: string): string[] | undefined {
    if (this.#subscribed < this.#paths.length) return undefined;
    return this.#paths
      .filter((path) => this.#pictures.get(path) !== namesOf(folder, path))
      .map((path) => `${path}: another listing`);
  }

  async #run(url: () => string | undefined, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const at = url();
      try {
        if (at === undefined) throw new Error("the gateway is away");
        const client = await WsClient.open(`${at.replace("http", "ws")}/ws`);
        await this.#live(client, signal);
      } catch {
        // Refused, or reset: come back, as pages do.
      }
      this.#subscribed = 0;
      await delay(200);
    }
  }

  async #live(client: WsClient, signal: AbortSignal): Promise<void> {
    client.socket.on("message", (data) => {
      const { type, path } = JSON.parse(String(data)) as { type: string; path?: string };
      this.#journal.add(
        "event",
        `${this.name}: ${type} ${path ?? ""}`,
        path === undefined ? ["/"] : [path],
        false,
      );
      if (path === undefined || (type !== "subscribed" && type !== "directory_changed")) return;
      if (type === "subscribed") this.#subscribed++;
      this.#pictures.set(path, namesOf(this.#folder, path));
    });
    for (const path of this.#paths) client.send({ action: "subscribe", connection_id: CONNECTION, path });
    let quiet = 0;
    const pong = (): void => {
      quiet = 0;
    };
    client.socket.on("message", pong);
    while (!signal.aborted && client.closed === undefined) {
      await delay(500);
      client.send({ action: "ping" });
      // A frozen gateway keeps its sockets open.
      if (++quiet > 10) client.socket.terminate();
    }
    client.socket.terminate();
  }
}

function namesOf(folder: string, path: string): string {
  return readdirSync(join(folder, path)).sort().join("/");
}
