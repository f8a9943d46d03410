import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FleetError } from "../../../src/fleet/errors.ts";
import { Consumer, Fleet, until } from "./harness.ts";

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(async () => {
  await fleet.close();
});

const dir = (path: string) => ({ connection: "nas1", path, recursive: false });
const tree = (path: string) => ({ connection: "nas1", path, recursive: true });

describe("one worker, one consumer", () => {
  it("turns a ref into a live claim, tells changes, and lets go after the release", async () => {
    const { worker } = await fleet.worker();
    expect(worker.ready).toBe(true);
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();

    const ref = member.acquire(dir("/Media"));
    const states: string[] = [];
    ref.onState(({ state }) => states.push(state));
    await ref.ready;
    expect(ref.state).toEqual({ state: "live", mode: "notify" });
    expect(fleet.share.armed("/Media")).toBe(1);
    expect(states.at(-1)).toBe("live");

    fleet.share.add("/Media", "a.jpg");
    fleet.share.add("/Media", "b.jpg");
    await until("both changes", () => consumer.changes("/Media").length === 2);
    expect(consumer.changes("/Media")).toEqual(["added a.jpg", "added b.jpg"]);
    const [first] = consumer.messages.filter(({ message }) => message.type === "changes");
    expect(first?.subject).toBe("smb.nas1.media");
    expect(first?.message.body.epoch).toMatch(/^.+-\d+$/);

    ref.release();
    await until("the end of the watch", () => fleet.share.armed("/Media") === 0);
    await until("the end of the claim", () => worker.view?.claims.size === 0);
  });

  it("takes a watch that is live before it is in hand", async () => {
    await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    fleet.share.liveAtOnce = true;
    await member.acquire(tree("/Media")).ready;
    fleet.share.add("/Media", "a.jpg");
    await until("the change", () => consumer.changes("/Media").length === 1);
  });

  it("opens each epoch with a resync, before the claim says live", async () => {
    await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    await member.acquire(tree("/x")).ready;
    await until("the resync", () => consumer.resyncs().length > 0);
    expect(consumer.resyncs()).toEqual([{ subject: "smb.nas1.x", reason: "takeover", path: "/x" }]);
  });

  it("joins an interest inside a recursive one, and splits again", async () => {
    const { worker } = await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const inner = member.acquire(dir("/a/b"));
    await inner.ready;
    const outer = member.acquire(tree("/a"));
    await outer.ready;
    await until("one watch", () => fleet.share.armed("/a/b") === 0 && fleet.share.armed("/a") === 1);
    await until("one claim", () => worker.view?.claims.size === 1);
    await consumer.look("/a/b");
    outer.release();
    await until("the split", () => fleet.share.armed("/a/b") === 1 && fleet.share.armed("/a") === 0);
    fleet.share.add("/a/b", "x");
    await until("the change", () => consumer.picture("/a/b")?.join() === "x");
  });

  it.each([
    ["gone", "not_found", "gone"],
    ["denied", "denied", "denied"],
    ["not-a-directory", "not_a_directory", "gone"],
  ] as const)("tells %s as %s", async (failure, code, state) => {
    fleet.share.refuses.set("/bad", failure);
    await fleet.worker();
    const member = await fleet.member();
    const ref = member.acquire(dir("/bad"));
    await expect(ref.ready).rejects.toSatisfy(
      (error) => error instanceof FleetError && error.failure === code,
    );
    expect(ref.state).toMatchObject({ state, code });
  });

  it("follows the states of a watch, with a resync on the way back", async () => {
    await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const ref = member.acquire(dir("/d"));
    await ref.ready;
    fleet.share.setState("/d", "unreachable", "no route");
    await until("unreachable", () => ref.state.state === "unreachable");
    expect(ref.state).toMatchObject({ code: "unreachable", error: "no route" });
    fleet.share.setState("/d", "live");
    await until("live", () => ref.state.state === "live");
    expect(ref.state).toEqual({ state: "live", mode: "notify" });
    await until("state events", () => {
      const told = consumer.messages.flatMap(({ message }) =>
        message.type === "state" ? [message.body.state] : [],
      );
      return told.join() === "live,unreachable,live";
    });
  });

  it("says when no worker knows the connection", async () => {
    await fleet.worker();
    const member = await fleet.member();
    const ref = member.acquire({ connection: "nas9", path: "/", recursive: false });
    await expect(ref.ready).rejects.toMatchObject({ failure: "unknown_connection" });
    await expect(member.list({ connection: "nas9", path: "/" })).rejects.toMatchObject({
      failure: "unknown_connection",
    });
  });

  it("lists through a worker, page by page", async () => {
    await fleet.worker();
    for (const name of ["a", "b", "c"]) fleet.share.add("/Media", name);
    const member = await fleet.member();
    const first = await member.list({ connection: "nas1", path: "/Media", limit: 2 });
    expect(first).toMatchObject({ entries: [{ name: "a" }, { name: "b" }], next: "b" });
    const second = await member.list({ connection: "nas1", path: "/Media", after: "b" });
    expect(second.entries.map(({ name }) => name)).toEqual(["c"]);
    expect(second.next).toBeUndefined();
    fleet.share.refuses.set("/no", "denied");
    await expect(member.list({ connection: "nas1", path: "/no" })).rejects.toMatchObject({
      failure: "denied",
    });
  });

  it("replays what came after a cursor", async () => {
    await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    await member.acquire(dir("/r")).ready;
    fleet.share.add("/r", "1");
    const first = await until("the first change", () =>
      consumer.messages.find(({ message }) => message.type === "changes"),
    );
    fleet.share.add("/r", "2");
    await until("the second change", () => consumer.changes("/r").length === 2);
    const replayed: string[] = [];
    for await (const { message } of member.replay(dir("/r"), first.cursor, {})) {
      if (message.type === "changes") replayed.push(...message.body.changes.map(({ name }) => name));
    }
    expect(replayed).toEqual(["2"]);
    const foreign = member.replay(dir("/r"), "feedfeed:1", {});
    await expect(foreign[Symbol.asyncIterator]().next()).rejects.toMatchObject({ failure: "retention" });
  });

  it("holds pinned watches as long as it runs", async () => {
    const { worker } = await fleet.worker({ pins: [tree("/incoming")] });
    await until("the pinned watch", () => fleet.share.armed("/incoming") === 1);
    worker.updatePins([tree("/elsewhere")]);
    await until("the new pin", () => fleet.share.armed("/elsewhere") === 1);
    await until("the end of the old pin", () => fleet.share.armed("/incoming") === 0);
  });
});
