import { mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createNtlmProvider } from "../../src/auth/ntlm.ts";
import { Scope } from "../../src/base/scope.ts";
import { Share } from "../../src/share/share.ts";
import { type Samba, startSamba } from "../lab/samba.ts";
import { Chance } from "./chance.ts";
import { Consumer, type Tally } from "./consumer.ts";
import { Journal } from "./journal.ts";
import { diskTruth } from "./truth.ts";

export interface RacesReport {
  readonly seed: number;
  readonly rounds: number;
  readonly changes: number;
  /** Rounds that were right as soon as the last notification was in (within 1 s), and those that took a later look. */
  readonly prompt: number;
  readonly late: number;
  readonly slowestMs: number;
  readonly delivered: Tally["delivered"];
  /** What stayed wrong, one line each. */
  readonly lost: readonly string[];
}

const AT_ONCE = 8;
const PATIENCE_MS = 8_000;
const NAMES = ["a", "b", "c", "d"];

/**
 * Lists right after `live`, while changes race against it: before, during and after, on the server's disk.
 * Each round is a watch of its own on a directory of its own; none may end with a picture that is not true.
 */
export async function races(options: {
  readonly seed: number;
  readonly rounds: number;
  readonly onProgress?: (done: number) => void;
}): Promise<RacesReport> {
  await using scope = new Scope();
  const journal = new Journal();
  scope.defer(() => journal.close());
  const samba = await startSamba();
  scope.defer(() => samba.stop());
  const share = new Share({
    smb: {
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password }),
    },
    watch: { cover: "directory" },
  });
  scope.defer(() => share.close());
  await share.connect();
  const tally: Tally = { delivered: { notify: 0, rescan: 0, poll: 0 }, resyncs: {} };
  const chance = new Chance(options.seed);
  const stop = new AbortController();
  scope.defer(() => stop.abort());
  const result = { changes: 0, prompt: 0, late: 0, slowestMs: 0 };
  const lost: string[] = [];
  let next = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    while (next < options.rounds && lost.length === 0) {
      const number = next++;
      const path = `/race-${number}`;
      mkdirSync(join(samba.path(), path));
      for (const name of NAMES) if (chance.happens(0.5)) writeFileSync(join(samba.path(), path, name), "");
      const consumer = new Consumer(
        share,
        { path, recursive: chance.happens(0.3) },
        {},
        tally,
        journal,
        stop.signal,
      );
      result.changes += await disturb(samba, path, consumer, chance);
      const ms = await converged(samba, path, consumer);
      await consumer.handle.close();
      if (ms === undefined) {
        lost.push(
          `round ${number}: ${consumer.wrong(diskTruth(samba.path(), path, true)).join("; ")}`,
          ...journal.about(path, 50),
        );
      } else {
        result.slowestMs = Math.max(result.slowestMs, ms);
        if (ms < 1_000) result.prompt++;
        else result.late++;
      }
      rmSync(join(samba.path(), path), { recursive: true });
      if (++done % 500 === 0) options.onProgress?.(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return { seed: options.seed, rounds: done, ...result, delivered: tally.delivered, lost };
}

/** Changes from the moment of subscribing until a little after the consumer has listed. */
async function disturb(samba: Samba, path: string, consumer: Consumer, chance: Chance): Promise<number> {
  const folder = join(samba.path(), path);
  let live = false;
  void consumer.handle.live.then(() => {
    live = true;
  });
  let changes = 0;
  for (let after = chance.between(0, 4); after > 0; ) {
    if (live) after--;
    try {
      const name = chance.pick(NAMES);
      const kind = chance.weighted({ write: 2, unlink: 1, rename: 1 });
      if (kind === "write") writeFileSync(join(folder, name), "x");
      else if (kind === "unlink") unlinkSync(join(folder, name));
      else renameSync(join(folder, name), join(folder, chance.pick(NAMES)));
      changes++;
    } catch {
      // There is no such name now.
    }
    if (chance.happens(0.7)) await delay(chance.between(0, 3));
  }
  await consumer.handle.live;
  return changes;
}

async function converged(samba: Samba, path: string, consumer: Consumer): Promise<number | undefined> {
  const began = performance.now();
  for (;;) {
    const ms = performance.now() - began;
    const names = readdirSync(join(samba.path(), path)).length;
    if (consumer.calm && consumer.mirror.paths().size === names) {
      if (consumer.wrong(diskTruth(samba.path(), path, true)).length === 0) return ms;
    }
    if (ms > PATIENCE_MS) return undefined;
    await delay(2);
  }
}
