import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import { DfsPool } from "../../../src/smb/dfs/dfs-pool.ts";
import type { SharePool } from "../../../src/smb/dfs/dfs-table.ts";
import {
  consumedNames,
  contains,
  type DfsLocation,
  formatLocation,
  parseNetworkAddress,
} from "../../../src/smb/dfs-location.ts";
import { SmbConnectionError, SmbNotSentError, SmbStatusError } from "../../../src/smb/errors.ts";

const at = (text: string): DfsLocation => {
  const location = parseNetworkAddress(text);
  if (location === undefined) throw new Error(`${text} names no share`);
  return location;
};

describe("network addresses", () => {
  it.each([
    ["\\files1\\media", "//files1/media"],
    ["\\files1\\media\\a\\b", "//files1/media/a/b"],
    ["\\\\files1\\media\\", "//files1/media"],
    ["\\127.0.0.1:1445\\media", "//127.0.0.1:1445/media"],
    ["\\fe80::1\\media", "//[fe80::1]/media"],
  ])("%s is %s", (text, formatted) => {
    expect(formatLocation(at(text))).toBe(formatted);
  });

  it.each([
    "",
    "\\",
    "\\files1",
    "\\files1\\",
    "\\h\\s\\..",
    "\\h:0\\s",
    "\\h:99999\\s",
    "\\h\\s\\a/b",
    "\\h\\s\0",
  ])("%j names no share", (text) => {
    expect(parseNetworkAddress(text)).toBeUndefined();
  });

  it("lie within each other whatever their case", () => {
    expect(contains(at("\\H\\S"), at("\\h\\s\\a"))).toBe(true);
    expect(contains(at("\\h\\s\\A"), at("\\h\\s\\a"))).toBe(true);
    expect(contains(at("\\h\\s\\a"), at("\\h\\s"))).toBe(false);
    expect(contains(at("\\h\\s\\a"), at("\\h\\s\\ab"))).toBe(false);
    expect(contains(at("\\h:1\\s"), at("\\h\\s"))).toBe(false);
  });

  it.each([
    ["\\h\\s\\a\\b", 8, 0],
    ["\\h\\s\\a\\b", 16, 2],
    ["\\h\\s\\a\\b", 12, 1],
    ["\\h\\s\\a\\b", 14, 1],
    ["\\h\\s", 8, 0],
    ["\\h\\s\\abc", 14, undefined],
    ["\\h\\s\\a", 6, undefined],
    ["\\h\\s\\a", 400, undefined],
    ["\\h\\s\\a", 0, undefined],
  ])("of %s, %d bytes are %s names", (asked, bytes, names) => {
    expect(consumedNames(asked, bytes)).toBe(names);
  });
});

/** A namespace of links, and servers that may be away; each pool remembers whether it is closed. */
class World {
  readonly clock = new ManualClock();
  readonly links = new Map<string, { targets: string[]; seconds: number }>();
  readonly away = new Set<string>();
  readonly opened: string[] = [];
  readonly live = new Set<string>();
  asked = 0;
  readonly pool: DfsPool;

  constructor() {
    this.pool = new DfsPool({
      label: "lab",
      clock: this.clock,
      location: at("\\ns\\dfs"),
      base: this.#share(at("\\ns\\dfs")),
      open: (target) => this.#share(target),
    });
  }

  link(path: string, targets: string[], seconds = 600): void {
    this.links.set(path, { targets, seconds });
  }

  /** Who served it. */
  async ask(path: string): Promise<string> {
    return String((await this.pool.stat(path)).type);
  }

  #share(location: DfsLocation): SharePool {
    const name = formatLocation({ ...location, names: [] });
    this.opened.push(name);
    this.live.add(name);
    const covered = (path: string): [string, { targets: string[]; seconds: number }] | undefined =>
      [...this.links].find(([link]) => `${name}${path}/`.toLowerCase().startsWith(`${link}/`));
    const reach = (): void => {
      if (this.away.has(name)) throw new SmbNotSentError(name, new SmbConnectionError("refused"));
    };
    const share = {
      ready: async () => undefined,
      stat: async (path: string) => {
        reach();
        if (covered(path) !== undefined) throw new SmbStatusError("CREATE", NtStatus.PATH_NOT_COVERED);
        return { type: `${name}${path}` };
      },
      referral: async (path: string) => {
        this.asked++;
        reach();
        const found = covered(path);
        if (found === undefined) throw new SmbStatusError("DFS referral", NtStatus.NOT_FOUND);
        const [link, { targets, seconds }] = found;
        const asked = path.split("/").filter((part) => part !== "");
        return {
          asked,
          consumed: link.slice(name.length).split("/").length - 1,
          targets: targets.map(at),
          lifeMs: seconds * 1_000,
        };
      },
      info: () => ({ state: "connected", connections: 1, watches: 0 }),
      replaceAuth: () => undefined,
      close: async () => {
        this.live.delete(name);
      },
    };
    return share as unknown as SharePool;
  }
}

