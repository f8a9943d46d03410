import { sleep } from "../../../src/base/async.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { canonicalPath, isWithin, joinPath } from "../../../src/base/path.ts";
import { BrokerError } from "../../../src/broker/errors.ts";
import type { EventMessage } from "../../../src/broker/message.ts";
import type {
  Broker,
  Cursor,
  FeedMessage,
  ReplayScope,
  WatchPublisher,
  WatchPublisherOptions,
} from "../../../src/broker/port.ts";
import { Subjects } from "../../../src/broker/subjects.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { fileTimeToIso } from "../../../src/watch/file-time.ts";
import { LiveMirror } from "../../../src/watch/mirror/mirror.ts";
import { shownDirectories } from "../../../src/watch/mirror/shown.ts";
import type { TakenSnapshot } from "../../../src/watch/mirror/types.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import { Worker } from "../../../src/worker/worker.ts";
import { MemoryBucket, MemoryMirror } from "../../unit/fleet/memory-bucket.ts";
import { disagreements, Mirror, type MirrorEntry, type Truth } from "../oracles/mirror.ts";
import { listTold } from "../oracles/told-lists.ts";
import { differences } from "../oracles/unlisting.ts";
import { seeded } from "../random.ts";
import type { FakeShare } from "./fake-source.ts";
import { HeldShare } from "./held-share.ts";

/** Real workers on a share in memory, handing a watch over again and again while everything changes. */
export interface Scene {
  readonly recursive: boolean;
  readonly cover?: "directory" | "tree";
  /** Samba's recursive handles: what is done on the server itself is found by looking. */
  readonly partly?: boolean;
  readonly settleMs?: number;
  /** Files are told when they have been quiet that long, ms. */
  readonly readyMs?: number;
  /** Samba: what happens in the first moments of a handle is not told. */
  readonly deaf?: boolean;
  /** How long things wait in an outbox, ms at most. */
  readonly outboxMs?: number;
  /** Half of what happens is not told by the server; everything is compared once an hour. */
  readonly silent?: boolean;
  /** Longest time between two changes, ms. Default 60. */
  readonly paceMs?: number;
  /** The server has ceased to answer whoever hands over, and he has not noticed yet. */
  readonly dead?: boolean;
  /** Some workers end at once, without handing over; or all of them are killed. */
  readonly crashes?: "some" | "all";
}

const TARGET = { connection: "nas1", path: "/d" };
const NAMES = ["a", "b", "c", "e"];

export class Stage {
  readonly clock: ManualClock = new ManualClock();
  readonly random: () => number;
  readonly share: FakeShare;
  readonly bucket: MemoryBucket = new MemoryBucket();
  readonly mirror: Mirror;
  /** Never lists: takes a snapshot of whoever owns the watch, and goes on by what is told. */
  readonly unlisting: LiveMirror;
  /** They come at any time, list, and are answered by the owner from what it has told where it is in no doubt. */
  readonly #readers: Mirror[] = [];
  /** What readers do must not change what happens to the others. */
  readonly #chance: () => number;
  readonly log: string[] = [];
  readonly resyncs: Record<string, number> = {};
  readonly #scene: Scene;
  readonly #workers: { readonly worker: Worker; readonly watcher: ShareWatcher; kill: () => void }[] = [];
  /** What was published, as a stream keeps it. */
  readonly #stream: FeedMessage[] = [];
  readonly #objects = new Map<string, Uint8Array>();
  readonly #newest = new Map<string, number>();
  started = false;
  /** Listings that an owner answered from what it had told. */
  toldLists = 0;
  /** Nothing changes any more. */
  still = false;

