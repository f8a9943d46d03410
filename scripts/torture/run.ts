import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createNtlmProvider } from "../../src/auth/ntlm.ts";
import { Scope } from "../../src/base/scope.ts";
import { Share } from "../../src/share/share.ts";
import type { ShareWatcherOptions } from "../../src/watch/options.ts";
import { type Samba, type SambaOptions, startSamba } from "../lab/samba.ts";
import { startTcpProxy } from "../lab/tcp-proxy.ts";
import { Chance } from "./chance.ts";
import { type ChangeCounts, Changer, type Ground } from "./changes.ts";
import { Consumer, type Tally } from "./consumer.ts";
import { type Arena, type FaultName, faultsFor, inject } from "./faults.ts";
import { Journal } from "./journal.ts";
import { neighbour } from "./neighbour.ts";
import { type SessionCounts, startTickets } from "./tickets.ts";
import { diskTruth, existsInSomeCase } from "./truth.ts";

export type TortureMode = "directory" | "tree" | "poll";

export interface TortureOptions {
  readonly seed: number;
  readonly seconds: number;
  /** So many faults instead, however long they take. */
  readonly faultCount?: number;
  readonly mode: TortureMode;
  readonly recursive: boolean;
  readonly encrypted: boolean;
  /** Names that SMB reserves, on a share that lists them as they are. Default false. */
  readonly reservedNames?: boolean;
  /** Consumers join when they please, behind one and the same watch. Default false. */
  readonly openAudience?: boolean;
  /** Log in by Kerberos, with tickets that end every few seconds; needs a KDC. Default false. */
  readonly kerberos?: boolean;
  /** Default all. */
  readonly faults?: readonly FaultName[];
  /** Over what the seed chooses. */
  readonly watch?: ShareWatcherOptions;
  readonly onRound?: (text: string) => void;
  /** Where to leave everything that happened, when something was lost. */
  readonly journalFile?: string;
}

/** A session expires by itself: nobody injects that. */
type FaultCounts = Partial<Record<FaultName | "session expiry", number>>;

/** One path that a consumer's picture has wrong when all is quiet. */
export interface Loss {
  readonly consumer: string;
  readonly what: string;
  /** The last that was done to it and told of it. */
  readonly history: readonly string[];
}

export interface TortureReport {
  readonly seed: number;
  readonly mode: TortureMode;
  readonly recursive: boolean;
  readonly encrypted: boolean;
  readonly openAudience: boolean;
  /** Where sessions end with their tickets. */
  readonly sessions?: SessionCounts;
  /** What else the seed chose. */
  readonly options: ShareWatcherOptions;
  readonly consumers: readonly string[];
  readonly seconds: number;
  readonly rounds: number;
  readonly changes: ChangeCounts;
  readonly faults: Readonly<FaultCounts>;
  readonly delivered: Tally["delivered"];
  readonly resyncs: Tally["resyncs"];
  /** Taken by consumers that never list, by reason: but for `first` something had been lost. */
  readonly snapshots: Readonly<Record<string, number>>;
  /** Names that a consumer had wrong until a `resync` made it list. */
  readonly coveredByResync: number;
  /** Longest way to the true picture after a round without and with a fault, s. */
  readonly slowest: { readonly calm: number; readonly faulty: number };
  readonly lost: readonly Loss[];
}

/** Shorter than the defaults, so that a run is dense. */
const TIMEOUTS = {
  connectMs: 2_000,
  requestMs: 3_000,
  echoMs: 1_000,
  deadMs: 3_000,
  closeMs: 500,
  cancelMs: 1_000,
};
const RESCAN_SECONDS = 6;
const GROUND: Ground = { watched: "/top/watched", outside: "/outside" };
/** Patience of the judge after a round, s. A directory that was gone is asked for every half minute. */
const PATIENCE = { calm: 10, faulty: 75 };
/** Whatever goes on then does not lead anywhere, s. */
const ENDLESS = 600;
const HISTORY = 50;
/** A run of so many seconds has time for faults that last. */
const LONG = 60;

