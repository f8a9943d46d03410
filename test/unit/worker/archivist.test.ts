import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { BrokerError } from "../../../src/broker/errors.ts";
import type { ObjectBucket } from "../../../src/broker/port.ts";
import { Snapshot, UNKNOWN } from "../../../src/watch/picture/index.ts";
import { Archivist } from "../../../src/worker/archivist.ts";
import type { Checkpoint } from "../../../src/worker/checkpoint-record.ts";
import { checkpointFacts } from "../../../src/worker/facts.ts";
import type { LocalWatch } from "../../../src/worker/local-watch.ts";

const AFTER_MS = 30_000;
const AGAIN_MS = 3_600_000;

let clock: ManualClock;
let puts: string[];
let deleted: string[];
let facts: string[];
let failing: boolean;
let atOnce: number;
let most: number;
let archivist: Archivist;
let off: () => void;

beforeEach(() => {
  clock = new ManualClock();
  puts = [];
  deleted = [];
  facts = [];
  failing = false;
  atOnce = 0;
  most = 0;
  off = checkpointFacts.subscribe(({ type }) => facts.push(type));
  const objects: ObjectBucket = {
    put: async (name) => {
      most = Math.max(most, ++atOnce);
      await Promise.resolve();
      atOnce--;
      if (failing) throw new BrokerError("BROKER_TOO_LARGE", "full");
      puts.push(name);
    },
    get: async () => undefined,
    delete: async (name) => {
      deleted.push(name);
    },
  };
  // `random` of a half: no spread.
  archivist = new Archivist({ objects, clock, afterMs: AFTER_MS, againMs: AGAIN_MS, random: () => 0.5 });
});
afterEach(async () => {
  off();
  await archivist.close();
});

class FakeWatch {
  readonly target: { connection: string; path: string; recursive: boolean };
  readonly runtime = { caseSensitive: false };
  publishing = true;
  closed = false;
  picture: Checkpoint | undefined = { epoch: "n-1", seq: 1, cursor: "n:1", share: "s", directories: [] };

  constructor(path: string) {
    this.target = { connection: "nas1", path, recursive: false };
  }

  async stored(): Promise<void> {}

  checkpoint(): Checkpoint | undefined {
    return this.picture;
  }
}

const watchOf = (path = "/a"): FakeWatch & LocalWatch =>
  new FakeWatch(path) as unknown as FakeWatch & LocalWatch;

describe("saving pictures", () => {
  it("happens once, some time after the first of many changes", async () => {
    const watch = watchOf();
    archivist.told(watch);
    await clock.advance(AFTER_MS - 1_000);
    archivist.told(watch);
    expect(puts).toEqual([]);
    await clock.advance(2_000);
    expect(puts).toEqual(["nas1.a.=d"]);
    archivist.told(watch);
    await clock.advance(AFTER_MS + 1_000);
    expect(puts).toHaveLength(2);
  });

  it("is done for a few small ones together, however many are due", async () => {
    for (let i = 0; i < 50; i++) archivist.told(watchOf(`/d${i}`));
    await clock.advance(AFTER_MS + 5_000);
    expect(puts).toHaveLength(50);
    expect(most).toBe(16);
  });

  it("is done one by one for large ones", async () => {
    const entries = new Snapshot();
    for (let i = 0; i < 20_000; i++) entries.set(`a name of some length ${i}`, UNKNOWN);
    for (let i = 0; i < 5; i++) {
      const watch = watchOf(`/d${i}`);
      const directories = [{ path: `/d${i}` as const, snapshot: entries.freeze(), modified: 1n }];
      watch.picture = { ...(watch.picture as Checkpoint), directories };
      archivist.told(watch);
    }
    await clock.advance(AFTER_MS + 5_000);
    expect(puts).toHaveLength(5);
    expect(most).toBe(1);
  });

  it("is left to its last word for a watch that ends while others are made ready", async () => {
    const [first, second] = [watchOf("/first"), watchOf("/second")];
    archivist.told(first);
    archivist.told(second);
    second.stored = async () => {
      (first as FakeWatch).closed = true;
    };
    await clock.advance(AFTER_MS + 5_000);
    expect(puts).toEqual([expect.stringContaining("second")]);
  });

  it("is repeated for what is quiet only before the stream forgets", async () => {
    archivist.told(watchOf());
    await clock.advance(AFTER_MS + 1_000);
    await clock.advance(AGAIN_MS - 10_000);
    expect(puts).toHaveLength(1);
    await clock.advance(20_000);
    expect(puts).toHaveLength(2);
  });

  it("waits for a moment at which nothing is on its way, and tries again later when there is none", async () => {
    const watch = watchOf();
    const { picture } = watch;
    watch.picture = undefined;
    archivist.told(watch);
    await clock.advance(AFTER_MS + 5_000);
    expect(facts).toEqual(["busy"]);
    watch.picture = picture;
    await clock.advance(AFTER_MS + 5_000);
    expect(facts).toEqual(["busy", "saved"]);
  });

  it("is left to the next owner where another has spoken since", async () => {
    const watch = watchOf();
    archivist.told(watch);
    watch.picture = undefined;
    watch.publishing = false;
    await clock.advance(AFTER_MS * 3);
    expect(facts).toEqual([]);
  });

  it("that failed is told, and tried again", async () => {
    failing = true;
    archivist.told(watchOf());
    await clock.advance(AFTER_MS + 1_000);
    expect(facts).toEqual(["failed"]);
    failing = false;
    await clock.advance(AFTER_MS + 1_000);
    expect(facts).toEqual(["failed", "saved"]);
  });

  it("at the end is done at once, and only where something was told since the last time", async () => {
    const [quiet, loud] = [watchOf("/quiet"), watchOf("/loud")];
    archivist.told(quiet);
    archivist.told(loud);
    await clock.advance(AFTER_MS + 1_000);
    archivist.told(loud);
    puts = [];
    for (const watch of [quiet, loud]) {
      watch.closed = true;
      await archivist.bequeath(watch, watch.picture);
    }
    expect(puts).toEqual(["nas1.loud.=d"]);
    await clock.advance(AGAIN_MS * 2);
    expect(puts).toHaveLength(1);
  });

  it("ends with the watch; what nobody asks for any more is deleted", async () => {
    const [gone, discarded] = [watchOf("/gone"), watchOf("/discarded")];
    archivist.told(gone);
    archivist.told(discarded);
    archivist.forget(gone);
    await archivist.discard(discarded);
    await clock.advance(AFTER_MS * 2);
    expect(puts).toEqual([]);
    expect(deleted).toEqual(["nas1.discarded.=d"]);
  });
});