  constructor(seed: number, scene: Scene) {
    const { clock } = this;
    this.#scene = scene;
    this.random = seeded(seed);
    this.share = new HeldShare({
      clock,
      random: this.random,
      latencyMs: 20,
      lagMs: 40,
      birthTimes: false,
      ...(scene.partly === true ? { traits: { fullRecursion: false } } : {}),
      ...(scene.deaf === true ? { deafMs: 700, traits: { settleScanMs: 1_500 } } : {}),
    });
    this.share.mkdir("/d");
    this.#chance = seeded(seed + 7_777_777);
    this.mirror = this.#mirrorBy((path) => this.#list(path));
    this.unlisting = new LiveMirror({
      path: TARGET.path,
      recursive: scene.recursive,
      caseSensitive: () => true,
      clock,
      take: () => this.#take(),
      failure: () => "again",
      onClose: () => undefined,
    });
    const ref = { ...TARGET, recursive: scene.recursive };
    this.renew();
    this.bucket.put(`ref.holder.nas1.d.${scene.recursive ? "=t" : "=d"}`, ref);
  }

  /** Of the one who asks for the watch. */
  renew(): void {
    const seq = Math.ceil(this.clock.monotonic());
    this.bucket.put("lease.gateway.holder", { kind: "gateway", ttlMs: 600_000, host: "holder", seq });
  }

  get claim(): Record<string, unknown> | undefined {
    return this.bucket.json(`claim.nas1.d.${this.#scene.recursive ? "=t" : "=d"}`);
  }

  get owner(): Worker | undefined {
    const { claim } = this;
    if (claim?.["state"] !== "live") return undefined;
    return this.#workers.find(({ worker }) => worker.leaseId === claim["lease"])?.worker;
  }

  async join(): Promise<void> {
    const { clock, random } = this;
    const watcher = new ShareWatcher(
      this.#scene.dead === true ? silenced(this.share) : this.share,
      {
        cover: this.#scene.cover ?? "directory",
        healthSeconds: 60,
        refreshMinutes: 90,
        rescanMinutes: this.#scene.silent === true ? 60 : 0,
      },
      { clock, random },
    );
    const runtime: ConnectionRuntime = {
      name: "nas1",
      caseSensitive: true,
      sourceUrl: "smb://server/share",
      watches: watcher,
      quietMs: (this.#scene.settleMs ?? 0) + 250,
      overrides: () => ({
        settleMs: this.#scene.settleMs ?? 0,
        ready: this.#scene.readyMs === undefined ? "off" : { quietMs: this.#scene.readyMs, emptyAfterMs: 0 },
      }),
      list: async () => ({ entries: [] }),
      close: async () => undefined,
    };
    const life = { over: false };
    const kill = (): void => {
      life.over = true;
      void watcher.close();
    };
    const worker = new Worker({
      broker: this.#broker(life),
      checkpoints: { afterMs: 1_000 },
      connections: new Map([["nas1", runtime]]),
      clock,
      ttlMs: 15_000,
    });
    this.#workers.push({ worker, watcher, kill });
    await worker.start();
  }

  /** The oldest hands over and goes, or just goes. */
  async leave(crash: boolean | "killed"): Promise<void> {
    const gone = this.#workers.shift();
    if (gone === undefined) return;
    this.log.push(`${this.clock.monotonic().toFixed()} LEAVE ${gone.worker.leaseId} ${crash}`);
    if (crash === "killed") {
      gone.kill();
      for (let steps = this.random() * 20; steps > 0; steps--) {
        this.change();
        await this.rest();
      }
    }
    const done = (async () => {
      if (crash === false) await gone.worker.drain();
      await gone.worker.close();
      await gone.watcher.close();
    })();
    await this.during(done);
  }

  async judge(): Promise<string[]> {
    await this.mirror.idle();
    this.log.push(`snapshots ${JSON.stringify(this.unlisting.snapshots)}`);
    const truth = new Map<string, Truth>();
    for (const [path, { type, changedAt }] of this.share.paths(TARGET.path, this.#scene.recursive)) {
      truth.set(path, { directory: type === "directory", changedAt });
    }
    const mirrored = differences(this.unlisting, truth).map((line) => `mirrored: ${line}`);
    for (const reader of this.#readers) await reader.idle();
    const read = this.#readers.flatMap((reader) =>
      disagreements(reader, truth).map((line) => `read: ${line}`),
    );
    return [...disagreements(this.mirror, truth), ...mirrored, ...read];
  }

  /** Both begin: one lists, the other takes a snapshot. */
  start(): void {
    this.mirror.start();
    this.started = true;
    this.unlisting.fares({ state: "live", mode: "notify" });
    this.unlisting.renew("first");
  }

  #mirrorBy(list: (path: string) => Promise<readonly MirrorEntry[] | undefined>): Mirror {
    const { recursive } = this.#scene;
    return new Mirror({ path: TARGET.path, recursive, forgets: true, now: () => this.share.tick, list });
  }

  async #list(path: string): Promise<readonly MirrorEntry[] | undefined> {
    if (!this.share.isDirectory(path)) return undefined;
    return [...this.share.paths(path, false)].map(([full, { type }]) => ({
      name: full.slice(full.lastIndexOf("/") + 1),
      directory: type === "directory",
    }));
  }

