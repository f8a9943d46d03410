import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ClientEvent } from "../../../src/client/events.ts";
import { connectWatchClient, type WatchClient } from "../../../src/client/watch-client.ts";
import { Fleet, TTL_MS, until } from "./harness.ts";

let fleet: Fleet;
let client: WatchClient;
beforeEach(async () => {
  fleet = await Fleet.start();
  await fleet.worker();
  client = await connectWatchClient({
    broker: { name: "client-test", servers: [fleet.nats.url] },
    ttlMs: TTL_MS,
    lingerMs: 50,
  });
});
afterEach(async () => {
  await client.close();
  await fleet.close();
});

async function next(events: AsyncGenerator<ClientEvent>): Promise<ClientEvent> {
  const { value, done } = await events.next();
  if (done === true) throw new Error("the watch has ended");
  return value;
}

async function nextOf<T extends ClientEvent["type"]>(
  events: AsyncGenerator<ClientEvent>,
  type: T,
): Promise<Extract<ClientEvent, { type: T }>> {
  for (;;) {
    const event = await next(events);
    if (event.type === type) return event as Extract<ClientEvent, { type: T }>;
  }
}

describe("WatchClient", () => {
  it("yields live first, then what happens; leaving the loop releases the watch", async () => {
    for await (const event of client.watch("nas1", "Media/", { recursive: true })) {
      if (event.type === "live") fleet.share.add("/Media/x", "a");
      if (event.type !== "changes") continue;
      expect(event).toMatchObject({
        path: "/Media/x",
        via: "notify",
        changes: [{ action: "added", name: "a" }],
      });
      break;
    }
    await until("the release", () => fleet.share.armed("/Media") === 0);
  });

  it("follows many directories without a warning, each hearing of its own", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    try {
      const watches = Array.from({ length: 40 }, (_, i) => client.watch("nas1", `/many/${i}`));
      await Promise.all(watches.map((events) => nextOf(events, "live")));
      for (let i = 0; i < 40; i++) fleet.share.add(`/many/${i}`, `f${i}`);
      const heard = await Promise.all(watches.map((events) => nextOf(events, "changes")));
      expect(heard.map(({ path, changes }) => [path, changes[0]?.name])).toEqual(
        Array.from({ length: 40 }, (_, i) => [`/many/${i}`, `f${i}`]),
      );
      await Promise.all(watches.map((events) => events.return()));
      // Warnings are told in a turn of their own.
      await new Promise(setImmediate);
      expect(warnings).toEqual([]);
    } finally {
      process.off("warning", onWarning);
    }
  });

  it("resumes from a cursor without a gap", async () => {
    const first = client.watch("nas1", "/r");
    await nextOf(first, "live");
    fleet.share.add("/r", "1");
    const { cursor } = await nextOf(first, "changes");
    fleet.share.add("/r", "2");
    await nextOf(first, "changes");
    await first.return();

    const second = client.watch("nas1", "/r", { since: cursor });
    expect(await nextOf(second, "changes")).toMatchObject({ changes: [{ name: "2" }] });
    await nextOf(second, "live");
    fleet.share.add("/r", "3");
    expect(await nextOf(second, "changes")).toMatchObject({ changes: [{ name: "3" }] });
    await second.return();
  });

  it("says where an event stands in what its owner told, and which resyncs are for who lists by himself", async () => {
    const asker = await fleet.broker();
    const events = client.watch("nas1", "/p", { recursive: true });
    await nextOf(events, "live");
    const changes = [{ action: "added", name: "a" } as const];
    fleet.share.emit({ type: "changes", path: "/p", via: "notify", changes }, 7);
    const { epoch } = await nextOf(events, "changes");
    fleet.share.emit({ type: "changes", path: "/p/x", via: "notify", changes }, 8);
    expect(await nextOf(events, "changes")).toMatchObject({ path: "/p/x", told: 8, epoch });
    fleet.share.emit({ type: "resync", path: "/p/x", scope: "self", reason: "silent", picture: "kept" }, 9);
    expect(await nextOf(events, "resync")).toMatchObject({ path: "/p/x", picture: "kept", told: 9, epoch });
    const inside = client.watch("nas1", "/p/x");
    await nextOf(inside, "live");
    // The owner has to know that somebody is there.
    await until("the inner ref", async () => {
      const request = new TextEncoder().encode(JSON.stringify({ connection: "nas1" }));
      const { data } = await asker.link.request("smb2nats.watch.list", request);
      return new TextDecoder().decode(data).includes('"refs":2');
    });
    fleet.share.emit(
      { type: "resync", path: "/p", scope: "subtree", reason: "overflow", picture: "kept" },
      10,
    );
    expect(await nextOf(inside, "resync")).toMatchObject({ path: "/p/x", picture: "kept", told: 10, epoch });
    fleet.share.emit({ type: "resync", path: "/p", scope: "subtree", reason: "takeover" }, 11);
    const lost = await nextOf(inside, "resync");
    expect([lost.picture, lost.told]).toEqual([undefined, 11]);
    await events.return();
    await inside.return();
  });

  it("answers a cursor it cannot honour with a resync", async () => {
    const events = client.watch("nas1", "/r", { since: "abc:7" });
    expect(await next(events)).toMatchObject({
      type: "resync",
      path: "/r",
      scope: "self",
      reason: "retention",
    });
    await nextOf(events, "live");
    await events.return();
  });

  it("ends with the caller's signal, and with the client", async () => {
    const stop = new AbortController();
    const aborted = client.watch("nas1", "/a", { signal: stop.signal });
    await nextOf(aborted, "live");
    const waiting = nextOf(aborted, "changes");
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });

    const closed = client.watch("nas1", "/b");
    await nextOf(closed, "live");
    const drained = (async () => {
      for await (const _ of closed);
    })();
    await client.close();
    await drained;
  });

  it("throws what waiting cannot heal, with the contract's word", async () => {
    fleet.share.refuses.set("/no", "denied");
    await expect(client.watch("nas1", "/no").next()).rejects.toMatchObject({ failure: "denied" });
    await expect(client.watch("nas1", "/../x").next()).rejects.toMatchObject({ failure: "bad_path" });
    await expect(client.watch("nas7", "/").next()).rejects.toMatchObject({ failure: "unknown_connection" });
  });

  it("tells a slow reader once that it missed something", async () => {
    const events = client.watch("nas1", "/s", { maxQueued: 2 });
    await nextOf(events, "live");
    const probe = client.watch("nas1", "/s");
    await nextOf(probe, "live");
    for (let i = 0; i < 10; i++) {
      fleet.share.add("/s", `${i}`);
      await nextOf(probe, "changes");
    }
    const got: string[] = [];
    for (let event = await next(events); ; event = await next(events)) {
      got.push(event.type);
      if (event.type === "resync" && event.reason === "slow-consumer") break;
    }
    expect(got.length).toBeLessThanOrEqual(4);
    fleet.share.add("/s", "after");
    expect(await nextOf(events, "changes")).toMatchObject({ changes: [{ name: "after" }] });
    await events.return();
    await probe.return();
  });

  it("tells how the watch is after it was live", async () => {
    const events = client.watch("nas1", "/d");
    await nextOf(events, "live");
    fleet.share.setState("/d", "unreachable", "no route");
    expect(await nextOf(events, "state")).toMatchObject({ state: "unreachable", error: "no route" });
    fleet.share.setState("/d", "live");
    expect(await nextOf(events, "state")).toMatchObject({ state: "live" });
    await events.return();
  });

  it("tells right after live what is wrong at that moment", async () => {
    const first = client.watch("nas1", "/worse");
    await nextOf(first, "live");
    fleet.share.setState("/worse", "degraded", "/worse/x: denied");
    await nextOf(first, "state");
    const second = client.watch("nas1", "/worse");
    expect(await next(second)).toMatchObject({ type: "live" });
    expect(await next(second)).toMatchObject({
      type: "state",
      state: "degraded",
      error: "/worse/x: denied",
    });
    await first.return();
    await second.return();
  });
});
