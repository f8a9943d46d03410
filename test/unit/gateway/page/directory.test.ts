import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Deferred, deferred } from "../../../../src/base/async.ts";
import type {
  Change,
  GatewayError,
  ListedEntry,
  Listing,
  MirrorChange,
  SubscribeOptions,
} from "../../../../src/client/browser/types.ts";
import { type Entry, file, folder, pageModule } from "./modules.ts";

type Told = { readonly type: string; readonly names?: readonly string[] };
interface Directory {
  readonly ready: Promise<void>;
  entries(): readonly Entry[];
  get(name: string): Entry | undefined;
  on(event: "change", listener: (change: Told) => void): () => void;
  look(names: Iterable<string>): void;
  close(): void;
}
const { Directory, isUnknown } = await pageModule<{
  Directory: new (client: object, connection: string, path: string) => Directory;
  isUnknown(entry: Entry): boolean;
}>("directory");

const refusal = (code: string): GatewayError => Object.assign(new Error(code), { code });
const listed = (name: string, size = 1): ListedEntry => ({
  name,
  type: "file",
  size,
  modified: "2026-01-01T00:00:00Z",
});
const about = { connection: "nas1", path: "/d", directory: "/d" };

/** The client of a gateway, with its answers in the test's hand. */
class FakeClient {
  status = { state: "open" };
  readonly ready: Deferred<void> = deferred<void>();
  readonly subscribed: Deferred<void> = deferred<void>();
  readonly entries: Map<string, Entry> = new Map();
  readonly lists: { readonly after: string | undefined; readonly answer: Deferred<Listing> }[] = [];
  closed: string[] = [];
  on: SubscribeOptions | undefined;
  tell: (change: MirrorChange) => void = () => undefined;

  mirror(): object {
    return {
      state: "live",
      ready: this.ready.promise,
      entries: () => [...this.entries.values()],
      get: (name: string) => this.entries.get(name),
      on: (_event: string, listener: (change: MirrorChange) => void) => {
        this.tell = listener;
      },
      close: async () => this.closed.push("mirror"),
    };
  }

  subscribe(_connection: string, _path: string, options: SubscribeOptions): object {
    this.on = options;
    return { ready: this.subscribed.promise, close: () => this.closed.push("subscription") };
  }

  list(_connection: string, _path: string, { after }: { after?: string }): Promise<Listing> {
    const answer = deferred<Listing>();
    this.lists.push({ after, answer });
    return answer.promise;
  }

  put(...entries: Entry[]): void {
    for (const entry of entries) this.entries.set(entry.name, entry);
  }

  async give(entries: readonly ListedEntry[], next?: string): Promise<void> {
    this.lists.at(-1)?.answer.resolve({ entries, ...(next === undefined ? {} : { next }) });
    await vi.advanceTimersByTimeAsync(0);
  }

  async change(...changes: Change[]): Promise<void> {
    this.on?.onChange?.({ ...about, changes });
    await vi.advanceTimersByTimeAsync(0);
  }
}

let client: FakeClient;
let directory: Directory;
let told: Told[];
const names = (): string =>
  directory
    .entries()
    .map(({ name }) => name)
    .sort()
    .join("");

