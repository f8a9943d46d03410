import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Deferred, deferred } from "../../../src/base/async.ts";
import type { ListedEntry, Listing, SubscribeOptions } from "../../../src/client/browser/types.ts";

interface Snapshot {
  readonly status: string;
  readonly entries: readonly ListedEntry[];
  readonly error?: string;
}
interface Directory {
  subscribe(listener: () => void): () => void;
  getSnapshot(): Snapshot;
}

const FILE = join(import.meta.dirname, "../../../examples/react-listing/src/directory.js");

/** The client of the gateway, with both answers in the test's hand. */
class FakeClient {
  readonly ready: Deferred<void> = deferred<void>();
  readonly lists: { readonly after: string | undefined; readonly answer: Deferred<Listing> }[] = [];
  on: SubscribeOptions = {};
  closed = 0;
  subscribe(_connection: string, _path: string, options: SubscribeOptions): object {
    this.on = options;
    return { ready: this.ready.promise, close: () => this.closed++ };
  }
  list(_connection: string, _path: string, { after }: { after?: string }): Promise<Listing> {
    const answer = deferred<Listing>();
    this.lists.push({ after, answer });
    return answer.promise;
  }
  async give(names: string, next?: string): Promise<void> {
    const entries = [...names].map((name) => entry(name));
    this.lists.at(-1)?.answer.resolve({ entries, ...(next === undefined ? {} : { next }) });
    await vi.advanceTimersByTimeAsync(0);
  }
}

const entry = (name: string): ListedEntry => ({
  name,
  type: "file",
  size: 1,
  modified: "2026-01-01T00:00:00Z",
});
const about = { connection: "nas1", path: "/a", directory: "/a" };

describe("the listing of the React example", () => {
  let client: FakeClient;
  let directory: Directory;
  let stop: () => void;
  const names = (): string =>
    directory
      .getSnapshot()
      .entries.map(({ name }) => name)
      .join("");

  beforeEach(async () => {
    vi.useFakeTimers();
    client = new FakeClient();
    const { Directory } = (await import(FILE)) as {
      Directory: new (client: FakeClient, connection: string, path: string) => Directory;
    };
    directory = new Directory(client, "nas1", "/a");
    stop = directory.subscribe(() => undefined);
  });
  afterEach(() => {
    stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
  const live = async (): Promise<void> => {
    client.ready.resolve();
    await vi.advanceTimersByTimeAsync(0);
  };

  it("lists once subscribed, all pages, in order", async () => {
    expect(client.lists).toHaveLength(0);
    await live();
    await client.give("cb", "c");
    await client.give("a");
    expect(client.lists.map(({ after }) => after)).toEqual([undefined, "c"]);
    expect(names()).toBe("abc");
    expect(directory.getSnapshot()).toMatchObject({ status: "live" });
    expect(directory.getSnapshot()).toBe(directory.getSnapshot());
  });

  it.each(["onChange", "onResync"] as const)(
    "lists again after %s, also in the middle of a listing",
    async (event) => {
      await live();
      client.on[event]?.({ ...about, scope: "self", reason: "overflow" });
      client.on[event]?.({ ...about, scope: "self", reason: "overflow" });
      expect(client.lists).toHaveLength(1);
      await client.give("a");
      await vi.advanceTimersByTimeAsync(300);
      expect(client.lists).toHaveLength(2);
      await client.give("ab");
      expect(names()).toBe("ab");
      await vi.advanceTimersByTimeAsync(10_000);
      expect(client.lists).toHaveLength(2);
    },
  );

  it("does not rest before a listing that failed went through", async () => {
    await live();
    client.lists[0]?.answer.reject(new Error("the connection was lost"));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(directory.getSnapshot().error).toBe("the connection was lost");
    await client.give("a");
    expect(names()).toBe("a");
    expect(directory.getSnapshot().error).toBeUndefined();
  });

  it("shows states and refusals, and watches from the first listener to the last", async () => {
    client.on.onState?.({ ...about, state: "unreachable", mode: "notify", error: "away" });
    expect(directory.getSnapshot()).toMatchObject({ status: "unreachable", error: "away" });
    client.on.onError?.(Object.assign(new Error("no right"), { code: "denied" }));
    expect(directory.getSnapshot()).toMatchObject({ status: "denied", error: "no right" });
    const other = directory.subscribe(() => undefined);
    stop();
    expect(client.closed).toBe(0);
    other();
    expect(client.closed).toBe(1);
    // React's strict mode mounts twice.
    stop = directory.subscribe(() => undefined);
    await live();
    await client.give("a");
    expect(names()).toBe("a");
  });
});
