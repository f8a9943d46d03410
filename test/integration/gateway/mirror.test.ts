import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../../../src/base/clock.ts";
import {
  type Client,
  connect,
  type Mirror,
  type WebSocketConstructor,
} from "../../../src/client/browser/client.ts";
import {
  type MirrorFact,
  mirrorFacts,
  type SnapshotFact,
  snapshotFacts,
} from "../../../src/gateway/facts.ts";
import type { GatewayOptions } from "../../../src/gateway/options.ts";
import { createGateway, type Gateway } from "../../../src/gateway/server.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";
import { seeded } from "../../support/random.ts";
import { Fleet, until } from "../fleet/harness.ts";

let fleet: Fleet;
let share: FakeShare;
/** Where the next connection goes. */
let urls: string[];
let connected: number;
let sockets: WebSocket[];
let gateways: Gateway[];
let facts: SnapshotFact[];
let taken: MirrorFact[];
const closers: (() => unknown)[] = [];

/** Goes to one gateway after the other, and can be cut. */
class Roaming extends WebSocket {
  constructor(_url: string, protocols?: string[]) {
    super(urls[connected++ % urls.length] as string, protocols);
    this.on("error", () => undefined);
    sockets.push(this);
  }
}

beforeEach(() => {
  share = new FakeShare({ clock: systemClock });
  share.mkdir("/in");
  urls = [];
  sockets = [];
  gateways = [];
  connected = 0;
  facts = [];
  taken = [];
  closers.push(
    snapshotFacts.subscribe((fact) => facts.push(fact)),
    mirrorFacts.subscribe((fact) => taken.push(fact)),
  );
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await fleet.close();
});

async function worker(options: ShareWatcherOptions = {}): Promise<Awaited<ReturnType<Fleet["worker"]>>> {
  const watches = new ShareWatcher(share, { cover: "directory", ...options });
  closers.push(() => watches.close());
  const runtime = {
    name: "nas1",
    caseSensitive: true,
    sourceUrl: "smb://server/share",
    watches,
    list: async () => ({ entries: [] }),
    close: async () => undefined,
  };
  return fleet.worker({ connections: new Map([["nas1", runtime]]) });
}

async function gateway(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const member = await fleet.member();
  const made = createGateway(
    {
      auth: { mode: "none" },
      connections: [{ name: "nas1", caseSensitive: true }],
      times: { drainMs: 0, closeMs: 200 },
      ...options,
    },
    { fleet: member },
  );
  const { url } = await made.listen();
  urls.push(new URL("ws", url).href);
  gateways.push(made);
  closers.push(() => made.close());
  return made;
}

function browser(): Client {
  const client = connect("ws://127.0.0.1/ws", {
    WebSocket: Roaming as unknown as WebSocketConstructor,
    backoff: { initialMs: 20, maxMs: 100 },
  });
  closers.push(() => client.close());
  return client;
}

/** Wrong lines of a mirror against the share. */
function wrong(mirror: Mirror): string[] {
  const truth = share.paths(mirror.path, mirror.recursive);
  const picture = new Map(mirror.walk());
  const lines: string[] = [];
  for (const [path, { type }] of truth) {
    const entry = picture.get(path);
    if (entry === undefined) lines.push(`${path}: missing`);
    else if (type === "directory" && entry.type === "file") lines.push(`${path}: not a directory`);
  }
  for (const path of picture.keys()) if (!truth.has(path)) lines.push(`${path}: a ghost`);
  return lines;
}
async function agree(...mirrors: readonly Mirror[]): Promise<void> {
  await until("the same pictures", () => mirrors.every((mirror) => wrong(mirror).length === 0)).catch(() => {
    throw new Error(
      mirrors.flatMap((mirror) => wrong(mirror).map((line) => `${mirror.path}: ${line}`)).join("\n"),
    );
  });
}
const outcomes = (): string[] => facts.map(({ reason, outcome }) => `${reason} ${outcome}`);

