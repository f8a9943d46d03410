import { describe, expect, it } from "vitest";
import { isWithin, pathKey } from "../../../src/base/path.ts";
import { Subjects, watchName } from "../../../src/broker/subjects.ts";
import { FeedRoutes } from "../../../src/client/feed-routes.ts";
import type { FeedListener, FeedMessage, FeedSubscription } from "../../../src/fleet/port.ts";
import { seeded } from "../../support/random.ts";

const subjects = new Subjects();

class Member {
  readonly subjects = subjects;
  readonly feeds = new Map<string, FeedListener>();
  follows = 0;
  follow(connection: string, listener: FeedListener): FeedSubscription {
    this.follows++;
    this.feeds.set(connection, listener);
    return {
      ready: Promise.resolve(),
      cursor: undefined,
      close: () => this.feeds.delete(connection),
    };
  }
  tell(message: FeedMessage): void {
    this.feeds.get(message.message.body.connection)?.onMessage(message);
  }
}

interface Told {
  readonly type: "changes" | "resync";
  readonly path: string;
  /** Whose subject it comes on; of a resync, maybe that of a directory below. */
  readonly on?: string;
  readonly caseSensitive?: boolean;
}

function message({ type, path, on = path, caseSensitive = false }: Told): FeedMessage {
  const head = { connection: "nas1", path, epoch: "e", seq: 1, time: "2026-01-01T00:00:00.000Z" };
  return {
    cursor: "c",
    subject: subjects.event(watchName("nas1", on, caseSensitive)),
    message:
      type === "changes"
        ? { type, body: { ...head, via: "notify", changes: [{ action: "added", name: "n" }] } }
        : { type, body: { ...head, scope: "subtree", reason: "overflow" } },
  } as FeedMessage;
}

function listen(routes: FeedRoutes, path: string, recursive = false, onTheWay = false) {
  const heard: FeedMessage[] = [];
  const gaps: string[] = [];
  const listener: FeedListener = {
    onMessage: (each) => heard.push(each),
    onGap: (reason) => gaps.push(reason),
  };
  const feed = routes.follow({ connection: "nas1", path, recursive }, listener, { onTheWay });
  return { heard, gaps, feed };
}

describe("FeedRoutes", () => {
  it("hands a message to the watch of its directory and to trees above it, and to no other", () => {
    const member = new Member();
    const routes = new FeedRoutes(member);
    const own = listen(routes, "/a/b");
    const tree = listen(routes, "/a", true);
    const root = listen(routes, "/", true);
    const others = [listen(routes, "/a"), listen(routes, "/a/bb", true), listen(routes, "/a/b/c", true)];
    member.tell(message({ type: "changes", path: "/A/b" }));
    expect([own, tree, root].map(({ heard }) => heard.length)).toEqual([1, 1, 1]);
    expect(others.map(({ heard }) => heard.length)).toEqual([0, 0, 0]);
    expect(member.follows).toBe(1);
  });

  it("hands a resync that is told on a directory's own subject to that directory", () => {
    const member = new Member();
    const routes = new FeedRoutes(member);
    const below = listen(routes, "/a/b");
    const beside = listen(routes, "/a/c");
    member.tell(message({ type: "resync", path: "/", on: "/a/b" }));
    expect([below.heard.length, beside.heard.length]).toEqual([1, 0]);
  });

  it("tells a mirror what happens on the way to its directory", () => {
    const member = new Member();
    const routes = new FeedRoutes(member);
    const mirror = listen(routes, "/a/b/c", false, true);
    for (const path of ["/", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/x"])
      member.tell(message({ type: "changes", path }));
    expect(mirror.heard.map((each) => each.message.body.path)).toEqual(["/", "/a", "/a/b", "/a/b/c"]);
  });

  it("says a gap to all, ends the feed with its last watch, and begins another with the next", () => {
    const member = new Member();
    const routes = new FeedRoutes(member);
    const [one, two] = [listen(routes, "/a"), listen(routes, "/a")];
    member.feeds.get("nas1")?.onGap("retention");
    expect([one.gaps, two.gaps]).toEqual([["retention"], ["retention"]]);
    one.feed.close();
    one.feed.close();
    expect(member.feeds.size).toBe(1);
    member.tell(message({ type: "changes", path: "/a" }));
    expect([one.heard.length, two.heard.length]).toEqual([0, 1]);
    two.feed.close();
    expect(member.feeds.size).toBe(0);
    const three = listen(routes, "/a");
    member.tell(message({ type: "changes", path: "/a" }));
    expect([three.heard.length, member.follows]).toEqual([1, 2]);
  });

  it("does not call a watch that another has ended in the same message", () => {
    const member = new Member();
    const routes = new FeedRoutes(member);
    const target = { connection: "nas1", path: "/a", recursive: false };
    const closers: (() => void)[] = [];
    let called = 0;
    const listener: FeedListener = {
      onMessage: () => {
        called++;
        for (const close of closers) close();
      },
      onGap: () => {},
    };
    for (let i = 0; i < 2; i++) closers.push(routes.follow(target, listener).close);
    member.tell(message({ type: "changes", path: "/a" }));
    expect(called).toBe(1);
  });

  it("leaves out nothing that a watch or a mirror would take, whatever is watched and told", () => {
    const random = seeded(7);
    const below = (limit: number): number => Math.floor(random() * limit);
    const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T;
    const names = ["a", "A", "b", "ü", "Ü"];
    const path = (): string => {
      const segments = Array.from({ length: below(5) }, () => pick(names));
      return `/${segments.join("/")}`;
    };
    let taken = 0;
    for (let round = 0; round < 300; round++) {
      const caseSensitive = pick([true, false]);
      const member = new Member();
      const routes = new FeedRoutes(member);
      const watches = Array.from({ length: 8 }, () => {
        const [own, recursive, onTheWay] = [path(), pick([true, false]), pick([true, false])];
        return { own, recursive, onTheWay, ...listen(routes, own, recursive, onTheWay) };
      });
      for (let i = 0; i < 8; i++) {
        const type = pick(["changes", "resync"] as const);
        const about = path();
        const on = type === "resync" ? pick([about, ...watches.map(({ own }) => own)]) : about;
        const told = message({ type, path: about, on, caseSensitive });
        member.tell(told);
        const key = (each: string): string => pathKey(each, caseSensitive);
        for (const { own, recursive, onTheWay, heard } of watches) {
          const inside = recursive ? isWithin(key(own), key(about)) : key(own) === key(about);
          const above = isWithin(key(about), key(own));
          const forUs = type === "resync" && above && key(on) === key(own);
          if (inside || forUs || (onTheWay && above && type === "changes")) {
            taken++;
            expect(heard).toContain(told);
          }
        }
      }
    }
    expect(taken).toBeGreaterThan(1_000);
  });
});
