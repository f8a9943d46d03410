import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type DfsNamespace, dfsTarget, startDfs } from "../../../scripts/lab/dfs.ts";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { StreamEvent } from "../../../src/share/watch-stream.ts";
import { WatchStream } from "../../../src/share/watch-stream.ts";
import { type DfsFact, dfsFacts } from "../../../src/smb/facts.ts";
import { until } from "../../support/until.ts";

let ns: DfsNamespace;
let files: Samba;
let replica: Samba;
let share: Share;
const facts: DfsFact[] = [];
let stop: () => void;

beforeAll(async () => {
  [ns, files, replica] = await Promise.all([startDfs(), startSamba(), startSamba()]);
  stop = dfsFacts.subscribe((fact) => facts.push(fact));
});
afterEach(async () => {
  await share?.close();
  facts.length = 0;
});
afterAll(async () => {
  stop?.();
  await Promise.all([ns?.samba.stop(), files?.stop(), replica?.stop()]);
});

function open(name = "dfs", root = "/"): Share {
  const { host, port, user, domain, password } = ns.samba;
  share = new Share({
    smb: {
      label: "lab",
      host,
      port,
      share: name,
      root,
      auth: createNtlmProvider({ username: user, domain, password }),
      timeouts: { connectMs: 2_000 },
      idleMs: 300,
      backoff: { initialMs: 100, maxMs: 500 },
    },
  });
  return share;
}

class Watching {
  readonly events: StreamEvent[] = [];
  readonly #stream: WatchStream;
  readonly ended: Promise<unknown>;

  constructor(at: Share, path: string, recursive = false) {
    this.#stream = new WatchStream(at.watches, path, { recursive });
    this.ended = this.#run().catch((error: unknown) => error);
  }

  /** `/dir: added name`, one line each. */
  get told(): string[] {
    return this.events.flatMap((event) =>
      event.type === "changes"
        ? event.changes.map((change) => `${event.path}: ${change.action} ${change.name}`)
        : [],
    );
  }

  async live(): Promise<void> {
    await until("live", () => this.events.some(({ type }) => type === "live"));
  }

  close(): Promise<unknown> {
    return this.#stream.return();
  }

  async #run(): Promise<void> {
    for await (const event of this.#stream) this.events.push(event);
  }
}

const where = (samba: Samba, name = "share"): string => `//127.0.0.1:${samba.port}/${name}`;

describe("a DFS link", () => {
  it("is watched, listed and looked at under the caller's path", async () => {
    ns.link("media", dfsTarget(files));
    mkdirSync(join(files.path(), "photos"));
    open();
    const watching = new Watching(share, "/media/photos");
    await watching.live();
    writeFileSync(join(files.path(), "photos", "a.jpg"), "x");
    await until("the change", () => watching.told.includes("/media/photos: added a.jpg"));
    const names: string[] = [];
    for await (const page of share.list("/media")) names.push(...page.map(({ name }) => name));
    expect(names).toEqual(["photos"]);
    expect(await share.stat("/media/photos/a.jpg")).toMatchObject({ type: "file", size: 1 });
    expect(share.route("/media/photos")).toEqual([
      `${where(ns.samba, "dfs")}/media/photos`,
      `${where(files)}/photos`,
    ]);
    expect(share.route("/elsewhere")).toEqual([`${where(ns.samba, "dfs")}/elsewhere`]);
    // One question for all of it.
    expect(facts).toEqual([
      { connection: "lab", type: "routed", from: where(ns.samba, "dfs"), to: where(files) },
    ]);
    await watching.close();
  });

  it("is followed by a recursive watch, into a directory of the target", async () => {
    mkdirSync(join(files.path(), "deep", "inner"), { recursive: true });
    ns.link("tree/below/link", dfsTarget(files, "share", "deep"));
    open();
    const watching = new Watching(share, "/tree", true);
    await watching.live();
    expect(watching.events.map(({ type }) => type)).toEqual(["live"]);
    writeFileSync(join(files.path(), "deep", "inner", "b.txt"), "x");
    await until("the change", () => watching.told.includes("/tree/below/link/inner: added b.txt"));
    mkdirSync(join(ns.samba.path("dfs"), "tree", "plain"));
    await until("the change beside it", () => watching.told.includes("/tree: added plain"));
    // A link that comes is followed too; one that leads back to its root ends there, and the rest goes on.
    ns.link("tree/late", dfsTarget(replica));
    await until("the link", () => watching.told.includes("/tree: added late"));
    await until("what is behind it", async () => {
      writeFileSync(join(replica.path(), `late-${Date.now()}`), "x");
      return watching.told.some((line) => line.startsWith("/tree/late: added late-"));
    });
    ns.link("tree/loop", dfsTarget(ns.samba, "dfs"));
    writeFileSync(join(files.path(), "deep", "still.txt"), "x");
    await until("the rest", () => watching.told.includes("/tree/below/link: added still.txt"));
    expect(watching.told).toContain("/tree: added loop");
    expect(share.handles).toBeLessThanOrEqual(7);
    await watching.close();
  });

  it("may lie above the connection's root", async () => {
    mkdirSync(join(files.path(), "above", "root"), { recursive: true });
    ns.link("top", dfsTarget(files));
    open("dfs", "/top/above");
    const watching = new Watching(share, "/root");
    await watching.live();
    writeFileSync(join(files.path(), "above", "root", "c.txt"), "x");
    await until("the change", () => watching.told.includes("/root: added c.txt"));
    expect(share.route("/root").at(-1)).toBe(`${where(files)}/above/root`);
    await watching.close();
  });

  it("may lead to another link", async () => {
    ns.link("first", dfsTarget(ns.samba, "dfs", "second"));
    ns.link("second", dfsTarget(files));
    open();
    expect((await share.stat("/first")).type).toBe("directory");
    expect(share.route("/first")).toEqual([
      `${where(ns.samba, "dfs")}/first`,
      `${where(ns.samba, "dfs")}/second`,
      where(files),
    ]);
  });
});