describe("mirrors through gateways", () => {
  it("know what is there and follow, resume at another gateway, and never ask the share", async () => {
    fleet = await Fleet.start();
    await worker();
    await gateway();
    await gateway();
    share.write("/in/a");
    const mirror = browser().mirror("nas1", "/in");
    await mirror.ready;
    expect(mirror.get("a")).toMatchObject({ name: "a", type: "file", size: expect.any(Number) });
    share.write("/in/b");
    await agree(mirror);
    sockets.at(-1)?.terminate();
    share.remove("/in/a");
    share.rename("/in/b", "/in/c");
    await agree(mirror);
    expect(mirror.snapshots).toEqual({ first: 1 });
    expect(outcomes()).toEqual(["first sent", "reconnect resumed"]);
    expect(connected).toBe(2);
  });

  it("cost one question to a worker for 200 sockets that open 5,000 entries at once", async () => {
    fleet = await Fleet.start();
    await worker();
    await gateway({ limits: { connectionsPerAddress: 1_000 } });
    for (let n = 0; n < 5_000; n++) share.write(`/in/document ${n}.pdf`);
    const first = browser().mirror("nas1", "/in");
    await first.ready;
    await first.close();
    const before = { ...share.calls };
    taken = [];
    const mirrors = Array.from({ length: 200 }, () => browser().mirror("nas1", "/in"));
    for (const mirror of mirrors) await mirror.ready;
    for (const mirror of mirrors) expect(mirror.entries()).toHaveLength(5_000);
    expect(taken.filter(({ type }) => type === "taken")).toHaveLength(1);
    expect(share.calls).toEqual(before);
    share.write("/in/new");
    share.remove("/in/document 7.pdf");
    await agree(...mirrors);
    expect(mirrors.every(({ snapshots }) => snapshots["first"] === 1)).toBe(true);
  }, 120_000);

  it("give a reader who stops reading a new snapshot when he reads again", async () => {
    fleet = await Fleet.start();
    await worker();
    await gateway({ limits: { pendingChanges: 50, softBufferBytes: 20_000 } });
    const mirror = browser().mirror("nas1", "/in");
    await mirror.ready;
    sockets.at(-1)?.pause();
    // More than the kernel takes in for him.
    let written = 0;
    await until("something waits", async () => {
      for (let n = 0; n < 100; n++) share.write(`/in/${written++}-${"x".repeat(200)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return (gateways[0]?.clients()[0]?.unsentBytes ?? 0) > 20_000;
    });
    for (let n = 0; n < 100; n++) share.remove(`/in/${n}-${"x".repeat(200)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    sockets.at(-1)?.resume();
    await agree(mirror);
    expect(connected).toBe(1);
    expect(mirror.snapshots["slow-consumer"] ?? 0).toBeGreaterThan(0);
  }, 60_000);

  it("say when a directory is gone, and what is in it when it is back", async () => {
    fleet = await Fleet.start();
    await worker();
    await gateway();
    const client = browser();
    share.mkdir("/in/sub");
    share.write("/in/sub/x");
    const own = client.mirror("nas1", "/in/sub");
    await own.ready;
    share.remove("/in/sub");
    await until("gone", () => own.state === "gone");
    expect(own.entries()).toEqual([]);
    sockets.at(-1)?.terminate();
    share.mkdir("/in/sub");
    share.write("/in/sub/y");
    await until("back", () => own.state === "live" && own.get("y"), 60_000);
    await agree(own);
    await expect(client.mirror("nas1", "/nowhere").ready).rejects.toMatchObject({ code: "not_found" });
    await expect(client.mirror("other", "/").ready).rejects.toMatchObject({ code: "unknown_connection" });
  }, 90_000);

  it("are right after NATS was away while a tree was renamed and its names were used again", async () => {
    fleet = await Fleet.start();
    await worker();
    await gateway();
    for (const path of ["/in/a", "/in/a/sub", "/in/b"]) share.mkdir(path);
    for (const path of ["/in/a/sub/old", "/in/b/other"]) share.write(path);
    const mirror = browser().mirror("nas1", "/in", { recursive: true });
    await mirror.ready;
    const away = fleet.nats.restart({ downMs: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    share.rename("/in/a", "/in/c");
    share.rename("/in/b", "/in/a");
    share.mkdir("/in/b");
    share.mkdir("/in/b/sub");
    share.write("/in/b/sub/new");
    share.rename("/in/c/sub", "/in/a/sub");
    // A snapshot that is taken meanwhile knows of it all, and of none of it twice.
    await away;
    sockets.at(-1)?.terminate();
    share.remove("/in/c");
    await agree(mirror);
    const late = browser().mirror("nas1", "/in", { recursive: true });
    await late.ready;
    share.rename("/in/a", "/in/c");
    await agree(mirror, late);
  }, 60_000);

  it("are right where the server cannot notify and is polled, and say so", async () => {
    fleet = await Fleet.start();
    share.mute = true;
    await worker({ pollSeconds: 0.2 });
    await gateway();
    for (const path of ["/in/a", "/in/a/deep"]) share.mkdir(path);
    share.write("/in/a/deep/x");
    const client = browser();
    const [tree, flat] = [client.mirror("nas1", "/in", { recursive: true }), client.mirror("nas1", "/in/a")];
    const heard: { readonly type: string; readonly via?: string; readonly mode?: string }[] = [];
    tree.on("change", (change) => heard.push(change));
    await Promise.all([tree.ready, flat.ready]);
    await until("the mode", () => heard.some(({ type, mode }) => type === "state" && mode === "poll"));
    await agree(tree, flat);
    share.write("/in/a/y");
    await agree(tree, flat);
    share.rename("/in/a/deep", "/in/a/other");
    share.write("/in/a/other/z");
    share.remove("/in/a/y");
    await agree(tree, flat);
    // A look may fall between any two of these.
    sockets.at(-1)?.terminate();
    for (let n = 0; n < 20; n++) {
      share.write(`/in/a/other/${n}`);
      if (n % 3 === 0) share.remove(`/in/a/other/${n}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    share.remove("/in/a/other");
    share.mkdir("/in/a/other");
    share.write("/in/a/other/last");
    await agree(tree, flat);
    expect([tree.state, flat.state]).toEqual(["live", "live"]);
    const via = new Set(heard.flatMap((change) => (change.type === "changes" ? [change.via] : [])));
    expect([...via]).toEqual(["poll"]);
    expect([tree.snapshots, flat.snapshots]).toEqual([{ first: 1 }, { first: 1 }]);
  }, 60_000);

  it("are refused where more is in a directory than the gateway keeps", async () => {
    fleet = await Fleet.start();
    await worker();
    await gateway({ limits: { mirroredEntries: 10 } });
    for (let n = 0; n < 20; n++) share.write(`/in/${n}`);
    const client = browser();
    await expect(client.mirror("nas1", "/in").ready).rejects.toMatchObject({ code: "too_large" });
    // The old way is still there.
    await client.subscribe("nas1", "/in").ready;
  });

  it.each([1, 2, 3, 4])(
    "are right after random changes, cuts and new owners (%i)",
    async (seed) => {
      const random = seeded(seed);
      const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
      fleet = await Fleet.start();
      const workers = [await worker()];
      await gateway();
      await gateway();
      const client = browser();
      for (const path of ["/in/a", "/in/b"]) share.mkdir(path);
      const mirrors = [
        client.mirror("nas1", "/in", { recursive: true }),
        client.mirror("nas1", "/in"),
        client.mirror("nas1", "/in/a", { recursive: true }),
        client.mirror("nas1", "/in/a"),
      ];
      for (const mirror of mirrors) await mirror.ready;
      const names = ["a", "b", "c", "d"];
      const somewhere = (): string => {
        const known = [
          "/in",
          ...[...share.paths("/in", true)]
            .filter(([, { type }]) => type === "directory")
            .map(([path]) => path),
        ];
        return `${pick(known)}/${pick(names)}`;
      };
      let away: Promise<void> | undefined;
      for (let step = 0; step < 300; step++) {
        if (step === 100 && seed % 2 === 0) away = fleet.nats.restart({ downMs: 800, signal: "SIGKILL" });
        const path = somewhere();
        const deep = path.split("/").length > 6;
        const what = random();
        if (what < 0.35) {
          if (!share.isDirectory(path)) share.write(path);
        } else if (what < 0.5) {
          if (!share.exists(path) && !deep) share.mkdir(path);
        } else if (what < 0.65) {
          if (share.exists(path)) share.remove(path);
        } else if (what < 0.85) {
          const to = somewhere();
          if (share.exists(path) && !share.exists(to) && !`${to}/`.startsWith(`${path}/`))
            share.rename(path, to);
        } else if (what < 0.93) sockets.at(-1)?.terminate();
        else if (what < 0.96) share.overflow();
        else if (what < 0.98) share.cleanup();
        else if (workers.length < 4) {
          const former = workers.at(-1);
          workers.push(await worker());
          if (random() < 0.5) await former?.worker.drain();
          await former?.worker.close();
        }
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 120));
      }
      await away;
      // A directory that is not there at the end is another matter.
      if (!share.isDirectory("/in/a")) {
        if (share.exists("/in/a")) share.remove("/in/a");
        share.mkdir("/in/a");
      }
      share.write("/in/a/last");
      await agree(...mirrors);
      // And once more, when all is quiet.
      sockets.at(-1)?.terminate();
      share.write("/in/a/again");
      await agree(...mirrors);
    },
    120_000,
  );
});
