import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WatchSink } from "../../../src/watch/api.ts";
import { SourceError } from "../../../src/watch/source.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import { Consumer, Fleet, until } from "./harness.ts";

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(async () => {
  await fleet.close();
});

/** One worker's way to the share, which a test can cut. */
function cable(): { readonly runtime: ConnectionRuntime; cut(): void; mend(): void } {
  const inner = fleet.share.runtime();
  const ends = new Map<WatchSink, string>();
  let broken = false;
  const tell = (state: "live" | "unreachable"): void => {
    for (const [sink, path] of ends) sink({ type: "state", path, state, mode: "notify" });
  };
  return {
    runtime: {
      ...inner,
      watches: {
        watch(interest, sink) {
          ends.set(sink, interest.path);
          const handle = inner.watches.watch(interest, (event) => {
            if (!broken) sink(event);
          });
          return {
            interest,
            get state() {
              return broken ? "unreachable" : handle.state;
            },
            mode: "notify",
            live: broken ? Promise.reject(new SourceError("unreachable", "the cable is cut")) : handle.live,
            close: () => {
              ends.delete(sink);
              return handle.close();
            },
          };
        },
        close: async () => undefined,
      },
      list: async (request, options) => {
        if (broken) throw new SourceError("unreachable", "the cable is cut");
        return inner.list(request, options);
      },
    },
    cut() {
      broken = true;
      tell("unreachable");
    },
    mend() {
      broken = false;
      tell("live");
    },
  };
}

const PATHS = ["/a", "/b", "/c", "/d"];

describe("a worker that cannot reach the file server", () => {
  it("lets its watches go to one that can, with a resync, and takes part again when it is mended", async () => {
    const [first, second] = [cable(), cable()];
    const options = (runtime: ConnectionRuntime) => ({
      connections: new Map([["nas1", runtime]]),
      denyAfterMs: 400,
    });
    const { worker: one } = await fleet.worker(options(first.runtime));
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const refs = PATHS.map((path) => member.acquire({ connection: "nas1", path, recursive: false }));
    await Promise.all(refs.map(({ ready }) => ready));
    for (const path of PATHS) await consumer.look(path);
    const { worker: two } = await fleet.worker(options(second.runtime));
    await until("an even share", () => [...(two.controller?.owned() ?? [])].length === 2);
    await until("calm", () => [...(one.controller?.owned() ?? [])].length === 2);

    first.cut();
    // Nobody hears of this one but through a listing.
    for (const path of PATHS) fleet.share.add(path, "unheard");
    await until("all with the other", () => [...(two.controller?.owned() ?? [])].length === PATHS.length);
    expect(member.view.leases.get(one.leaseId!)?.record.deny).toEqual(["nas1"]);
    for (const path of PATHS) await until(path, () => consumer.picture(path)?.join() === "unheard");

    first.mend();
    await until("the denial to be taken back", () => {
      return member.view.leases.get(one.leaseId!)?.record.deny === undefined;
    });
    await until("an even share again", () => [...(one.controller?.owned() ?? [])].length === 2);
  });

  it("keeps them when nobody can, and says so to newcomers too", async () => {
    const [first, second] = [cable(), cable()];
    const options = (runtime: ConnectionRuntime) => ({
      connections: new Map([["nas1", runtime]]),
      denyAfterMs: 300,
    });
    const { worker: one } = await fleet.worker(options(first.runtime));
    const { worker: two } = await fleet.worker(options(second.runtime));
    const member = await fleet.member();
    const refs = PATHS.map((path) => member.acquire({ connection: "nas1", path, recursive: false }));
    await Promise.all(refs.map(({ ready }) => ready));
    first.cut();
    second.cut();
    await until("both to deny", () =>
      [one, two].every(({ leaseId }) => member.view.leases.get(leaseId!)?.record.deny !== undefined),
    );
    const late = member.acquire({ connection: "nas1", path: "/late", recursive: false });
    await expect(late.ready).rejects.toMatchObject({ failure: "unreachable" });
    expect(refs.map(({ state }) => state.state)).toEqual(PATHS.map(() => "unreachable"));
    first.mend();
    second.mend();
    await until("all live again", () => [...refs, late].every(({ state }) => state.state === "live"));
  });
});
