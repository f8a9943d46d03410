import { sleep } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import type { EventPublisher, KvBucket } from "../broker/port.ts";
import type { WatchKey } from "../fleet/identity.ts";
import type { WatchTarget } from "../fleet/port.ts";
import type { ClaimEntry, FleetView } from "../fleet/view.ts";
import type { Archivist } from "./archivist.ts";
import type { ClaimWriter } from "./claim-writer.ts";
import type { Action } from "./decide.ts";
import { claimFacts } from "./facts.ts";
import type { Inheritance, Inherited } from "./inheritance.ts";
import { LocalWatch } from "./local-watch.ts";
import type { ConnectionRuntime } from "./runtime.ts";
import { StartGate } from "./start-gate.ts";
import { type FleetTargets, hasSuccessor, resyncTargets } from "./targets.ts";

export interface WatchActionsOptions {
  readonly view: FleetView;
  readonly bucket: KvBucket;
  readonly publisher: EventPublisher;
  readonly writer: ClaimWriter;
  readonly lease: () => string | undefined;
  readonly connection: (name: string) => ConnectionRuntime | undefined;
  readonly targets: () => FleetTargets | undefined;
  /** Watches run here; actions add and remove. */
  readonly local: Map<WatchKey, LocalWatch>;
  /** A watch may be able to take another step. */
  readonly onReady: (key: WatchKey) => void;
  readonly signal: AbortSignal;
  /** Absent: no pictures are saved, and none is looked for. */
  readonly archivist?: Archivist | undefined;
  readonly inheritance?: Inheritance | undefined;
  /** This worker ends: that nobody asks for a watch just now does not mean that nobody will. */
  readonly leaving: () => boolean;
  readonly clock: Clock;
  readonly claimJitterMs?: number;
  readonly maxStarting?: number;
  readonly flushMs?: number;
  readonly random?: () => number;
}

/** What an action is about, as it was when it was decided. */
export interface Step {
  readonly me: string;
  readonly target: WatchTarget;
  readonly entry: ClaimEntry | undefined;
  readonly local: LocalWatch | undefined;
}

/** Longer than a second look at a new watch takes to come (`settleScanMs`), where nothing else is in its way. */
const SURE_MS = 5_000;

/** Carries out what `decide` has decided, one action per watch at a time. */
export class WatchActions {
  readonly #options: WatchActionsOptions;
  readonly #gate: StartGate;

  constructor(options: WatchActionsOptions) {
    this.#options = options;
    this.#gate = new StartGate(options.maxStarting ?? 1_000);
  }

