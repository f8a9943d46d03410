import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Deferred, deferred } from "../../../../src/base/async.ts";
import { ManualClock } from "../../../../src/base/clock.ts";
import { BrokerError } from "../../../../src/broker/errors.ts";
import { outboxFacts } from "../../../../src/broker/facts.ts";
import { decodeMessage } from "../../../../src/broker/message/message-codec.ts";
import type { EventMessage } from "../../../../src/broker/message.ts";
import type { PublisherOptions, WatchPublisher } from "../../../../src/broker/port.ts";
import { NatsEventPublisher, type Store } from "../../../../src/broker/publish/publisher.ts";
import { Subjects } from "../../../../src/broker/subjects.ts";

interface Open {
  readonly subject: string;
  readonly id: string;
  readonly message: EventMessage;
  readonly size: number;
  /** Number of the first publish under this id. */
  readonly sealedAt: number;
  readonly answer: Deferred<{ duplicate: boolean; sequence: number }>;
}

/** A stream that answers when told to. */
class ScriptedStore implements Store {
  connected = true;
  readonly nonce = "nonce";
  readonly subjects = new Subjects();
  maxPayload = 1_048_576;
  readonly open: Open[] = [];
  /** In the order of storing, each id once. */
  readonly stored: Open[] = [];
  /** Grows with everything that happens, so that events can be put in order. */
  tick = 0;
  readonly acknowledged = new Set<string>();
  readonly #sealedAt = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ readonly duplicate: boolean; readonly sequence: number }> {
    const answer = deferred<{ duplicate: boolean; sequence: number }>();
    const message = decodeMessage((name) => headers[name], payload);
    const id = headers["Nats-Msg-Id"] ?? "";
    const sealedAt = this.#sealedAt.get(id) ?? ++this.tick;
    this.#sealedAt.set(id, sealedAt);
    this.open.push({ subject, id, message, size: payload.length, sealedAt, answer });
    return answer.promise;
  }

  onConnected(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connect(on: boolean): void {
    this.connected = on;
    if (on) for (const listener of this.#listeners) listener();
  }

  /** Stores the publish at `index` of those open, with or without letting the publisher know. */
  settle(index: number, outcome: "ack" | "lost-ack" | "fail" | Error): void {
    const [open] = this.open.splice(index, 1);
    if (open === undefined) return;
    const duplicate = this.stored.some(({ id }) => id === open.id);
    if ((outcome === "ack" || outcome === "lost-ack") && !duplicate) this.stored.push(open);
    if (outcome === "ack") this.acknowledged.add(open.id);
    if (outcome === "ack")
      open.answer.resolve({ duplicate, sequence: this.stored.findIndex(({ id }) => id === open.id) + 1 });
    else if (outcome instanceof Error) open.answer.reject(outcome);
    else open.answer.reject(new BrokerError("BROKER_TIMEOUT", "no answer"));
  }
}

function setUp(options: Partial<PublisherOptions> = {}): {
  clock: ManualClock;
  store: ScriptedStore;
  publisher: NatsEventPublisher;
  open: (path?: string, targets?: readonly string[]) => WatchPublisher;
  drain: () => Promise<void>;
} {
  const clock = new ManualClock();
  const store = new ScriptedStore();
  const publisher = new NatsEventPublisher(store, { mayPublish: () => true, ...options }, clock);
  return {
    clock,
    store,
    publisher,
    open: (path = "/", targets = []) =>
      publisher.open({
        connection: "nas1",
        path,
        recursive: true,
        caseSensitive: false,
        source: "smb://nas/share",
        epoch: `e${path}`,
        resyncTargets: () => targets,
      }),
    async drain() {
      await clock.advance(0);
      for (let round = 0; round < 10_000; round++) {
        while (store.open.length > 0) {
          store.settle(0, "ack");
          await clock.advance(0);
        }
        if (publisher.depth.inFlight + publisher.depth.messages === 0) break;
        await clock.advance(1_000);
      }
    },
  };
}

function add(watch: WatchPublisher, path: string, ...names: string[]): void {
  const changes = names.map((name) => ({ action: "added" as const, name }));
  watch.changes({ type: "changes", path, via: "notify", changes });
}

const told = (store: ScriptedStore): string[] =>
  store.stored.map(({ message }) =>
    message.type === "changes"
      ? message.body.changes.map(({ name }) => name).join("+")
      : message.type === "resync"
        ? `resync ${message.body.reason}`
        : `state ${message.body.state}`,
  );

describe("publisher", () => {
  it("sends at once, one message per directory at a time, and gathers what comes meanwhile", async () => {
    const { store, open, clock, drain } = setUp();
    const watch = open();
    add(watch, "/a", "1");
    await clock.advance(0);
    expect(store.open).toHaveLength(1);
    add(watch, "/a", "2");
    add(watch, "/a", "3");
    add(watch, "/b", "4");
    await clock.advance(0);
    expect(store.open.map(({ subject }) => subject)).toEqual(["smbin.nas1.a", "smbin.nas1.b"]);
    await drain();
    expect(told(store)).toEqual(["1", "4", "2+3"]);
    expect(store.stored.map(({ message }) => message.body.seq)).toEqual([1, 2, 3]);
  });

  it("lets a resync and a state keep their place", async () => {
    const { store, open, drain } = setUp();
    const watch = open();
    add(watch, "/", "1");
    watch.resync({ type: "resync", path: "/", scope: "subtree", reason: "overflow" });
    watch.resync({ type: "resync", path: "/", scope: "subtree", reason: "reconnect" });
    add(watch, "/", "2");
    watch.state({ type: "state", path: "/", state: "unreachable", mode: "notify", error: "away" });
    watch.state({ type: "state", path: "/", state: "live", mode: "notify" });
    add(watch, "/", "3");
    await drain();
    expect(told(store)).toEqual(["1", "resync overflow", "2", "state live", "3"]);
  });

  it("tells a resync to the directories of interest inside its scope", async () => {
    const { store, open, drain } = setUp();
    open("/", ["/", "/x"]).resync({ type: "resync", path: "/", scope: "subtree", reason: "takeover" });
    await drain();
    expect(store.stored.map(({ subject }) => subject)).toEqual(["smbin.nas1", "smbin.nas1.x"]);
    for (const { message } of store.stored) expect(message.body.path).toBe("/");
  });

  it("does not mix spellings, ways of knowing, or more than fits", async () => {
    const { store, open, drain } = setUp({ maxMessageBytes: 1_500, maxChanges: 3 });
    const watch = open();
    add(watch, "/a", "1", "2", "3", "4");
    add(watch, "/A", "5");
    watch.changes({ type: "changes", path: "/A", via: "poll", changes: [{ action: "added", name: "6" }] });
    add(watch, "/b", "x".repeat(900), "y".repeat(900), "z".repeat(900));
    await drain();
    const bySubject = (subject: string): string[] =>
      told(store).filter((_, index) => store.stored[index]?.subject === subject);
    expect(bySubject("smbin.nas1.a")).toEqual(["1+2+3", "4", "5", "6"]);
    expect(bySubject("smbin.nas1.b")).toHaveLength(3);
    for (const { size } of store.stored) expect(size).toBeLessThan(1_600);
  });

  it("splits what the server's limit no longer takes, and asks for a listing where one message is too much", async () => {
    const { store, open, clock, drain } = setUp();
    const watch = open();
    store.connect(false);
    add(watch, "/a", ...Array.from({ length: 200 }, (_, n) => `${n}-${"x".repeat(200)}`));
    store.maxPayload = 16_384 + 20_000;
    store.connect(true);
    await drain();
    expect(told(store).join("+").split("+")).toHaveLength(200);
    for (const { size } of store.stored) expect(size).toBeLessThanOrEqual(20_000);
    add(watch, "/a", "huge");
    await clock.advance(0);
    store.settle(0, new BrokerError("BROKER_TOO_LARGE", "no"));
    await drain();
    expect(told(store).at(-1)).toBe("resync too-large");
  });

  it("repeats under the same id until acknowledged, at once when the connection stands again", async () => {
    const { store, open, clock, drain } = setUp();
    add(open(), "/a", "1");
    await clock.advance(0);
    store.settle(0, "lost-ack");
    await clock.advance(200);
    expect(store.open).toHaveLength(1);
    store.connect(false);
    store.settle(0, "fail");
    await clock.advance(60_000);
    expect(store.open).toHaveLength(0);
    store.connect(true);
    await clock.advance(0);
    expect(store.open.map(({ id }) => id)).toEqual(["e/:1"]);
    await drain();
    expect(told(store)).toEqual(["1"]);
  });

  it("asks the fence at each attempt", async () => {
    let may = true;
    const fences: boolean[] = [];
    const { store, open, clock, drain, publisher } = setUp({
      mayPublish: () => may,
      onFence: (held) => fences.push(held),
    });
    const watch = open();
    add(watch, "/a", "1");
    await clock.advance(0);
    may = false;
    store.settle(0, "fail");
    await clock.advance(10_000);
    add(watch, "/b", "2");
    await clock.advance(10_000);
    expect(store.open).toHaveLength(0);
    expect(publisher.depth).toMatchObject({ messages: 1, inFlight: 1, lagMs: 20_000 });
    may = true;
    publisher.resume();
    await drain();
    expect(publisher.depth).toMatchObject({ messages: 0, inFlight: 0, lagMs: 0 });
    expect(told(store)).toEqual(["1", "2"]);
    expect(fences).toEqual([true, false]);
  });

  it("lets the fullest watch pay for an overflow", async () => {
    const { store, open, drain } = setUp({ maxMessages: 10 });
    const facts: unknown[] = [];
    const off = outboxFacts.subscribe((fact) => facts.push(fact));
    store.connect(false);
    const noisy = open("/noisy");
    const quiet = open("/quiet");
    add(quiet, "/quiet", "kept");
    for (let n = 0; n < 10; n++) add(noisy, `/noisy/${n}`, "dropped");
    off();
    expect(facts).toMatchObject([{ type: "overflow", connection: "nas1", path: "/noisy", dropped: 10 }]);
    add(noisy, "/noisy/1", "covered");
    store.connect(true);
    await drain();
    expect(told(store).sort()).toEqual(["kept", "resync outbox-full"]);
    add(noisy, "/noisy/1", "later");
    await drain();
    expect(told(store).at(-1)).toBe("later");
  });

  it("bounds what is unacknowledged over all directories", async () => {
    const { store, open, clock } = setUp({ maxInFlight: 4 });
    const watch = open();
    for (let n = 0; n < 20; n++) add(watch, `/${n}`, "x");
    await clock.advance(0);
    expect(store.open).toHaveLength(4);
  });

  it("says on close whether all was acknowledged", async () => {
    const { store, open, clock, publisher, drain } = setUp();
    const done = open("/done");
    add(done, "/done", "1");
    await drain();
    expect(await done.close()).toBe(true);
    const late = open("/late");
    add(late, "/late", "1");
    const closing = late.close({ flushMs: 500 });
    add(late, "/late", "ignored");
    await clock.advance(600);
    expect(await closing).toBe(false);
    expect(await late.close()).toBe(false);
    store.settle(0, "ack");
    await publisher.close();
    expect(() => open()).toThrow(expect.objectContaining({ code: "CLOSED" }));
    expect(publisher.depth).toEqual({ messages: 0, bytes: 0, inFlight: 0, lagMs: 0 });
    expect(clock.pending).toBe(0);
  });

  /** Whatever NATS, the wire and the lease do: each change is stored in its place, or covered by a later resync. */
  it("loses no change without announcing it", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("change" as const), at: fc.nat(4) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("ack", "lost-ack", "fail"), at: fc.nat(5) }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom("down", "up", "fence", "wait"), at: fc.nat(1) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        let may = true;
        const { store, open, clock, drain } = setUp({
          mayPublish: () => may,
          maxMessages: 2,
          maxInFlight: 3,
        });
        const watch = open("/", ["/0", "/1", "/2", "/3", "/4"]);
        const handed: { path: string; name: string; at: number }[] = [];
        for (const { do: action, at } of steps) {
          if (action === "change") {
            handed.push({ path: `/${at}`, name: `${handed.length}`, at: ++store.tick });
            add(watch, `/${at}`, `${handed.length - 1}`);
          } else if (action === "down" || action === "up") store.connect(action === "up");
          else if (action === "fence") may = at === 0;
          else if (action === "wait") await clock.advance(1_000);
          else store.settle(at, action as "ack" | "lost-ack" | "fail");
          await clock.advance(0);
          // One message per subject on its way, however often tried.
          const waiting = store.open.filter(({ id }) => !store.acknowledged.has(id));
          const ids = new Set(waiting.map(({ id }) => id));
          expect(new Set(waiting.map(({ subject }) => subject)).size).toBe(ids.size);
        }
        may = true;
        store.connect(true);
        await drain();
        for (const path of ["/0", "/1", "/2", "/3", "/4"]) {
          const messages = store.stored.filter(({ subject }) => subject === `smbin.nas1.${path.slice(1)}`);
          const names = messages.flatMap(({ message }) =>
            message.type === "changes" ? message.body.changes.map(({ name }) => Number(name)) : [],
          );
          expect(names).toEqual([...names].sort((a, b) => a - b));
          expect(new Set(names).size).toBe(names.length);
          for (const change of handed.filter((candidate) => candidate.path === path)) {
            const number = Number(change.name);
            if (names.includes(number)) continue;
            const covered = messages.some(
              ({ message, sealedAt }) => message.type === "resync" && sealedAt > change.at,
            );
            expect(covered).toBe(true);
          }
        }
        const numbers = store.stored.map(({ message }) => message.body.seq ?? 0).sort((a, b) => a - b);
        expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      }),
      { numRuns: 60 },
    );
  });
});