/** Rounds of changes and faults; after each, every consumer's picture must become equal to the share. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  await using scope = new Scope();
  const chance = new Chance(options.seed);
  const journal = new Journal();
  scope.defer(() => journal.close());
  const server: SambaOptions = {
    ...(options.mode === "poll" ? { global: { "change notify": "no", "kernel change notify": "no" } } : {}),
    shares: { share: options.reservedNames === true ? { "mangled names": "no" } : {} },
  };
  const tickets = options.kerberos ? await startTickets(options.seed, server, journal) : undefined;
  const samba = tickets?.samba ?? (await startSamba(server));
  scope.defer(() => (tickets ?? samba).stop());
  const proxy = await startTcpProxy({ port: samba.port });
  scope.defer(() => proxy.close());
  for (const path of [GROUND.watched, GROUND.outside])
    mkdirSync(join(samba.path(), path), { recursive: true });
  const names = { reserved: options.reservedNames ?? false };
  const changer = new Changer(samba, chance, journal, GROUND, names);
  for (let i = 0; i < 60; i++) changer.local();

  const watch = { ...variation(chance, options), ...options.watch };
  const share = new Share({
    smb: {
      host: "127.0.0.1",
      port: proxy.port,
      share: "share",
      auth: tickets?.auth ?? createNtlmProvider({ username: samba.user, password: samba.password }),
      encryption: options.encrypted ? "required" : "auto",
      timeouts: TIMEOUTS,
      backoff: { initialMs: 50, maxMs: 500 },
    },
    watch,
  });
  scope.defer(() => share.close());
  const stop = new AbortController();
  scope.defer(() => stop.abort());

  const tally: Tally = { delivered: { notify: 0, rescan: 0, poll: 0 }, resyncs: {} };
  const openAudience = options.openAudience ?? false;
  const consumers = interests(chance, options).map(
    (interest) => new Consumer(share, interest, { openAudience }, tally, journal, stop.signal),
  );
  for (const consumer of consumers) scope.defer(() => consumer.close());
  const joinOne = (): void => {
    if (openAudience && chance.happens(0.5)) chance.pick(consumers).join();
  };
  const long = options.seconds >= LONG;
  const { deadMs } = TIMEOUTS;
  const arena: Arena = {
    samba,
    kdc: tickets?.kdc,
    proxy,
    chance,
    journal,
    changer,
    ground: GROUND,
    deadMs,
    long,
  };
  const possible = options.faults ?? faultsFor(options);
  const faults: FaultCounts = {};
  const slowest = { calm: 0, faulty: 0 };
  const lost: Loss[] = [];
  let rounds = 0;
  const judge = async (kind: "calm" | "faulty"): Promise<void> => {
    const verdict = await settle(samba, consumers, PATIENCE[kind]);
    slowest[kind] = Math.max(slowest[kind], verdict.seconds);
    journal.add("note", `round ${rounds} ended after ${verdict.seconds.toFixed(2)} s`);
    for (const { consumer, what, path } of verdict.wrong) {
      lost.push({ consumer, what, history: journal.about(path, HISTORY) });
    }
    if (tickets !== undefined) faults["session expiry"] = tickets.counts.expired;
  };
  await judge("calm");
  const enough = (): boolean =>
    options.faultCount === undefined
      ? journal.seconds >= options.seconds
      : total(faults) >= options.faultCount;
  while (!enough() && lost.length === 0) {
    rounds++;
    changer.tidy();
    const fault = possible.length > 0 && chance.happens(0.6) ? chance.pick(possible) : undefined;
    if (fault !== undefined) faults[fault] = (faults[fault] ?? 0) + 1;
    await round(arena, fault, joinOne);
    await judge(fault === undefined ? "calm" : "faulty");
    // Where handles lie on the directories themselves, others do find them in their way.
    if (fault === undefined && options.mode === "tree") {
      const refused = await neighbour(samba, chance, journal, { watched: GROUND.watched, serial: rounds });
      for (const what of refused) lost.push({ consumer: "another client", what, history: [] });
    }
    options.onRound?.(
      `${journal.seconds.toFixed(0)} s, round ${rounds} (${fault ?? "no fault"}), ${changer.counts.smb + changer.counts.local} changes, ${lost.length} lost`,
    );
  }
  if (lost.length > 0 && options.journalFile !== undefined) {
    writeFileSync(options.journalFile, `${journal.lines().join("\n")}\n`);
  }
  return {
    seed: options.seed,
    mode: options.mode,
    recursive: options.recursive,
    encrypted: options.encrypted,
    openAudience,
    ...(tickets === undefined ? {} : { sessions: tickets.counts }),
    options: watch,
    consumers: consumers.map(({ name }) => name),
    seconds: journal.seconds,
    rounds,
    changes: changer.counts,
    faults,
    delivered: tally.delivered,
    resyncs: tally.resyncs,
    snapshots: consumers.reduce((all, { snapshots }) => sum(all, snapshots), {}),
    coveredByResync: consumers
      .flatMap(({ mirrors }) => mirrors)
      .reduce((sum, { corrected }) => sum + corrected, 0),
    slowest,
    lost,
  };
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** By name. */
function sum(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}