beforeEach(() => {
  vi.useFakeTimers();
  client = new FakeClient();
  directory = new Directory(client, "nas1", "/d");
  told = [];
  directory.on("change", (change) => told.push(change));
});
afterEach(() => {
  directory.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("the entries of a directory on the page", () => {
  it("are those of the mirror, and nobody lists", async () => {
    client.put(listed("a"), listed("b"));
    client.ready.resolve();
    await directory.ready;
    client.tell({ type: "snapshot", reason: "first" });
    expect(names()).toBe("ab");
    await vi.advanceTimersByTimeAsync(60_000);
    expect([client.lists.length, client.on]).toEqual([0, undefined]);
    directory.close();
    expect(client.closed).toEqual(["mirror"]);
  });

  it("are unknown as long as a file has no size, or anything no type or time", () => {
    expect([listed("a"), folder("a"), file("a"), { name: "a" }].map(isUnknown)).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  it("are looked for when in sight and unknown: one page, once for all, void when told anew", async () => {
    client.put(listed("a"), listed("b"), { name: "c" }, file("d"), listed("e"));
    client.ready.resolve();
    await directory.ready;
    directory.look(["d", "c"]);
    directory.look(["c"]);
    expect(client.lists).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(500);
    expect(client.lists.map(({ after }) => after)).toEqual(["b"]);
    // Told again meanwhile: what was found of it may be older.
    client.put(file("d"));
    await client.give([listed("c", 7), listed("d", 8), listed("e", 9)]);
    expect(told).toEqual([{ type: "found", names: ["c"] }]);
    expect(directory.get("c")).toMatchObject({ type: "file", size: 7 });
    expect(directory.entries().find(({ name }) => name === "c")?.size).toBe(7);
    expect([directory.get("d")?.size, directory.get("e")?.size]).toEqual([undefined, 1]);
    client.put(file("c"));
    expect(directory.get("c")?.size).toBeUndefined();
  });

  it("are not looked for without end where nobody finds them", async () => {
    client.put(file("ghost"));
    client.ready.resolve();
    await directory.ready;
    for (let i = 0; i < 6; i++) {
      directory.look(["ghost"]);
      await vi.advanceTimersByTimeAsync(10_000);
      client.lists.at(-1)?.answer.reject(refusal("unreachable"));
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(client.lists).toHaveLength(3);
  });

  it("say why they cannot be had", async () => {
    client.ready.reject(refusal("denied"));
    await expect(directory.ready).rejects.toMatchObject({ code: "denied" });
    expect(client.on).toBeUndefined();
  });
});

describe.each(["too_large", "no_changes", "silence"])("where there are no snapshots: %s", (why) => {
  beforeEach(async () => {
    if (why === "silence") {
      // Nobody has been asked as long as there is no connection.
      client.status = { state: "waiting" };
      await vi.advanceTimersByTimeAsync(60_000);
      expect(client.on).toBeUndefined();
      client.status = { state: "open" };
      await vi.advanceTimersByTimeAsync(15_000);
    } else {
      client.ready.reject(refusal(why));
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(client.closed).toEqual(["mirror"]);
    expect(client.lists).toHaveLength(0);
    client.subscribed.resolve();
    await vi.advanceTimersByTimeAsync(0);
  });

  it("they are listed once subscribed, page by page, and kept by changes", async () => {
    await client.give([listed("c")], "c");
    expect(client.lists.map(({ after }) => after)).toEqual([undefined, "c"]);
    await client.change({ action: "added", name: "x" }, { action: "removed", name: "c" });
    await client.give([listed("d")]);
    await directory.ready;
    expect(names()).toBe("dx");
    await client.change({ action: "renamed", name: "e", oldName: "d" });
    expect(directory.get("e")?.size).toBe(1);
    await client.change({ action: "modified", name: "e" });
    expect(directory.get("e")).toEqual({ name: "e", type: "file" });
    expect(told.map(({ type }) => type)).toEqual(["snapshot", "changes", "changes"]);
  });

  it("they are listed again after a resync, also in the middle of a listing, and when one has failed", async () => {
    const resync = { ...about, scope: "self", reason: "overflow" } as const;
    client.on?.onResync?.(resync);
    client.on?.onResync?.(resync);
    await client.give([listed("a")]);
    expect(client.lists).toHaveLength(2);
    client.lists[1]?.answer.reject(refusal("unreachable"));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(client.lists).toHaveLength(3);
    // Less and less often, where it stays so.
    client.lists[2]?.answer.reject(refusal("unreachable"));
    await vi.advanceTimersByTimeAsync(3_999);
    expect(client.lists).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(client.lists).toHaveLength(4);
    await client.give([listed("b")]);
    expect(names()).toBe("b");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.lists).toHaveLength(4);
  });

  it("they say why they cannot be listed, and are gone with the directory", async () => {
    client.lists[0]?.answer.reject(refusal("not_found"));
    await expect(directory.ready).rejects.toMatchObject({ code: "not_found" });
    client.on?.onState?.({ ...about, state: "live", mode: "notify" });
    await vi.advanceTimersByTimeAsync(0);
    await client.give([listed("a")]);
    expect(names()).toBe("a");
    client.on?.onState?.({ ...about, state: "gone", mode: "notify" });
    expect(names()).toBe("");
  });
});
