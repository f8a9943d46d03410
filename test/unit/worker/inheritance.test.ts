import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { BrokerError } from "../../../src/broker/errors.ts";
import type { EventMessage } from "../../../src/broker/message.ts";
import type { EventFeed, ObjectBucket } from "../../../src/broker/port.ts";
import { finish } from "../../../src/watch/picture/diff.ts";
import { Snapshot } from "../../../src/watch/picture/snapshot.ts";
import { encodeRecord } from "../../../src/worker/checkpoint-record.ts";
import { checkpointFacts } from "../../../src/worker/facts.ts";
import { Inheritance, shareOf } from "../../../src/worker/inheritance.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import { entry } from "../watch/picture/entries.ts";

const TARGET = { connection: "nas1", path: "/d", recursive: true };
const runtime = { caseSensitive: false, sourceUrl: "smb://s/s" } as ConnectionRuntime;
const signal = new AbortController().signal;

let told: EventMessage[];
let stored: Map<string, Uint8Array>;
let outcomes: string[];
let failure: Error | undefined;
let off: () => void;
let inheritance: Inheritance;

beforeEach(() => {
  told = [];
  outcomes = [];
  failure = undefined;
  off = checkpointFacts.subscribe((fact) => {
    outcomes.push(fact.type === "unusable" ? fact.reason : fact.type);
  });
  const snapshot = new Snapshot();
  snapshot.put(entry("a"));
  const bytes = finish(
    encodeRecord({
      epoch: "n-10",
      seq: 7,
      cursor: "n:100",
      share: shareOf(runtime),
      directories: [{ path: "/d", snapshot, modified: 1n }],
    }),
  );
  stored = new Map([["nas1.d.=t", bytes]]);
  const objects = { get: async (name: string) => stored.get(name) } as ObjectBucket;
  const feed = {
    isSilent: async () => {
      if (failure !== undefined) throw failure;
      return told.length === 0;
    },
    replay: async function* () {
      for (const message of told) yield { cursor: "n:101", subject: "smb.nas1.d", message };
    },
  } as unknown as EventFeed;
  inheritance = new Inheritance({ objects, feed, clock: systemClock, deadlineMs: 200 });
});
afterEach(() => off());

function say(epoch: string, seq: number, name: string, path = "/d"): void {
  const head = { connection: "nas1", path, epoch, seq, time: "2026-01-01T00:00:00.000Z" };
  told.push({ type: "changes", body: { ...head, via: "notify", changes: [{ action: "added", name }] } });
}

function ask(epoch: string, seq: number, scope: "self" | "subtree", kept = true): void {
  const head = { connection: "nas1", path: "/d", epoch, seq, time: "2026-01-01T00:00:00.000Z" };
  told.push({
    type: "resync",
    body: { ...head, scope, reason: "overflow", ...(kept ? { picture: "kept" as const } : {}) },
  });
}

async function names(on = runtime): Promise<string | undefined> {
  const found = await inheritance.of(TARGET, on, signal);
  const [first] = found?.directories ?? [];
  return first && [...(first.snapshot?.entries() ?? [])].map(([name]) => name).join();
}

describe("what a former owner left", () => {
  it("is nothing where there is nothing, without a word", async () => {
    stored.clear();
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual([]);
  });

  it("is its picture where nothing was told since", async () => {
    expect(await names()).toBe("a");
    expect(outcomes).toEqual(["used"]);
  });

  it("is its picture and what it told after that: what the picture knows already is not applied again", async () => {
    say("n-10", 7, "known");
    say("n-10", 8, "later");
    expect(await names()).toBe("a,later");
  });

  it("may have been added to by others, one after the other", async () => {
    say("n-10", 8, "b");
    say("n-12", 1, "c");
    say("n-15", 1, "d");
    expect(await names()).toBe("a,b,c,d");
  });

  it("is doubtful where an owner spoke after its successor in one directory, not in two", async () => {
    say("n-12", 1, "c", "/d/x");
    say("n-10", 8, "b");
    expect(await names()).toBe("a,b");
    say("n-12", 2, "c");
    say("n-10", 9, "straggler");
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual(["used", "ambiguous"]);
  });

  it("is doubtful where the other owner is of another bucket", async () => {
    say("m-99", 1, "b");
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual(["ambiguous"]);
  });

  it("ends with a call to list everything; one directory is listed by itself", async () => {
    ask("n-10", 8, "self");
    const found = await inheritance.of(TARGET, runtime, signal);
    expect(found?.directories.map(({ path, modified }) => [path, modified])).toEqual([["/d", undefined]]);
    ask("n-10", 9, "subtree");
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual(["used", "resync"]);
  });

  it("ends where an owner had to begin anew: mirrors may have a snapshot of it, of which the stream knows nothing", async () => {
    ask("n-10", 8, "self", false);
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual(["resync"]);
  });

  it("is of no use to another share, root or case rule", async () => {
    expect(await names({ ...runtime, sourceUrl: "smb://s/t" })).toBeUndefined();
    expect(await names({ ...runtime, identity: "smb://s/s/root" })).toBeUndefined();
    stored.set("nas1.d.=t", stored.get("nas1.d.=t") as Uint8Array);
    expect(await names({ ...runtime, caseSensitive: true })).toBeUndefined();
    expect(outcomes).toEqual(["foreign", "foreign", "foreign"]);
  });

  it("is of no use in pieces, or when the stream has forgotten what came after it", async () => {
    stored.set("nas1.d.=t", (stored.get("nas1.d.=t") as Uint8Array).subarray(0, 60));
    expect(await names()).toBeUndefined();
    stored.set("nas1.d.=t", new Uint8Array([255, 255, 255, 255, 1]));
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual(["damaged", "damaged"]);
  });

  it("is of no use when the stream has forgotten what came after it", async () => {
    failure = new BrokerError("BROKER_RETENTION", "gone");
    expect(await names()).toBeUndefined();
    expect(outcomes).toEqual(["retention"]);
  });

  it("is not waited for longer than a listing would take, and not at all when the worker ends", async () => {
    const objects = { get: () => new Promise(() => undefined) } as unknown as ObjectBucket;
    const stuck = new Inheritance({
      objects,
      feed: {} as EventFeed,
      clock: systemClock,
      deadlineMs: 20,
    });
    expect(await stuck.of(TARGET, runtime, signal)).toBeUndefined();
    expect(outcomes).toEqual(["unavailable"]);
    await expect(stuck.of(TARGET, runtime, AbortSignal.abort())).rejects.toBeInstanceOf(AbortedError);
  });
});