/** Options of the engine that the seed chooses: each run tries another corner. */
function variation(chance: Chance, { mode, recursive }: TortureOptions): ShareWatcherOptions {
  const some = (probability: number, options: ShareWatcherOptions): ShareWatcherOptions =>
    chance.happens(probability) ? options : {};
  return {
    cover: mode !== "tree" ? "directory" : chance.happens(0.5) ? "tree" : "auto",
    healthSeconds: 2,
    checksPerSecond: 50,
    pollSeconds: 1,
    // Samba tells of sub-directories what goes through SMB only, and not all of that.
    ...(mode === "tree" ? { rescanMinutes: RESCAN_SECONDS / 60 } : {}),
    ...some(0.25, { stat: true }),
    ...some(0.15, { settleMs: 300 }),
    // A directory too large to remember has no sub-directories that could get handles of their own.
    ...some(0.1, recursive && mode === "directory" ? {} : { maxEntries: 60 }),
    ...(mode === "directory" ? some(0.1, { maxHandles: 4, fallbackRescanMinutes: RESCAN_SECONDS / 60 }) : {}),
    ...some(0.15, { refreshMinutes: 0.1 }),
  };
}

function interests(chance: Chance, { recursive }: TortureOptions): { path: string; recursive: boolean }[] {
  const { watched } = GROUND;
  const others = [
    { path: "/", recursive: false },
    { path: "/", recursive: true },
    { path: "/top", recursive: false },
    { path: watched, recursive: !recursive },
    { path: `${watched}/a`, recursive },
  ].filter(() => chance.happens(0.2));
  return [{ path: watched, recursive }, ...(recursive ? others : others.filter((other) => !other.recursive))];
}

/** Changes from both sides, a fault in their midst. */
async function round(arena: Arena, fault: FaultName | undefined, joinOne: () => void): Promise<void> {
  const { chance, changer, samba } = arena;
  const local = (async (): Promise<void> => {
    for (let i = chance.between(5, 60); i > 0; i--) {
      changer.local();
      if (i % 10 === 0) joinOne();
      if (chance.happens(0.3)) await delay(chance.between(0, 60));
    }
    if (chance.happens(0.15)) changer.burst(chance.between(100, 2_500));
  })();
  const smb = chance.happens(0.7) ? changer.smb(chance.between(1, 25)) : Promise.resolve();
  await delay(chance.between(0, 300));
  if (fault !== undefined) await inject(fault, arena);
  await local;
  await smb;
  mkdirSync(join(samba.path(), GROUND.watched), { recursive: true });
  // A last word after the fault, so that what is live again proves it.
  if (chance.happens(0.5)) for (let i = 0; i < 5; i++) changer.local();
}

interface Verdict {
  readonly seconds: number;
  readonly wrong: readonly { readonly consumer: string; readonly what: string; readonly path: string }[];
}

/** Waits until every consumer has it right; gives up when none has heard or listed anything for `patience` seconds. */
async function settle(samba: Samba, consumers: readonly Consumer[], patience: number): Promise<Verdict> {
  const began = performance.now();
  for (;;) {
    for (const mirror of consumers.flatMap(({ mirrors }) => mirrors)) mirror.retry();
    const wrong = consumers.flatMap((consumer) => {
      const { path, recursive } = consumer.interest;
      const { name: who } = consumer;
      let truth: ReturnType<typeof diskTruth>;
      try {
        truth = diskTruth(samba.path(), path, recursive);
      } catch {
        // Renamed in case only, it is there for the server as before; by this name there is nothing to compare.
        if (existsInSomeCase(samba.path(), path)) return [];
        // Its own directory is not there: that it is told so is all there is to tell.
        const told = consumer.handle.state === "gone";
        return told ? [] : [{ consumer: who, what: `${path} is ${consumer.handle.state}, not gone`, path }];
      }
      const calm = consumer.calm;
      const found = consumer.wrong(truth).map((what) => ({ consumer: who, what, path: pathOf(what) }));
      return calm ? found : [{ consumer: who, what: `is ${consumer.handle.state}`, path }, ...found];
    });
    const seconds = (performance.now() - began) / 1_000;
    const busyAt = Math.max(began, ...consumers.map(({ busyAt }) => busyAt));
    const idle = (performance.now() - busyAt) / 1_000;
    if (wrong.length === 0 || idle > patience || seconds > ENDLESS) return { seconds, wrong };
    await delay(50);
  }
}

function pathOf(disagreement: string): string {
  return disagreement.replace(/: [^:]*$/, "");
}
