import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type Deferred, deferred } from "../../../src/base/async.ts";
import type { MirrorView } from "../../../src/client/browser/types.ts";

interface Store {
  subscribe(listener: () => void): () => void;
  getSnapshot(): Omit<MirrorView, "state"> & { readonly state: string };
}

const FILE = join(import.meta.dirname, "../../../examples/react-listing/src/mirror-store.js");
const { mirrorStore } = (await import(FILE)) as {
  mirrorStore(client: object, connection: string, path: string): Store;
};

class FakeMirror {
  readonly ready: Deferred<void> = deferred<void>();
  view: MirrorView = { ready: false, state: "starting", entries: [] };
  listeners = new Set<() => void>();
  closed = 0;

  show(...names: string[]): void {
    this.view = { ready: true, state: "live", entries: names.map((name) => ({ name })) };
    for (const listener of this.listeners) listener();
  }
}

describe("the store of the React example", () => {
  let mirrors: FakeMirror[];
  let store: Store;
  let told: number;
  const listen = (): (() => void) => store.subscribe(() => told++);

  beforeEach(() => {
    mirrors = [];
    told = 0;
    const client = {
      mirror: (): object => {
        const fake = new FakeMirror();
        mirrors.push(fake);
        return {
          ready: fake.ready.promise,
          getSnapshot: () => fake.view,
          subscribe: (listener: () => void) => {
            fake.listeners.add(listener);
            return () => fake.listeners.delete(listener);
          },
          close: async () => {
            fake.closed++;
            fake.ready.reject(Object.assign(new Error("the mirror was closed"), { code: "closed" }));
          },
        };
      },
    };
    store = mirrorStore(client, "nas1", "/a");
  });

  it("mirrors while somebody listens, and gives the same object until something changes", async () => {
    expect(store.getSnapshot()).toBe(store.getSnapshot());
    expect([store.getSnapshot().state, mirrors.length]).toEqual(["starting", 0]);
    const stop = listen();
    mirrors[0]?.show("x");
    expect(told).toBe(1);
    expect(store.getSnapshot()).toBe(store.getSnapshot());
    expect(store.getSnapshot().entries).toEqual([{ name: "x" }]);
    stop();
    await Promise.resolve();
    expect([mirrors[0]?.closed, mirrors[0]?.listeners.size, told]).toEqual([1, 0, 1]);
  });

  it("begins anew for who mounts twice, and hears no more of the first", async () => {
    listen()();
    listen();
    mirrors[1]?.show("y");
    await Promise.resolve();
    expect(store.getSnapshot().entries).toEqual([{ name: "y" }]);
    expect([mirrors[0]?.closed, mirrors[1]?.closed]).toEqual([1, 0]);
  });

  it("says why it is refused", async () => {
    listen();
    mirrors[0]?.ready.reject(Object.assign(new Error("no right"), { code: "denied" }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe(1);
    expect(store.getSnapshot()).toMatchObject({
      ready: false,
      state: "denied",
      error: "no right",
      entries: [],
    });
    expect(store.getSnapshot()).toBe(store.getSnapshot());
  });
});