  async #listTold(path: string): Promise<readonly MirrorEntry[] | undefined> {
    const [watch] = this.owner?.controller?.local.values() ?? [];
    const picture =
      watch?.sure === true ? watch.snapshot({ path: canonicalPath(path), recursive: false }) : "not-yet";
    const { share } = this;
    const told =
      typeof picture === "string"
        ? undefined
        : listTold(picture, (full) => share.nodeOf(full) && (share.isDirectory(full) ? "directory" : "file"));
    if (told !== undefined) this.toldLists++;
    return told ?? this.#list(path);
  }

  /** From the owner, who may be killed, or hand over, while the snapshot is on its way. */
  async #take(): Promise<TakenSnapshot> {
    const { clock, random } = this;
    await sleep(random() * 50, { clock });
    const [watch] = this.owner?.controller?.local.values() ?? [];
    const picture = watch?.snapshot({ path: TARGET.path, recursive: this.#scene.recursive }) ?? "not-yet";
    if (watch === undefined || typeof picture === "string") throw new Error("no picture");
    this.log.push(`${clock.monotonic().toFixed()} SNAPSHOT ${picture.epoch} ${picture.told}`);
    let stored = false;
    void picture.stored().then((all) => {
      stored = all;
    });
    const directories = [...shownDirectories(picture, new Map())];
    await sleep(random() * 200, { clock });
    const servedBy = { path: TARGET.path, recursive: this.#scene.recursive };
    return { epoch: picture.epoch, told: picture.told, stored, servedBy, directories };
  }

  /** Contents that were told more than once under one name, and those of today that were never told. */
  judgeReady(): string[] {
    const told = new Map<string, Set<string>>();
    const contents = new Set<string>();
    const wrong: string[] = [];
    const forget = (top: string): void => {
      for (const path of [...told.keys()]) if (isWithin(top, path)) told.delete(path);
    };
    for (const { message } of this.#stream) {
      if (message.type !== "changes") continue;
      for (const { action, name, oldName, fileId, size, modified } of message.body.changes) {
        const path = joinPath(message.body.path, name);
        // What comes back by a name it had is told once more.
        if (action === "removed" || action === "renamed") forget(path);
        if (oldName !== undefined) forget(joinPath(message.body.path, oldName));
        if (action !== "ready") continue;
        const content = `${fileId} ${size} ${modified}`;
        contents.add(content);
        const known = told.get(path) ?? new Set();
        if (known.has(content)) wrong.push(`told twice: ${path} ${content}`);
        told.set(path, known.add(content));
      }
    }
    for (const [path, { type }] of this.share.paths(TARGET.path, this.#scene.recursive)) {
      const node = this.share.nodeOf(path);
      if (node === undefined || type === "directory") continue;
      const content = `${node.id} ${node.size} ${fileTimeToIso(node.modified)}`;
      if (!contents.has(content)) wrong.push(`never told: ${path} ${content}`);
    }
    return wrong;
  }

  async close(): Promise<void> {
    await this.unlisting.close();
    while (this.#workers.length > 0) await this.leave(true);
    await this.clock.advance(10_000);
  }

  /** Lets time pass, and the share change, until `work` is over. */
  async during(work: Promise<void>): Promise<void> {
    let over = false;
    void work.finally(() => {
      over = true;
    });
    for (let i = 0; !over && i < 1_000; i++) {
      this.change();
      await this.rest();
    }
    await work;
  }

  rest(): Promise<void> {
    if (this.started && this.#chance() < 0.05) {
      const reader = this.#mirrorBy((path) => this.#listTold(path));
      this.log.push(`${this.clock.monotonic().toFixed()} READ by one more`);
      reader.start();
      if (this.#readers.push(reader) > 20) this.#readers.shift();
    }
    return this.clock.advance(this.random() * (this.#scene.paceMs ?? 60));
  }

  change(): void {
    if (this.still) return;
    try {
      const secret = this.#scene.silent === true && this.random() < 0.5;
      let said = "";
      const happen = (): void => {
        said = change(this.share, this.random, this.#scene);
      };
      if (secret) this.share.secretly(happen);
      else happen();
      if (said !== "")
        this.log.push(`${this.clock.monotonic().toFixed()} ${said}${secret ? ", in secret" : ""}`);
    } catch {
      // Not every random change is possible.
    }
  }

  #broker(life: Life): Broker {
    const { bucket } = this;
    const mirror = new MemoryMirror(bucket);
    const stop = bucket.mirror.onBatch((batch) => {
      if (!life.over) mirror.tell(batch);
    });
    const publisher = {
      depth: { messages: 0, bytes: 0, inFlight: 0, lagMs: 0 },
      open: (options: WatchPublisherOptions) => this.#outlet(options, life),
      resume: () => undefined,
      close: async () => undefined,
    };
    const after = ({ path, recursive }: ReplayScope, since: Cursor): FeedMessage[] =>
      this.#stream
        .slice(Number(since))
        .filter(({ message: { body } }) => body.path === path || (recursive && isWithin(path, body.path)));
    return {
      watches: mortal(bucket, life),
      checkpoints: {
        get: async (name: string) => this.#objects.get(name),
        put: async (name: string, data: Uint8Array) => {
          if (!life.over) this.#objects.set(name, data);
        },
        delete: async (name: string) => {
          if (!life.over) this.#objects.delete(name);
        },
      },
      feed: {
        isSilent: async (scope: ReplayScope, since: Cursor) => after(scope, since).length === 0,
        replay: async function* (scope: ReplayScope, since: Cursor) {
          yield* after(scope, since);
        },
      },
      mirror: () =>
        Object.assign(mirror, {
          close: async () => stop(),
        }),
      publisher: () => publisher,
      link: {
        connected: true,
        subjects: new Subjects(),
        subscribe: () => ({ ready: Promise.resolve(), close: () => undefined }),
        onStatus: () => () => undefined,
      },
    } as unknown as Broker;
  }

  /** In order, each a little late. */
  #outlet({ epoch }: WatchPublisherOptions, life: Life): WatchPublisher {
    const stream = this.#stream;
    const waiting: { readonly event: WatchEvent; readonly told: number | undefined }[] = [];
    /** Those who wait for something to be stored. */
    let unstored: { readonly told: number; readonly done: (stored: boolean) => void }[] = [];
    let now: number | undefined;
    const settle = (): void => {
      const open = (told: number): boolean =>
        (busy && (now ?? 0) <= told) || waiting.some((each) => (each.told ?? 0) <= told);
      const [done, left] = [
        unstored.filter(({ told }) => !open(told)),
        unstored.filter(({ told }) => open(told)),
      ];
      unstored = left;
      for (const each of done) each.done(!lost);
    };
    let idle: (() => void)[] = [];
    let busy = false;
    let lost = false;
    let seq = 0;
    const advance = (): void => {
      const next = waiting.shift();
      busy = next !== undefined;
      now = next?.told;
      settle();
      if (next === undefined) {
        for (const resolve of idle.splice(0)) resolve();
        return;
      }
      this.clock.after(this.random() * (this.#scene.outboxMs ?? 5), () => {
        if (!lost && !life.over) this.#deliver(next.event, epoch, ++seq, next.told);
        advance();
      });
    };
    const put = (event: WatchEvent, told?: number): void => {
      if (lost) return;
      waiting.push({ event, told });
      if (!busy) advance();
    };
    const flush = async (): Promise<void> => {
      if (busy) await new Promise<void>((resolve) => idle.push(resolve));
    };
    return {
      epoch,
      get position() {
        return seq === 0 || busy || lost ? undefined : { seq, cursor: String(stream.length) };
      },
      mark: () => undefined,
      stored: (told) =>
        new Promise((done) => {
          unstored.push({ told, done });
          settle();
        }),
      changes: put,
      resync: put,
      state: put,
      flush,
      close: async ({ flushMs } = {}) => {
        if (flushMs !== undefined) await flush();
        else {
          lost ||= busy;
          waiting.length = 0;
        }
        idle = [];
        settle();
        return flushMs !== undefined;
      },
    };
  }

  #deliver(event: WatchEvent, epoch: string, seq: number, told: number | undefined): void {
    const head = { connection: TARGET.connection, epoch, seq, time: new Date(0).toISOString() };
    const message = { type: event.type, body: { ...event, ...head } } as unknown as EventMessage;
    this.#stream.push({ cursor: String(this.#stream.length + 1), subject: "smb.nas1", message });
    this.log.push(`${this.clock.monotonic().toFixed()} ${epoch} ${JSON.stringify(event)}`);
    if (event.type === "state") return;
    if (this.started) this.unlisting.hear({ ...event, epoch, told });
    const number = Number(epoch.slice(epoch.lastIndexOf("-") + 1));
    if (number < (this.#newest.get(event.path) ?? 0)) return;
    this.#newest.set(event.path, number);
    if (!this.started) return;
    if (event.type === "resync") this.resyncs[event.reason] = (this.resyncs[event.reason] ?? 0) + 1;
    for (const mirror of [this.mirror, ...this.#readers]) mirror.apply(event);
  }
}

interface Life {
  over: boolean;
}

/** Fails when its user is no more. */
function mortal(bucket: MemoryBucket, life: Life): MemoryBucket {
  return new Proxy(bucket, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        if (life.over) throw new BrokerError("BROKER_TIMEOUT", "killed");
        return value.apply(target, given);
      };
    },
  });
}

/** Hears what it hears, and gets no answer. */
function silenced(share: FakeShare): FakeShare {
  return new Proxy(share, {
    get: (target, key) => {
      if (key === "roundTrip") return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function change(share: FakeShare, random: () => number, { recursive }: Scene): string {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const directories = [...share.paths()]
    .filter(([path, { type }]) => type === "directory" && (recursive ? path.startsWith("/d") : path === "/d"))
    .map(([path]) => path)
    .filter((path) => path.split("/").length < 5);
  const path = joinPath(pick(directories), pick(NAMES));
  const dice = random();
  if (dice < 0.35) {
    if (share.isDirectory(path)) return "";
    share.write(path);
    return `write ${path}`;
  }
  if (dice < (recursive ? 0.55 : 0.35)) {
    share.mkdir(path);
    return `mkdir ${path}`;
  }
  if (dice < 0.75) {
    share.remove(path);
    return `remove ${path}`;
  }
  const target = joinPath(pick(directories), pick(NAMES));
  if (target === path || target.startsWith(`${path}/`) || path.startsWith(`${target}/`)) return "";
  share.rename(path, target);
  return `rename ${path} ${target}`;
}
