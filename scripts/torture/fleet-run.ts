import { setMaxListeners } from "node:events";
import { copyFileSync, mkdirSync, readdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Scope } from "../../src/base/scope.ts";
import { connectBroker } from "../../src/broker/broker.ts";
import { feedFacts } from "../../src/broker/facts.ts";
import { connectWatchClient } from "../../src/client/watch-client.ts";
import type { CoverPolicy } from "../../src/watch/interest.ts";
import type { Suite } from "../lab/debian.ts";
import { Chance } from "./chance.ts";
import { Changer, type Ground } from "./changes.ts";
import { Arena, FLEET_FAULTS, type FleetFault, TTL_MS } from "./fleet-arena.ts";
import { FenceWatch, handlesLeft, openHandles, untidy } from "./fleet-checks.ts";
import {
  MirrorConsumer,
  PageConsumer,
  ServiceConsumer,
  type Tally,
  type Watcher,
} from "./fleet-consumers.ts";
import { Journal } from "./journal.ts";

interface Patience {
  readonly patienceMs: number;
  readonly lateSeconds: number;
  /** Whether new content of files that were there counts. */
  readonly contents: boolean;
}

export interface FleetTortureOptions {
  readonly seed: number;
  readonly seconds: number;
  /** So many faults instead, however long they take. */
  readonly faultCount?: number;
  /** Default 3. */
  readonly workers?: number;
  /** Default 2. */
  readonly gateways?: number;
  /** Nodes of NATS. Default 3, or one where no nats-server that can cluster is to be had. */
  readonly nodes?: number;
  /** Of Debian, to take that nats-server from. Default trixie. */
  readonly suite?: Suite;
  /** Default auto. */
  readonly cover?: CoverPolicy;
  /** Where new content is found late by design, whether the run ends with waiting for it, ten minutes at most. Default true. */
  readonly contents?: boolean;
  /** Default all. */
  readonly faults?: readonly FleetFault[];
  /** Directories watched one by one, beside the tree. Default 48. */
  readonly rooms?: number;
  /** Whether a service mirrors the changing tree as well. Default true. */
  readonly tree?: boolean;
  /** Length of a full outage of NATS, ms. Default 30,000. */
  readonly outageMs?: number;
  readonly onRound?: (text: string) => void;
  /** A folder for the journal and the processes' logs, when something was wrong. */
  readonly keepIn?: string;
}

export interface FleetTortureReport {
  readonly seed: number;
  readonly broker: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly changes: number;
  readonly faults: Readonly<Partial<Record<FleetFault, number>>>;
  readonly messages: number;
  readonly tally: Tally;
  /** Longest way to true pictures after a round, s. */
  readonly slowest: number;
  readonly cover: CoverPolicy;
  /** What was still wrong long after a round (`LATE_SECONDS`), and then came right. */
  readonly late: readonly string[];
  /** Whatever should not be: a wrong picture, a stale message, a record of the dead, a handle left open. */
  readonly wrong: readonly string[];
}

const GROUND: Ground = { watched: "/tree", outside: "/outside" };
/** What one recursive handle does not hear is found within two minutes (docs/watching.md); half a minute is for a loaded machine. */
const PATIENCE_MS = { auto: 150_000, tree: 150_000, directory: 90_000 } as const;
/** Writes to files that are there within ten: waited for once, after the last round. */
const CONTENTS_MS = 630_000;
const IS_CONTENT = /content was not told/;
/** After that long something is remarkable, and noted. */
const LATE_SECONDS = { auto: 75, tree: 75, directory: 15 } as const;