  /** Returns whether something has moved; `undefined` when it waits for its turn. */
  async perform(
    key: WatchKey,
    action: Action,
    { me, target, entry, local }: Step,
  ): Promise<boolean | undefined> {
    const writer = this.#options.writer;
    switch (action) {
      case "start":
        return entry?.record.lease === me ? this.#inherit(key, target) : this.#start(key, target);
      case "drop":
        this.remove(key);
        await local?.close();
        return true;
      case "hush":
        local?.hush();
        return true;
      case "claim": {
        if (local === undefined && !this.#gate.enter(key)) return undefined;
        await this.#pause(this.#random() * (this.#options.claimJitterMs ?? 50));
        // Whatever it was to go on from, another owner has spoken since.
        local?.hush();
        if (!(await writer.take(target, me, entry))) return this.giveUp(key);
        const how = entry === undefined ? "new" : "takeover";
        claimFacts.publish({ type: "claimed", connection: target.connection, path: target.path, how });
        if (local === undefined) await this.#inherit(key, target);
        return true;
      }
      case "intend":
        if (entry === undefined) return false;
        local?.hush();
        if (local === undefined && !this.#gate.enter(key)) return undefined;
        await this.#pause(this.#random() * (this.#options.claimJitterMs ?? 50));
        if (!(await writer.intend(entry, me, false))) return this.giveUp(key);
        if (local === undefined) this.#start(key, target);
        return true;
      case "ready":
        return entry !== undefined && local !== undefined && this.#promise(entry, me, local);
      case "announce-warm": {
        const mode = local?.state.mode ?? "notify";
        return entry !== undefined && writer.announce(entry, { state: "warm", mode });
      }
      case "publish":
        return entry !== undefined && local !== undefined && this.#publish(entry, local);
      case "announce":
        if (entry === undefined || local === undefined) return false;
        await local.stored(this.#options.signal);
        return writer.announce(entry, local.state);
      case "keep":
        return entry !== undefined && writer.keep(entry);
      case "transfer":
      case "release":
        return entry !== undefined && this.#letGo(key, entry, local, action);
      case "none":
        return false;
    }
  }

  /** As `#start`, from where a former owner stopped. */
  async #inherit(key: WatchKey, target: WatchTarget): Promise<boolean> {
    const { inheritance, connection, signal } = this.#options;
    const runtime = connection(target.connection);
    const inherited = runtime && (await inheritance?.of(target, runtime, signal));
    return this.#start(key, target, connection(target.connection) === runtime ? inherited : undefined);
  }

  #start(key: WatchKey, target: WatchTarget, inherited?: Inherited): boolean {
    const { connection, path, recursive } = target;
    const runtime = this.#options.connection(connection);
    if (runtime === undefined || this.#options.signal.aborted || this.#options.local.has(key)) return false;
    const { view, publisher, archivist } = this.#options;
    // Where others watch already it may be live, and say so, while it is being made.
    let made: LocalWatch | undefined;
    const served = (): void => {
      if (made !== undefined && made.state.state !== "starting") this.#leaveGate(key);
    };
    const local: LocalWatch = new LocalWatch({
      key,
      target: { connection, path, recursive },
      runtime,
      publisher,
      clock: this.#options.clock,
      inherited,
      onTold: () => archivist?.told(local),
      resyncTargets: (event) =>
        resyncTargets(this.#options.targets()?.plan.get(key), event, view.caseSensitive),
      onChange: () => {
        served();
        this.#options.onReady(key);
      },
    });
    made = local;
    this.#options.local.set(key, local);
    served();
    return true;
  }

  /**
   * Tells the owner that he may let go. What we are in doubt about he hears himself, so it is waited for while he does:
   * what a second look of ours would say after he let go, nobody need list for.
   */
  async #promise(entry: ClaimEntry, me: string, local: LocalWatch): Promise<boolean> {
    const { view, writer } = this.#options;
    await this.#untilSure(local, () => view.leases.has(entry.record.lease));
    if (local.closed || !(await writer.intend(entry, me, true))) return false;
    local.bridge();
    return true;
  }

  async #publish(entry: ClaimEntry, local: LocalWatch): Promise<boolean> {
    const fresh = await this.#options.writer.unusedRevision(entry);
    if (fresh === undefined || this.#options.lease() !== entry.record.lease) return false;
    const epoch = `${this.#options.bucket.nonce}-${fresh.revision}`;
    const clean = fresh.record.clean === true;
    const bequest = await this.#bequest(local);
    if (this.#options.lease() !== entry.record.lease) return false;
    // What he found by looking, and what we listened to in vain, nobody knows who cannot read what he left.
    const joined = clean && (bequest !== undefined || !looks(local) || local.inherits);
    // Before anybody can ask us what has been told.
    if (joined && bequest !== undefined) local.recall(bequest);
    await local.open(epoch, joined ? undefined : "takeover", this.#options.signal, bequest?.ready);
    return this.#options.writer.announce(fresh, local.state);
  }

  /** What the former owner of a watch has left for us; what was inherited whole is known already. */
  async #bequest(local: LocalWatch): Promise<Inherited | undefined> {
    const { inheritance, signal } = this.#options;
    const wanted = local.waitsForReady || looks(local);
    if (inheritance === undefined || !wanted || local.inherits) return undefined;
    return inheritance.of(local.target, local.runtime, signal);
  }

  async #letGo(
    key: WatchKey,
    entry: ClaimEntry,
    local: LocalWatch | undefined,
    how: "transfer" | "release",
  ): Promise<boolean> {
    const { connection, path } = entry.record;
    const targets = this.#options.targets();
    const successor = how === "transfer" || (targets !== undefined && hasSuccessor(entry.record, targets));
    let heard = true;
    if (successor && local?.publishing === true) {
      local.recheck();
      await this.#untilSure(local);
      // What our watch still holds back was told to us before the successor was armed.
      await this.#pause(local.runtime.quietMs ?? 250);
      // In doubt it is not clean whatever the server says, and a dead one takes its time.
      heard = local.sure && (await local.heardAll(this.#options.signal));
    }
    const { clean, last } = (await local?.letGo(this.#options.flushMs ?? 10_000)) ?? { clean: false };
    const { view, writer, archivist, leaving } = this.#options;
    const over = how === "release" && !leaving() && targets?.plan.has(key) !== true;
    // Whoever goes on has listed by himself. Of files that are waited for a listing says nothing, nor of what came and
    // went between two.
    const bequeathed = how === "release" ? !over : local?.waitsForReady === true || looks(local);
    if (local !== undefined && bequeathed) await archivist?.bequeath(local, last);
    this.remove(key);
    const latest = view.claim(key) ?? entry;
    // Whoever was ready when we decided must still be the one, or nobody was listening when we stopped.
    const joined = clean && heard && latest.revision === entry.revision;
    const done = how === "transfer" ? await writer.transfer(latest, joined) : await writer.release(latest);
    if (!done) return false;
    const told = how === "transfer" ? "handover" : "release";
    claimFacts.publish({ type: "let-go", connection, path, how: told, clean: clean && heard });
    if (local !== undefined && over) await archivist?.discard(local);
    return true;
  }

  /** What is in doubt is better settled by who knows what was told: the successor could only ask for a listing. */
  async #untilSure(local: LocalWatch, useful: () => boolean = () => true): Promise<void> {
    const { clock, signal } = this.#options;
    const until = clock.monotonic() + SURE_MS;
    const worthwhile = (): boolean =>
      local.state.state === "live" && local.state.mode === "notify" && !local.closed && useful();
    while (!local.sure && worthwhile() && !signal.aborted && clock.monotonic() < until) await this.#pause(50);
  }

  /** Ends early when the controller stops. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, { signal: this.#options.signal, clock: this.#options.clock }).catch(() => undefined);
  }

  remove(key: WatchKey): void {
    const local = this.#options.local.get(key);
    if (local !== undefined) this.#options.archivist?.forget(local);
    this.#options.local.delete(key);
    this.#leaveGate(key);
  }

  /** The action came to nothing. */
  giveUp(key: WatchKey): false {
    if (!this.#options.local.has(key)) this.#leaveGate(key);
    return false;
  }

  #leaveGate(key: WatchKey): void {
    for (const next of this.#gate.leave(key)) this.#options.onReady(next);
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}

/** Whether changes may be found by looking only: what one owner has found so, another need never have heard of. */
function looks(local: LocalWatch | undefined): boolean {
  return local?.state.late !== undefined;
}
