import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { isWithin } from "../../../src/base/path.ts";
import { Scope } from "../../../src/base/scope.ts";
import { Share } from "../../../src/share/share.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { type Samba, startSamba } from "../../lab/samba.ts";
import { type SambaRelease, sambaPrograms, wantedRelease } from "../../lab/samba-release.ts";
import { Chance } from "../chance.ts";
import { type ChangeCounts, Changer, type Ground } from "../changes.ts";
import { Consumer, type Tally } from "../consumer.ts";
import { Journal } from "../journal.ts";
import type { Loss } from "../run.ts";
import type { Configuration } from "./configurations.ts";
import { ShareClient } from "./share-client.ts";
import { type ShareTruth, Stage, shareTruth } from "./stage.ts";

export interface MatrixOptions {
  readonly configuration: Configuration;
  readonly seed: number;
  readonly seconds: number;
  readonly release?: SambaRelease;
  /** Over the short periods of a dense run. */
  readonly watch?: ShareWatcherOptions;
  readonly onRound?: (text: string) => void;
  /** Where to leave everything that happened, when something was lost. */
  readonly journalFile?: string;
}

export interface MatrixReport {
  readonly configuration: string;
  /** Of Samba. */
  readonly version: string;
  readonly seed: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly changes: ChangeCounts & { readonly special: number };
  readonly delivered: Tally["delivered"];
  readonly resyncs: Tally["resyncs"];
  /** Longest way to the true picture after a round, s. */
  readonly slowest: number;
  readonly lost: readonly Loss[];
}

const GROUND: Ground = { watched: "/top/watched", outside: "/outside" };
/** After so many seconds in which no consumer heard or listed anything, what is wrong stays wrong. */
const PATIENCE = 10;
const ENDLESS = 120;
const HISTORY = 40;

/** Rounds of changes on one kind of share; after each, every consumer's picture must be what the share lists. */
export async function tortureShare(options: MatrixOptions): Promise<MatrixReport> {
  await using scope = new Scope();
  const { configuration, seed } = options;
  const chance = new Chance(seed);
  const journal = new Journal();
  scope.defer(() => journal.close());
  const samba = await startShare(options);
  scope.defer(() => samba.stop());
  const others = configuration.others ?? "share";
  const stage = new Stage(samba, chance, journal, GROUND, others);
  if (configuration.unprivileged === true) {
    const umask = process.umask(0);
    scope.defer(() => {
      process.umask(umask);
    });
    chmodSync(samba.dir, 0o755);
    chmodSync(samba.path(), 0o777);
  }
  for (const path of [GROUND.watched, GROUND.outside]) mkdirSync(stage.real(path), { recursive: true });
  configuration.prepare?.(stage);
  const changer = new Changer(
    samba,
    chance,
    journal,
    GROUND,
    configuration.names ?? { reserved: false },
    others,
  );
  const ordinary = configuration.ordinary !== "not";
  if (ordinary) for (let i = 0; i < 30; i++) changer.local();
  let special = 0;
  const operate = async (count: number): Promise<void> => {
    for (let i = count; i > 0; i--) {
      await chance.pick(configuration.operations)(stage);
      special++;
      if (chance.happens(0.2)) await delay(chance.between(0, 100));
    }
  };
  await operate(10);

  const share = new Share({
    smb: {
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password }),
      backoff: { initialMs: 50, maxMs: 500 },
    },
    // What a recursive handle does not hear is compared every 5 minutes by default: docs/watching.md.
    watch: { healthSeconds: 2, checksPerSecond: 50, rescanMinutes: 0.1, ...options.watch },
  });
  scope.defer(() => share.close());
  const stop = new AbortController();
  scope.defer(() => stop.abort());
  const judge = new ShareClient(samba, others);
  scope.defer(() => judge.close());
  const tally: Tally = { delivered: { notify: 0, rescan: 0, poll: 0 }, resyncs: {} };
  const consumers = [true, false].map(
    (recursive) =>
      new Consumer(share, { path: GROUND.watched, recursive }, {}, tally, journal, stop.signal, stage.enters),
  );

  const patience = PATIENCE + (configuration.late ?? 0);
  const lost: Loss[] = [];
  let rounds = 0;
  let slowest = 0;
  const settle = async (): Promise<void> => {
    const { seconds, wrong } = await converge(judge, stage, consumers, patience);
    slowest = Math.max(slowest, seconds);
    journal.add("note", `round ${rounds} ended after ${seconds.toFixed(2)} s`);
    for (const { consumer, what, path } of wrong)
      lost.push({ consumer, what, history: journal.about(path, HISTORY) });
  };
  await settle();
  while (journal.seconds < options.seconds && lost.length === 0) {
    rounds++;
    changer.tidy();
    const smb = ordinary && chance.happens(0.7) ? changer.smb(chance.between(1, 10)) : Promise.resolve();
    if (ordinary) for (let i = chance.between(0, 25); i > 0; i--) changer.local();
    await operate(chance.between(3, 12));
    await smb;
    mkdirSync(stage.real(GROUND.watched), { recursive: true });
    await settle();
    options.onRound?.(`${configuration.name}: round ${rounds}, ${lost.length} lost`);
  }
  if (lost.length > 0 && options.journalFile !== undefined)
    writeFileSync(options.journalFile, `${journal.lines().join("\n")}\n`);
  return {
    configuration: configuration.name,
    version: samba.version,
    seed,
    seconds: journal.seconds,
    rounds,
    changes: { ...changer.counts, special },
    delivered: tally.delivered,
    resyncs: tally.resyncs,
    slowest,
    lost,
  };
}

