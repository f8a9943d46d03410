import { afterEach, describe, expect, it } from "vitest";
import { type Deferred, deferred } from "../../src/base/async.ts";
import { ManualClock } from "../../src/base/clock.ts";
import { NatsEventPublisher, type Store } from "../../src/broker/publish/publisher.ts";
import { Subjects } from "../../src/broker/subjects.ts";
import { notifies } from "../../src/watch/facts.ts";
import { ShareWatcher } from "../../src/watch/share-watcher.ts";
import type {
  DirectorySource,
  EntryInfo,
  ListOptions,
  NotifyOutcome,
  WatchedDirectory,
} from "../../src/watch/source.ts";
import { oneWatch } from "../support/one-watch.ts";
import { seeded } from "../support/random.ts";

const INFO: EntryInfo = {
  ...{ type: "directory", size: 0, attributes: 16, fileId: 1n, created: 1n, modified: 1n, changed: 1n },
};
const [ADDED, MODIFIED] = [1, 3];

/** A server that answers a notify when told to, and a log of what is asked of it. */
class ScriptedServer implements DirectorySource {
  readonly traits;
  readonly waiting: Deferred<NotifyOutcome>[] = [];
  readonly #log: string[];

  constructor(notifyDepth: number, log: string[]) {
    this.traits = { fullRecursion: true, notifyDepth };
    this.#log = log;
  }

  async open(path: string): Promise<WatchedDirectory> {
    return {
      path,
      info: INFO,
      arm: () => {
        const outcome = deferred<NotifyOutcome>();
        this.waiting.push(outcome);
        this.#log.push("armed");
        return {
          accepted: Promise.resolve(true),
          outcome: outcome.promise,
          cancel: () => outcome.resolve({ type: "cancelled" }),
        };
      },
      close: async () => {
        for (const outcome of this.waiting.splice(0)) outcome.resolve({ type: "cancelled" });
      },
    };
  }

  async *list(_path: string, { onOpened }: ListOptions): AsyncGenerator<[], void> {
    this.#log.push("looked up");
    onOpened?.({ modified: INFO.modified });
    yield [];
  }

  async stat(): Promise<EntryInfo> {
    this.#log.push("looked up");
    return INFO;
  }

  async reachable(): Promise<void> {}
  async roundTrip(): Promise<void> {}

  /** Answers so many of the requests that wait, in one turn, as frames that have come in one segment do. */
  answer(...answers: readonly (readonly [action: number, names: readonly string[]])[]): void {
    for (const [action, names] of answers) {
      const records = names.map((name) => ({ action, name }));
      this.waiting.shift()?.resolve({ type: "records", records });
    }
  }
}

describe("the turn in which a change is heard", () => {
  const stop: (() => Promise<unknown> | unknown)[] = [];
  afterEach(async () => {
    for (const end of stop.splice(0).reverse()) await end();
  });

  async function watched(notifyDepth: number): Promise<{ log: string[]; server: ScriptedServer }> {
    const log: string[] = [];
    const clock = new ManualClock();
    const server = new ScriptedServer(notifyDepth, log);
    const watcher = new ShareWatcher(server, { cover: "directory" }, { clock, random: seeded(2) });
    stop.push(async () => {
      const closed = watcher.close();
      await clock.advance(10_000);
      await closed;
    });
    const store: Store = {
      ...{ connected: true, nonce: "n", subjects: new Subjects(), maxPayload: 1_048_576 },
      publish: async (_subject, payload) => {
        const { changes } = JSON.parse(Buffer.from(payload).toString()) as { changes?: { name: string }[] };
        log.push(`published ${changes?.map(({ name }) => name).join("+") ?? "state"}`);
        return { duplicate: false, sequence: 1 };
      },
      onConnected: () => () => undefined,
    };
    const publisher = new NatsEventPublisher(store, { mayPublish: () => true }, clock);
    stop.push(() => publisher.close());
    const watch = oneWatch(watcher, publisher, clock);
    stop.push(() => watch.close());
    await clock.advance(500);
    await watch.open("1", undefined, new AbortController().signal);
    await clock.advance(5_000);
    stop.push(notifies.subscribeLater(() => log.push("counted")));
    log.length = 0;
    return { log, server };
  }

  /** As from a socket: with no promise job under way. */
  async function inOneTurn(log: string[], answer: () => void): Promise<void> {
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        setImmediate(() => {
          log.push("the next turn");
          setImmediate(resolve);
        });
        answer();
      }),
    );
  }

  it("publishes it, and only then counts, asks for more, and looks anything up", async () => {
    const { log, server } = await watched(2);
    await inOneTurn(log, () => server.answer([ADDED, ["a"]]));
    expect(log[0]).toBe("published a");
    expect(log.slice(0, log.indexOf("the next turn")).sort()).toEqual(
      ["published a", "armed", "counted", "looked up"].sort(),
    );
  });

  it("puts what two answers say in one message, ahead of the next two requests", async () => {
    const { log, server } = await watched(2);
    await inOneTurn(log, () => server.answer([ADDED, ["a"]], [MODIFIED, ["b"]]));
    expect(log[0]).toMatch(/^published a(\+b)?$/);
    expect(log.filter((what) => what === "armed")).toHaveLength(2);
    expect(log.filter((what) => what.startsWith("published"))).toHaveLength(1);
    expect(log.lastIndexOf("armed")).toBeLessThan(log.indexOf("the next turn"));
  });

  it("asks for more first where the answer takes long to tell, or where no two requests are stacked", async () => {
    const names = Array.from({ length: 100 }, (_, n) => `n${n}`);
    const burst = await watched(2);
    await inOneTurn(burst.log, () => burst.server.answer([ADDED, names], [ADDED, ["last"]]));
    // The first of the two leaves another at the server; the second has none behind it, but is short.
    expect(burst.log[0]).toMatch(/^published /);
    const bursts = await watched(2);
    await inOneTurn(bursts.log, () => bursts.server.answer([ADDED, ["a"]], [ADDED, names]));
    expect(bursts.log.slice(0, 2)).toEqual(["armed", "armed"]);
    const single = await watched(1);
    await inOneTurn(single.log, () => single.server.answer([ADDED, ["a"]]));
    expect(single.log.slice(0, 2)).toEqual(["armed", "published a"]);
  });
});
