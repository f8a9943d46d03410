import { DiscardPolicy } from "@nats-io/jetstream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { type NatsCluster, startNatsCluster } from "../../../scripts/lab/nats-cluster.ts";
import { newerNats } from "../../../scripts/lab/newer-nats.ts";
import type { Scope } from "../../../src/base/scope.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { BrokerError } from "../../../src/broker/errors.ts";
import { NatsLink } from "../../../src/broker/link/link.ts";
import type { Broker, EventPublisher, FeedSubscription, WatchPublisher } from "../../../src/broker/port.ts";
import { Subjects } from "../../../src/broker/subjects.ts";
import { observe } from "../../../src/cli/compose/observe.ts";
import { createLog, type Log } from "../../../src/ops/log.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import { until } from "../../support/until.ts";

/** A broker in trouble: whatever it is, nothing may be lost, repeated or reordered, and a metric must show it. */
class Trouble {
  readonly broker: Broker;
  readonly link: NatsLink;
  readonly publisher: EventPublisher;
  readonly watch: WatchPublisher;
  /** `<directory>/<name>` as they were told. */
  readonly told: string[] = [];
  readonly gaps: string[] = [];
  readonly #metrics = new Metrics({ version: "1", commit: "c" }, { defaults: false });
  readonly #observing: Scope;
  readonly #feed: FeedSubscription;
  #made = 0;

