import { type Nats, type NatsOptions, startNats } from "../../../scripts/lab/nats.ts";
import { ClosedError } from "../../../src/base/errors.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { FleetMember, type FleetMemberOptions } from "../../../src/fleet/member.ts";
import type { FeedMessage } from "../../../src/fleet/port.ts";
import { Worker, type WorkerOptions } from "../../../src/worker/worker.ts";
import { FakeShare } from "./fake-share.ts";

export const TTL_MS = 1_500;

/** Polls a condition; the bound is generous and never the thing under test. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 20_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** One nats-server and whatever processes a test starts on it; all ends with `close`. */
export class Fleet {
  readonly nats: Nats;
  readonly share: FakeShare = new FakeShare();
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(nats: Nats) {
    this.nats = nats;
  }

  static async start(options: NatsOptions = {}): Promise<Fleet> {
    return new Fleet(await startNats(options));
  }

  async broker(): Promise<Broker> {
    const broker = await connectBroker({ name: "fleet-test", servers: [this.nats.url] });
    this.#closers.push(() => broker.close());
    return broker;
  }

  async worker(options: Partial<WorkerOptions> = {}): Promise<{ worker: Worker; broker: Broker }> {
    const broker = await this.broker();
    const worker = new Worker({
      broker,
      connections: new Map([["nas1", this.share.runtime()]]),
      ttlMs: TTL_MS,
      lingerMs: 100,
      gather: 0,
      host: "test",
      version: "1.2.3",
      ...options,
    });
    this.#closers.push(() => worker.close());
    await worker.start();
    return { worker, broker };
  }

  async member(options: Partial<FleetMemberOptions> = {}): Promise<FleetMember> {
    const broker = await this.broker();
    const member = await FleetMember.start({
      broker,
      kind: "gateway",
      ttlMs: TTL_MS,
      lingerMs: 100,
      ...options,
    });
    this.#closers.push(() => member.close());
    return member;
  }

  async close(): Promise<void> {
    const results = [];
    for (const closer of this.#closers.reverse()) results.push(...(await Promise.allSettled([closer()])));
    await this.nats.stop();
    const failed = results.find((result) => result.status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }
}

/** Messages of a connection as a consumer sees them, and the picture a consumer would keep from them. */
export class Consumer {
  readonly messages: FeedMessage[] = [];
  readonly gaps: string[] = [];
  readonly #picture = new Map<string, Set<string>>();
  readonly #journals = new Map<string, [string, string][]>();
  readonly #member: FleetMember;
  readonly #connection: string;

  constructor(member: FleetMember, connection = "nas1") {
    this.#member = member;
    this.#connection = connection;
  }

  async start(): Promise<this> {
    const subscription = this.#member.follow(this.#connection, {
      onMessage: (message) => {
        this.messages.push(message);
        this.#apply(message);
      },
      onGap: (reason) => this.gaps.push(reason),
    });
    await subscription.ready;
    return this;
  }

  /** Takes a picture of a directory now; changes are applied on top, a resync takes it anew. */
  async look(path: string): Promise<void> {
    const journal: [string, string][] = [];
    this.#journals.set(path, journal);
    const { entries } = await this.#member.list({ connection: this.#connection, path });
    if (this.#journals.get(path) !== journal) return;
    const names = new Set(entries.map(({ name }) => name));
    // What was told while the listing was on its way may be newer than the listing.
    for (const [action, name] of journal) applyTo(names, action, name);
    this.#journals.delete(path);
    this.#picture.set(path, names);
  }

  /** The picture kept from one listing, changes and resyncs; `undefined` while a listing is on its way. */
  picture(path: string): string[] | undefined {
    const names = this.#picture.get(path);
    return names === undefined || this.#journals.has(path) ? undefined : [...names].sort();
  }

  changes(path: string): string[] {
    return this.messages.flatMap(({ message }) =>
      message.type === "changes" && message.body.path === path
        ? message.body.changes.map(({ action, name }) => `${action} ${name}`)
        : [],
    );
  }

  resyncs(): { subject: string; reason: string; path: string }[] {
    return this.messages.flatMap(({ subject, message }) =>
      message.type === "resync" ? [{ subject, reason: message.body.reason, path: message.body.path }] : [],
    );
  }

  /** Until a worker answers, or the member is closed: `look` then leaves the picture unfinished, which the test sees. */
  #lookAgain(path: string): void {
    this.look(path).catch((error: unknown) => {
      if (!(error instanceof ClosedError)) setTimeout(() => this.#lookAgain(path), 200);
    });
  }

  #apply({ message }: FeedMessage): void {
    if (message.type === "resync") {
      const { path, scope } = message.body;
      for (const known of new Set([...this.#picture.keys(), ...this.#journals.keys()])) {
        const inside =
          known === path || (scope === "subtree" && known.startsWith(path === "/" ? "/" : `${path}/`));
        if (inside) this.#lookAgain(known);
      }
    }
    if (message.type !== "changes") return;
    const { path, changes } = message.body;
    for (const { action, name } of changes) {
      this.#journals.get(path)?.push([action, name]);
      const names = this.#picture.get(path);
      if (names !== undefined) applyTo(names, action, name);
    }
  }
}

function applyTo(names: Set<string>, action: string, name: string): void {
  if (action === "added") names.add(name);
  if (action === "removed") names.delete(name);
}
