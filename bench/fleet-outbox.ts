import { setTimeout as delay } from "node:timers/promises";
import { startNats } from "../scripts/lab/nats.ts";
import { connectBroker } from "../src/broker/broker.ts";
import type { FeedMessage } from "../src/broker/port.ts";
import { type Row, rounded, settledMemory } from "./stats.ts";

const MIB = 1_048_576;
const PATIENCE_MS = 120_000;

/** NATS is away while `changes` happen in as many directories as said; then it comes back. */
export async function outbox(changes: number, directories: number): Promise<Row[]> {
  const nats = await startNats();
  const broker = await connectBroker({ servers: [nats.url], name: "bench" });
  const reader = await connectBroker({ servers: [nats.url], name: "bench-reader" });
  try {
    const told = new Set<string>();
    const resynced: string[] = [];
    let messages = 0;
    let gaps = 0;
    const follow = reader.feed.follow("lab", {
      onMessage: ({ message }: FeedMessage) => {
        messages++;
        if (message.type === "changes") {
          for (const { name } of message.body.changes) told.add(`${message.body.path}/${name}`);
        } else if (message.type === "resync") resynced.push(message.body.path);
      },
      onGap: () => gaps++,
    });
    await follow.ready;
    const publisher = broker.publisher({ mayPublish: () => true });
    const watch = publisher.open({
      connection: "lab",
      path: "/",
      recursive: true,
      caseSensitive: false,
      source: "smb://server/share",
      epoch: "bench-1",
      resyncTargets: () => [],
    });
    await nats.shutdown();
    while (broker.link.connected) await delay(10);
    const before = settledMemory();
    let most = 0;
    for (let i = 0; i < changes; i++) {
      const path = `/d${i % directories}`;
      watch.changes({ type: "changes", path, via: "notify", changes: [{ action: "added", name: `f${i}` }] });
      if (i % 1_000 !== 999) continue;
      most = Math.max(most, publisher.depth.bytes);
      await delay(1);
    }
    const waiting = publisher.depth;
    const held = settledMemory() - before;
    await nats.start();
    const started = performance.now();
    await watch.flush({ deadlineMs: PATIENCE_MS });
    const flushed = performance.now() - started;
    // A reader that is busy with all of it may have no time for an answer.
    const caughtUp = async (): Promise<boolean> =>
      reader.feed.end().then(
        (end) => follow.cursor === end,
        () => false,
      );
    while (!(await caughtUp()) && performance.now() - started < PATIENCE_MS) await delay(100);
    // A resync of the root of this tree covers all of it.
    const covered = gaps > 0 || resynced.includes("/");
    const lost = covered ? 0 : changes - told.size;
    follow.close();
    await publisher.close();
    return [
      {
        name: `NATS away while ${changes} changes happen in ${directories} directories: memory`,
        value: rounded(held / MIB, 1),
        unit: "MiB",
        note: `at most ${rounded(most / MIB, 1)} MiB of events waited (the limit is 64, or 20000 messages); ${waiting.messages} messages in the end`,
      },
      {
        name: "… afterwards",
        value: lost,
        unit: "lost",
        note: `${told.size} delivered in ${messages} messages, ${resynced.length} resyncs, stored after ${rounded(flushed / 1_000)} s`,
      },
    ];
  } finally {
    await broker.close();
    await reader.close();
    await nats.stop();
  }
}