  private constructor(broker: Broker, link: NatsLink, log: Log) {
    this.broker = broker;
    this.link = link;
    this.#observing = observe(this.#metrics, log);
    this.publisher = broker.publisher({ mayPublish: () => true, ackTimeoutMs: 400 });
    this.watch = this.publisher.open({
      connection: "nas1",
      path: "/",
      recursive: true,
      caseSensitive: false,
      source: "smb://nas/share",
      epoch: "e",
      resyncTargets: () => [],
    });
    this.#feed = broker.feed.follow("nas1", {
      onMessage: ({ message }) => {
        if (message.type !== "changes") return;
        for (const { name } of message.body.changes) this.told.push(`${message.body.path}/${name}`);
      },
      onGap: (reason) => this.gaps.push(reason),
    });
  }

  static async start(url: string, replicas = 1): Promise<Trouble> {
    const servers = url.split(",");
    const broker = await connectBroker({
      servers,
      name: "t",
      requestTimeoutMs: 1_000,
      streams: { replicas },
    });
    const log = await createLog({ level: "debug", format: "json" }, { write: () => undefined });
    const trouble = new Trouble(broker, await NatsLink.connect({ servers, name: "raw" }), log);
    await trouble.#feed.ready;
    return trouble;
  }

  make(count: number): void {
    for (let i = 0; i < count; i++) {
      const name = `f${this.#made}-${"x".repeat(200)}`;
      const path = `/d${this.#made++ % 10}`;
      this.watch.changes({ type: "changes", path, via: "notify", changes: [{ action: "added", name }] });
    }
  }

  /** All told, each once, in order per directory. */
  async expectAll(): Promise<void> {
    await this.watch.flush({ deadlineMs: 60_000 });
    await until("all to be told", () => this.told.length >= this.#made, { timeoutMs: 60_000 });
    expect(this.told).toHaveLength(this.#made);
    for (let d = 0; d < 10; d++) {
      const numbers = this.told
        .filter((text) => text.startsWith(`/d${d}/`))
        .map((text) => Number(/f(\d+)/.exec(text)?.[1]));
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    expect(this.gaps).toEqual([]);
  }

  async metric(line: RegExp): Promise<number> {
    const text = await this.#metrics.text();
    return text
      .split("\n")
      .filter((candidate) => line.test(candidate))
      .reduce((sum, found) => sum + Number(found.split(" ").at(-1)), 0);
  }

  async close(): Promise<void> {
    this.#feed.close();
    await this.publisher.close();
    await this.#observing.close();
    await this.link.close();
    await this.broker.close();
  }
}

describe("a single server in trouble", () => {
  let nats: Nats;
  let trouble: Trouble;
  beforeEach(async () => {
    nats = await startNats();
    trouble = await Trouble.start(nats.url);
  });
  afterEach(async () => {
    await trouble.close();
    await nats.stop();
  });

  it("a stream that is full, where an operator wants no message discarded", async () => {
    const { jsm } = trouble.link;
    const { config } = await jsm.streams.info("SMB");
    await jsm.streams.update("SMB", { ...config, discard: DiscardPolicy.New, max_bytes: 20_000 });
    trouble.make(500);
    await until(
      "refusals",
      async () => (await trouble.metric(/^smb2nats_publish_failures_total.*BROKER_FULL/)) > 0,
    );
    expect(trouble.publisher.depth.messages + trouble.publisher.depth.inFlight).toBeGreaterThan(0);
    await jsm.streams.update("SMB", { ...config, max_bytes: config.max_bytes });
    await trouble.expectAll();
  });

  it("a stream that was deleted, and made again", async () => {
    const { jsm } = trouble.link;
    const { config } = await jsm.streams.info("SMB");
    await jsm.streams.delete("SMB");
    trouble.make(500);
    await until(
      "refusals",
      async () => (await trouble.metric(/^smb2nats_publish_failures_total.*BROKER_NO_/)) > 0,
    );
    await jsm.streams.add(config);
    await trouble.watch.flush({ deadlineMs: 60_000 });
    const held = await jsm.streams.info("SMB");
    expect(held.state.num_subjects).toBe(10);
    // What followers had before is of another stream: they are told to list.
    await until("the gap", () => trouble.gaps.includes("retention"), { timeoutMs: 60_000 });
    const last = await jsm.streams.getMessage("SMB", { last_by_subj: new Subjects().ingest("nas1.d9") });
    expect(last?.string()).toContain("f499-");
  });

  it("a disk so slow that acknowledgements come too late", async () => {
    // A server that stands still looks the same from outside: requests are taken, and not answered.
    for (let round = 0; round < 3; round++) {
      trouble.make(100);
      nats.pause();
      trouble.make(100);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      nats.resume();
      await until("calm", () => trouble.publisher.depth.messages + trouble.publisher.depth.inFlight === 0);
    }
    await trouble.expectAll();
    expect(await trouble.metric(/^smb2nats_publish_failures_total.*BROKER_TIMEOUT/)).toBeGreaterThan(0);
  });
});

const newer = newerNats();

describe.skipIf(newer === undefined)("a cluster of three (needs nats-server 2.10.20 or newer)", () => {
  let nats: NatsCluster;
  let trouble: Trouble;
  beforeEach(async () => {
    nats = await startNatsCluster(newer?.path ?? "");
    trouble = await Trouble.start(nats.url, 3);
  });
  afterEach(async () => {
    await trouble.close();
    await nats.stop();
  });

  it("loses nothing when leaders change, and when nodes are killed", async () => {
    for (let round = 0; round < 4; round++) {
      trouble.make(200);
      await trouble.link
        .request("$JS.API.STREAM.LEADER.STEPDOWN.SMB", new Uint8Array())
        .catch(() => undefined);
      trouble.make(200);
      await until("calm", () => trouble.publisher.depth.messages + trouble.publisher.depth.inFlight === 0, {
        timeoutMs: 60_000,
      });
    }
    for (const node of nats.nodes) {
      trouble.make(200);
      await node.kill();
      trouble.make(200);
      await node.start();
    }
    await trouble.expectAll();
  });

  it("finds what a replica that is behind has not given to a reader", async () => {
    const since = await trouble.broker.feed.end();
    const [first] = nats.nodes;
    await first?.kill();
    trouble.make(3_000);
    await trouble.watch.flush({ deadlineMs: 60_000 });
    await first?.start();
    // The node is back before it has caught up: readers may be placed there.
    const scope = { connection: "nas1", path: "/", recursive: true, caseSensitive: false };
    for (let i = 0; i < 10; i++) {
      const names = await attempt(async () => {
        let count = 0;
        for await (const { message } of trouble.broker.feed.replay(scope, since)) {
          if (message.type === "changes") count += message.body.changes.length;
        }
        return count;
      });
      expect(names).toBe(3_000);
    }
    await trouble.expectAll();
  });
});

/** A reader on a node that is just coming up may be refused in time: that is no answer, and tried again. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 20 || !(error instanceof BrokerError) || !error.retryable) throw error;
    }
  }
}