/** Rounds of changes and faults on a whole fleet; after each, every picture must become equal to the share. */
export async function tortureFleet(options: FleetTortureOptions): Promise<FleetTortureReport> {
  await using scope = new Scope();
  const {
    workers = 3,
    gateways = 2,
    nodes = 3,
    suite = "trixie",
    cover = "auto",
    rooms: count = 48,
    outageMs = 30_000,
    tree = true,
    faults = FLEET_FAULTS,
  } = options;
  const chance = new Chance(options.seed);
  const arena = await Arena.start({ workers, gateways, nodes, suite, cover, outageMs }, scope);
  const { samba } = arena.stack;
  const folder = samba.path();
  const rooms = Array.from({ length: count }, (_, i) => `/rooms/r${i}`);
  for (const path of [GROUND.watched, GROUND.outside, ...rooms])
    mkdirSync(join(folder, path), { recursive: true });
  const journal = new Journal();
  scope.defer(() => journal.close());
  scope.defer(feedFacts.subscribe((fact) => journal.add("fact", `feed ${JSON.stringify(fact)}`)));
  const changer = new Changer(samba, chance, journal, GROUND, { reserved: false });
  const changeRoom = roomChanger(folder, rooms, chance);
  for (let i = 0; i < 40; i++) changer.local();

  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  scope.defer(() => stop.abort());
  const broker = scope.use(
    await connectBroker({ servers: arena.natsUrls, name: "torture", streams: { existingOnly: true } }),
  );
  const fence = new FenceWatch(broker);
  scope.defer(() => fence.close());
  await fence.ready;
  const client = scope.use(
    await connectWatchClient({ broker, ttlMs: TTL_MS, lingerMs: 500, host: "torture" }),
  );
  const wrong: string[] = [];
  const tally: Tally = { changes: 0, resyncs: {}, relists: 0, snapshots: {} };
  const service = (path: string, recursive: boolean): Watcher =>
    new ServiceConsumer(client, { path, recursive }, tally, journal, stop.signal, (error) =>
      wrong.push(`${path}: ${error}`),
    );
  const mirror = (path: string, recursive: boolean): Watcher =>
    new MirrorConsumer(client, { path, recursive }, tally, journal, stop.signal, (error) =>
      wrong.push(`${path}, mirrored: ${error}`),
    );
  const trees = tree ? [service(GROUND.watched, true), mirror(GROUND.watched, true)] : [];
  const watchers: Watcher[] = [...trees, ...rooms.map((path) => service(path, false))];
  // Every other room has one besides that never lists.
  watchers.push(...rooms.filter((_, i) => i % 2 === 0).map((path) => mirror(path, false)));
  for (const [i, gateway] of arena.of("gateway").entries()) {
    const seen = rooms.filter((_, room) => room % 2 === i % 2).slice(0, 24);
    watchers.push(new PageConsumer(`page ${i}`, () => gateway.role?.url, seen, folder, journal, stop.signal));
  }

  const done: Partial<Record<FleetFault, number>> = {};
  const late: string[] = [];
  let slowest = 0;
  let rounds = 0;
  let changes = 0;
  const patient: Patience = {
    patienceMs: PATIENCE_MS[cover],
    lateSeconds: LATE_SECONDS[cover],
    contents: cover === "directory",
  };
  const judge = async (judging = patient): Promise<void> => {
    const verdict = await settle(watchers, folder, judging);
    late.push(...verdict.late);
    if (verdict.late.length > 0) journal.add("note", `late: ${verdict.late.join("; ")}`);
    slowest = Math.max(slowest, verdict.seconds);
    wrong.push(...verdict.wrong);
  };
  await judge();
  const enough = (): boolean => {
    const { faultCount, seconds } = options;
    if (faultCount === undefined) return journal.seconds >= seconds;
    return Object.values(done).reduce((sum, count) => sum + count, 0) >= faultCount;
  };
  while (!enough() && wrong.length === 0) {
    rounds++;
    changer.tidy();
    const fault = faults.length > 0 && chance.happens(0.85) ? chance.pick(faults) : undefined;
    if (fault !== undefined) done[fault] = (done[fault] ?? 0) + 1;
    let busy = true;
    const churn = (async () => {
      while (busy) {
        changer.local();
        changes += changeRoom();
        await delay(chance.between(5, 40));
      }
    })();
    await delay(chance.between(0, 500));
    const begun = journal.seconds;
    journal.add("fault", fault ?? "none");
    if (fault !== undefined) await arena.inject(fault, chance);
    journal.add("fault", "over");
    const faultSeconds = journal.seconds - begun;
    await delay(chance.between(100, 800));
    busy = false;
    await churn;
    if (chance.happens(0.5)) await changer.smb(chance.between(1, 10));
    mkdirSync(join(folder, GROUND.watched), { recursive: true });
    await judge();
    options.onRound?.(
      `${journal.seconds.toFixed(0)} s, round ${rounds}: ${fault ?? "no fault"} (${faultSeconds.toFixed(1)} s), ` +
        `${changer.counts.local + changer.counts.smb + changes} changes, true after at most ${slowest.toFixed(1)} s, ${wrong.length} wrong`,
    );
  }

  const due = cover !== "directory" && options.contents !== false && wrong.length === 0;
  if (due) await judge({ patienceMs: CONTENTS_MS, lateSeconds: CONTENTS_MS, contents: true });
  if (wrong.length + late.length > 0 && options.keepIn !== undefined)
    keep(options.keepIn, arena.stack.dir, journal);
  const holders = workers + gateways + 1;
  wrong.push(...(await untidy(broker, holders, 30_000)));
  wrong.push(...fence.stale.map((text) => `stale: ${text}`));
  const seconds = journal.seconds;
  const doubled = twice(await openHandles(samba), rooms);
  wrong.push(...doubled.map((path) => `${path}: opened twice`));
  stop.abort();
  await client.close();
  await arena.disband();
  wrong.push(...(await handlesLeft(samba, 15_000)).map((line) => `handle left: ${line}`));
  return {
    seed: options.seed,
    cover,
    broker: arena.broker,
    seconds,
    rounds,
    changes: changes + changer.counts.local + changer.counts.smb,
    faults: done,
    messages: fence.messages,
    tally,
    slowest,
    late,
    wrong,
  };
}

