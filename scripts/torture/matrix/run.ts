import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Scope } from "../../../src/base/scope.ts";
import { Share } from "../../../src/share/share.ts";
import type { CoverPolicy } from "../../../src/watch/interest.ts";
import { type Samba, startSamba } from "../../lab/samba.ts";
import { type SambaRelease, sambaPrograms, wantedRelease } from "../../lab/samba-release.ts";
import { Chance } from "../chance.ts";
import { type ChangeCounts, Changer, type Ground } from "../changes.ts";
import { Consumer, type Tally } from "../consumer.ts";
import { Journal } from "../journal.ts";
import type { Loss } from "../run.ts";
import type { Configuration } from "./configurations.ts";
import { type Bounds, boundsOf, converge, DOCUMENTED } from "./judge.ts";
import { ShareClient } from "./share-client.ts";
import { Stage } from "./stage.ts";

export interface MatrixOptions {
  readonly configuration: Configuration;
  readonly seed: number;
  readonly seconds: number;
  readonly release?: SambaRelease;
  /** How interests become handles. Default `auto`. */
  readonly cover?: CoverPolicy;
  /** Every option of the watch at its default: a round may take ten minutes. Default false: short periods, many rounds. */
  readonly defaults?: boolean;
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
  readonly cover: CoverPolicy;
  /** How old a wrong picture was allowed to get, s. */
  readonly bounds: Bounds;
  /** Longest way to the true picture after a round, s. */
  readonly slowest: Bounds & { readonly last: Readonly<Record<keyof Bounds, string>> };
  readonly lost: readonly Loss[];
}

const GROUND: Ground = { watched: "/top/watched", outside: "/outside" };
const HISTORY = 40;
/** What a recursive handle does not hear is found by looking: so often, so that many rounds fit in. */
const DENSE = { healthSeconds: 2, checksPerSecond: 50, rescanMinutes: 0.1 };

/** Rounds of changes on one kind of share; after each, every consumer's picture must be what the share lists. */
export async function tortureShare(options: MatrixOptions): Promise<MatrixReport> {
  await using scope = new Scope();
  const { configuration, seed, cover = "auto", defaults = false } = options;
  const chance = new Chance(seed);
  const journal = new Journal(configuration.name);
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
    watch: { label: configuration.name, cover, ...(defaults ? {} : DENSE) },
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

  const late = defaults ? 0 : (configuration.late ?? 0);
  const { names, contents } = defaults ? DOCUMENTED : boundsOf(DENSE);
  const bounds = { names: names + late, contents: contents + late };
  const lost: Loss[] = [];
  let rounds = 0;
  const slowest = { names: 0, contents: 0, last: { names: "", contents: "" } };
  const settle = async (): Promise<void> => {
    const { seconds, last, overdue } = await converge(judge, stage, consumers, {
      bounds,
      everyMs: defaults ? 5_000 : 100,
      comparisons: () => journal.comparisons,
    });
    for (const kind of ["names", "contents"] as const) {
      if (seconds[kind] <= slowest[kind]) continue;
      slowest[kind] = seconds[kind];
      slowest.last[kind] = last[kind] ?? "";
    }
    journal.add("note", `round ${rounds}: right after ${JSON.stringify({ ...seconds, ...last })}`);
    for (const { consumer, what, path } of overdue)
      lost.push({ consumer, what, history: journal.about(path, HISTORY) });
  };
  await settle();
  while ((rounds === 0 || journal.seconds < options.seconds) && lost.length === 0) {
    rounds++;
    changer.tidy();
    for (let i = chance.between(0, defaults ? 3 : 0); i > 0; i--) {
      if (ordinary) for (let j = chance.between(0, 5); j > 0; j--) changer.local();
      await operate(2);
      await delay(chance.between(100, 20_000));
    }
    const clients = ordinary ? chance.pick([0, 1, 1, 2]) : 0;
    const smb = Promise.all(Array.from({ length: clients }, () => changer.smb(chance.between(1, 12))));
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
    cover,
    bounds,
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