describe("the referral cache", () => {
  it("asks once for all below a link, and again when the referral's time is over", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s"], 300);
    expect(await Promise.all([world.ask("/a"), world.ask("/a/x"), world.ask("/A/y")])).toEqual([
      "//f1/s/",
      "//f1/s/x",
      "//f1/s/y",
    ]);
    expect(world.asked).toBe(1);
    await world.clock.advance(299_000);
    expect(world.asked).toBe(1);
    await world.clock.advance(2_000);
    expect(world.asked).toBe(2);
    expect(world.opened).toEqual(["//ns/dfs", "//f1/s"]);
    await world.pool.close();
    expect(world.live.size).toBe(0);
    expect(world.clock.pending).toBe(0);
  });

  it("lets go of a target that is no longer named: its connections end", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s", "\\f2\\s"], 300);
    await world.ask("/a");
    world.link("//ns/dfs/a", ["\\f2\\s"], 300);
    await world.clock.advance(301_000);
    expect([...world.live]).toEqual(["//ns/dfs"]);
    expect(await world.ask("/a/x")).toBe("//f2/s/x");
  });

  it("takes new targets beside the one in use, for when that one is away", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s"], 300);
    await world.ask("/a");
    world.link("//ns/dfs/a", ["\\f0\\s", "\\f1\\s"], 300);
    await world.clock.advance(301_000);
    expect(await world.ask("/a")).toBe("//f1/s/");
    world.away.add("//f1/s");
    expect(await world.ask("/a")).toBe("//f0/s/");
  });

  it("forgets a link that is gone, and keeps one whose server cannot be asked", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s"], 300);
    await world.ask("/a");
    world.away.add("//ns/dfs");
    await world.clock.advance(301_000);
    expect(await world.ask("/a")).toBe("//f1/s/");
    world.away.delete("//ns/dfs");
    world.links.delete("//ns/dfs/a");
    await world.clock.advance(61_000);
    expect(await world.ask("/a")).toBe("//ns/dfs/a");
    expect([...world.live]).toEqual(["//ns/dfs"]);
  });

  it("forgets with a link all that was found behind it", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s"], 300);
    world.link("//f1/s/b", ["\\f2\\t\\deep"], 86_400);
    expect(await world.ask("/a/b/c")).toBe("//f2/t/deep/c");
    expect(world.pool.route("/a/b/c")).toEqual(["//ns/dfs/a/b/c", "//f1/s/b", "//f2/t/deep/c"]);
    world.links.delete("//ns/dfs/a");
    await world.clock.advance(301_000);
    expect([...world.live]).toEqual(["//ns/dfs"]);
    await world.pool.close();
    expect(world.clock.pending).toBe(0);
  });
});

describe("targets that are away", () => {
  it("are tried in the server's order, once for each question, and closed when another answers", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s", "\\f2\\s", "\\f3\\s"]);
    world.away.add("//f1/s").add("//f2/s");
    expect(await world.ask("/a")).toBe("//f3/s/");
    expect([...world.live]).toEqual(["//ns/dfs", "//f3/s"]);
    world.away.add("//f3/s");
    await expect(world.ask("/a/x")).rejects.toMatchObject({
      code: "SMB_NOT_SENT",
      message: expect.stringContaining("//ns/dfs/a/x -> //f"),
    });
    // All are kept now, so that each keeps its own pauses between attempts.
    const opened = world.opened.length;
    await expect(world.ask("/a/x")).rejects.toMatchObject({ code: "SMB_NOT_SENT" });
    expect(world.opened.length).toBe(opened);
    world.away.delete("//f2/s");
    expect(await world.ask("/a/x")).toBe("//f2/s/x");
  });
});

describe("ways without an end", () => {
  it("are cut after eight links", async () => {
    const world = new World();
    world.link("//ns/dfs/a", ["\\f1\\s"]);
    for (let hop = 1; hop < 12; hop++) world.link(`//f${hop}/s`, [`\\f${hop + 1}\\s`]);
    await expect(world.ask("/a")).rejects.toMatchObject({
      code: "SMB_DFS",
      message: expect.stringMatching(/more than 8 links behind each other/),
    });
    expect(world.asked).toBe(9);
  });

  it("are refused where a target is above a place already passed, but a good target beside it is taken", async () => {
    const world = new World();
    world.link("//ns/dfs/a/b", ["\\ns\\dfs\\a", "\\f1\\s"]);
    expect(await world.ask("/a/b")).toBe("//f1/s/");
    world.link("//ns/dfs/c", ["\\NS\\dfs"]);
    await expect(world.ask("/c")).rejects.toMatchObject({
      code: "SMB_DFS",
      message: "DFS: //ns/dfs/c -> //NS/dfs: the link is a loop",
    });
  });
});