function keep(folder: string, stack: string, journal: Journal): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "journal"), `${journal.lines().join("\n")}\n`);
  for (const name of readdirSync(stack)) {
    if (name.endsWith(".out")) copyFileSync(join(stack, name), join(folder, name));
  }
}

/** Rooms with more than one handle: an owner that did not let go. */
function twice(handles: readonly string[], rooms: readonly string[]): string[] {
  return rooms.filter((path) => {
    const name = new RegExp(`\\s${path.slice(1)}\\s`);
    return handles.filter((line) => name.test(line)).length > 1;
  });
}

async function settle(
  watchers: readonly Watcher[],
  folder: string,
  { patienceMs, lateSeconds, contents }: Patience,
): Promise<{
  readonly seconds: number;
  readonly wrong: readonly string[];
  readonly late: readonly string[];
}> {
  const begun = performance.now();
  let late: readonly string[] | undefined;
  for (;;) {
    const complaints: string[] = [];
    for (const watcher of watchers) {
      const verdict = watcher.wrong(folder);
      if (verdict === undefined) complaints.push(`${watcher.name}: not live`);
      else {
        const counted = contents ? verdict : verdict.filter((what) => !IS_CONTENT.test(what));
        complaints.push(...counted.slice(0, 5).map((what) => `${watcher.name}: ${what}`));
      }
    }
    const seconds = (performance.now() - begun) / 1_000;
    if (complaints.length === 0) return { seconds, wrong: [], late: late ?? [] };
    if (seconds * 1_000 > patienceMs) return { seconds, wrong: complaints, late: late ?? [] };
    if (seconds > lateSeconds) late ??= complaints.slice(0, 10);
    await delay(50);
  }
}

/** One small change in some room; each name is used once, so that no later change can hide a lost one. */
function roomChanger(folder: string, rooms: readonly string[], chance: Chance): () => number {
  let serial = 0;
  return () => {
    const room = join(folder, chance.pick(rooms));
    const names = readdirSync(room);
    const action = chance.weighted({ make: 5, rename: 2, remove: names.length > 12 ? 8 : 2 });
    if (action === "make" || names.length === 0) writeFileSync(join(room, `f${serial++}`), "x");
    else if (action === "rename") renameSync(join(room, chance.pick(names)), join(room, `f${serial++}`));
    else unlinkSync(join(room, chance.pick(names)));
    return 1;
  };
}