describe("a target that dies", () => {
  it("is replaced by the next one, under the watch, and what differs there is announced", async () => {
    ns.link("twin", dfsTarget(files), dfsTarget(replica));
    mkdirSync(join(files.path(), "twin"));
    mkdirSync(join(replica.path(), "twin"));
    writeFileSync(join(files.path(), "twin", "both.txt"), "x");
    writeFileSync(join(replica.path(), "twin", "both.txt"), "x");
    writeFileSync(join(files.path(), "twin", "only-first.txt"), "x");
    open();
    const watching = new Watching(share, "/twin/twin");
    await watching.live();
    expect(share.route("/twin").at(-1)).toBe(where(files));
    // As by replication, after the first target's last word.
    writeFileSync(join(replica.path(), "twin", "meanwhile.txt"), "x");
    await files.kill();
    try {
      await until(
        "the gap announced",
        () =>
          watching.told.includes("/twin/twin: added meanwhile.txt") &&
          watching.told.includes("/twin/twin: removed only-first.txt"),
      );
      expect(
        watching.events
          .filter(({ type }) => type === "state")
          .map((event) => "state" in event && event.state),
      ).toEqual(["unreachable", "live"]);
      expect(share.route("/twin").at(-1)).toBe(where(replica));
      writeFileSync(join(replica.path(), "twin", "after.txt"), "x");
      await until("changes of the second target", () =>
        watching.told.includes("/twin/twin: added after.txt"),
      );
      expect(facts.filter(({ type }) => type === "failed-over")).toEqual([
        { connection: "lab", type: "failed-over", from: where(files), to: where(replica) },
      ]);
      // No connection is wasted on the one that is away.
      await until("its pool closed", () => share.info().connections === 3);
    } finally {
      await files.start();
      await watching.close();
    }
  });

  it("and is the only one: the watch says so with the route, and heals when it is back", async () => {
    ns.link("single", dfsTarget(files));
    open();
    const watching = new Watching(share, "/single");
    await watching.live();
    await files.kill();
    const state = await until("unreachable", () =>
      watching.events.find((event) => event.type === "state" && event.state === "unreachable"),
    );
    expect(state).toBeDefined();
    mkdirSync(join(files.path(), "while-away"));
    await files.start();
    await until("what was missed", () => watching.told.includes("/single: added while-away"));
    await watching.close();
  });
});

describe("a link that leads nowhere", () => {
  it.each([
    ["to itself", (): string[] => [dfsTarget(ns.samba, "dfs")], /the link is a loop/],
    [
      "to a share that is not there",
      (): string[] => [dfsTarget(files, "nothing")],
      /no such server or share/,
    ],
    [
      "to a server that is not there",
      (): string[] => ["no-such-host.invalid\\share"],
      /no such server or share/,
    ],
  ])("%s is gone, and the message tells the way", async (_, targets, why) => {
    ns.link("nowhere", ...targets());
    open();
    const error = await share.stat("/nowhere").then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ code: "SOURCE_GONE", failure: "gone" });
    expect(error?.message).toMatch(why);
    expect(error?.message).toContain(`DFS: ${where(ns.samba, "dfs")}/nowhere -> //`);
    await expect(new Watching(share, "/nowhere").ended).resolves.toMatchObject({ failure: "gone" });
  });

  it("round two corners is refused too", async () => {
    ns.link("a", dfsTarget(ns.samba, "dfs", "b"));
    ns.link("b", dfsTarget(ns.samba, "dfs", "a"));
    open();
    await expect(share.stat("/a/x")).rejects.toMatchObject({
      failure: "gone",
      message: expect.stringMatching(/\/a\/x -> .*\/b\/x -> .*\/a.*the link is a loop/),
    });
  });

  it("leaves its neighbours alone, and heals when it is put right", async () => {
    ns.link("broken", dfsTarget(files, "nothing"));
    ns.link("fine", dfsTarget(replica));
    open();
    await expect(share.stat("/broken")).rejects.toMatchObject({ failure: "gone" });
    expect((await share.stat("/fine")).type).toBe("directory");
  });
});

describe("a namespace whose root is elsewhere", () => {
  it("is entered by way of the server that knows it", async () => {
    const dc = await startDfs({
      shares: { corp: { "msdfs root": "yes", "msdfs proxy": `\\${dfsTarget(ns.samba, "dfs")}` } },
    });
    try {
      ns.link("media", dfsTarget(files));
      const { host, port, user, domain, password } = dc.samba;
      const auth = createNtlmProvider({ username: user, domain, password });
      share = new Share({ smb: { label: "lab", host, port, share: "corp", auth } });
      const watching = new Watching(share, "/media");
      await watching.live();
      mkdirSync(join(files.path(), "by-domain"));
      await until("the change", () => watching.told.includes("/media: added by-domain"));
      expect(share.route("/media")).toEqual([
        `${where(dc.samba, "corp")}/media`,
        `${where(ns.samba, "dfs")}/media`,
        where(files),
      ]);
      await watching.close();
    } finally {
      await dc.samba.stop();
    }
  });
});