/** The release asked for, or another where that lacks what the configuration needs. */
function releaseFor({ configuration, release = wantedRelease() }: MatrixOptions): SambaRelease {
  const { modules = [] } = configuration;
  const { vfsModules } = sambaPrograms(release);
  return modules.every((name) => vfsModules.has(name)) ? release : "trixie";
}

async function startShare(options: MatrixOptions): Promise<Samba> {
  const { configuration } = options;
  const { global, share, shares = {}, unprivileged = false } = configuration;
  // As root the lab's files belong to root: an account of the system that owns nothing plays the other.
  const account = unprivileged && userInfo().uid === 0 ? { "force user": "daemon" } : {};
  const own = { share: { ...account, ...share } };
  const samba = await startSamba({
    release: releaseFor(options),
    ...(global === undefined ? {} : { global }),
    shares: own,
  });
  const more = Object.entries(shares).map(([name, settings]) => {
    const path = settings["path"]?.replace("%F", samba.path()) ?? samba.path();
    return [name, { ...account, ...settings, path }] as const;
  });
  if (more.length === 0) return samba;
  mkdirSync(join(samba.path(), GROUND.watched), { recursive: true });
  await samba.reconfigure({ shares: { ...own, ...Object.fromEntries(more) } });
  return samba;
}

interface Wrong {
  readonly consumer: string;
  readonly what: string;
  readonly path: string;
}

/** Waits until every consumer has it right; gives up when none has heard or listed anything for `patience` seconds. */
async function converge(
  judge: ShareClient,
  stage: Stage,
  consumers: readonly Consumer[],
  patience: number,
): Promise<{ readonly seconds: number; readonly wrong: readonly Wrong[] }> {
  const began = performance.now();
  for (;;) {
    for (const mirror of consumers.flatMap(({ mirrors }) => mirrors)) mirror.retry();
    const truth = await shareTruth(judge, stage);
    const wrong = consumers.flatMap((consumer) => judged(consumer, truth));
    const seconds = (performance.now() - began) / 1_000;
    const idle = (performance.now() - Math.max(began, ...consumers.map(({ busyAt }) => busyAt))) / 1_000;
    if (wrong.length === 0 || idle > patience || seconds > ENDLESS) return { seconds, wrong };
    await delay(100);
  }
}

function judged(consumer: Consumer, truth: ShareTruth | undefined): Wrong[] {
  const { name: who, calm, handle } = consumer;
  const { path, recursive } = consumer.interest;
  if (truth === undefined)
    return handle.state === "gone" ? [] : [{ consumer: who, what: `is ${handle.state}, not gone`, path }];
  const entries = recursive
    ? truth.entries
    : new Map([...truth.entries].filter(([full]) => full.lastIndexOf("/") === path.length));
  const refused = recursive ? truth.refused : truth.refused.filter((one) => one === path);
  const wrong = consumer.wrong(entries).map((what) => ({ consumer: who, what, path: pathOf(what) }));
  // What the account may not list cannot be known, only that it is so.
  const known = wrong.filter((one) => !refused.some((dir) => isWithin(dir, one.path) && dir !== one.path));
  const silent = refused.length > 0 && handle.state === "live";
  return [
    ...(calm || truth.refused.includes(path) ? [] : [{ consumer: who, what: `is ${handle.state}`, path }]),
    ...(silent ? [{ consumer: who, what: `says live, and ${refused[0]} is refused`, path }] : []),
    ...known,
  ];
}

function pathOf(disagreement: string): string {
  return disagreement.replace(/: [^:]*$/, "");
}
