import { sleep } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import type { ObjectBucket } from "../broker/port.ts";
import { Breather, Gate } from "../watch/pacing.ts";
import { type Checkpoint, encodeRecord } from "./checkpoint-record.ts";
import { checkpointFacts } from "./facts.ts";
import { objectName } from "./inheritance.ts";
import type { LocalWatch } from "./local-watch.ts";

export interface ArchivistOptions {
  readonly objects: ObjectBucket;
  readonly clock: Clock;
  /** From the first change that is not saved to saving it, ms. Default 30,000. */
  readonly afterMs?: number;
  /** What is saved is saved again after this time, since the stream forgets, ms. Default 7,200,000. */
  readonly againMs?: number;
  /** Bytes per second, over all watches. Default 8 MiB. */
  readonly bytesPerSecond?: number;
  readonly random?: () => number;
}

const MIB = 1_048_576;
const ENTRIES_PER_TURN = 1_000;
/** Looks for a moment at which nothing is on its way. A watch that never rests keeps its older checkpoint. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 100;
const PUT_MS = 10_000;
/** Between two saves, however small: saving is in nobody's way. */
const REST_MS = 2;
/**
 * Small pictures are sent together, up to so many, or about so many bytes: most of what one costs is the kernel's work for
 * each of its four or five messages by themselves.
 */
const TOGETHER = 16;
const TOGETHER_BYTES = 262_144;
const LEAVING_AT_ONCE = 32;
const NEVER = new AbortController().signal;

/** A picture about to be sent. */
interface Packed {
  readonly watch: LocalWatch;
  readonly bytes: Uint8Array;
  /** Monotonic ms. */
  readonly started: number;
}

/**
 * Saves pictures of the watches run here, few at a time, some time after something was told. A watch of which nothing is
 * told costs one save in hours.
 */
export class Archivist {
  readonly #options: ArchivistOptions;
  readonly #clock: Clock;
  readonly #breather: Breather;
  /** A worker that leaves has everything to save at once. */
  readonly #gate = new Gate(LEAVING_AT_ONCE);
  readonly #stop = new AbortController();
  readonly #afterMs: number;
  readonly #againMs: number;
  /** In the order they fall due. Monotonic ms. */
  readonly #told = new Map<LocalWatch, number>();
  readonly #saved = new Map<LocalWatch, number>();
  readonly #loop: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(options: ArchivistOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#breather = new Breather(options.clock, ENTRIES_PER_TURN);
    // Workers that started together need not save together.
    const spread = 0.75 + (options.random ?? Math.random)() / 2;
    this.#afterMs = (options.afterMs ?? 30_000) * spread;
    this.#againMs = (options.againMs ?? 7_200_000) * spread;
    this.#loop = this.#run();
  }

  /** Something was told. */
  told(watch: LocalWatch): void {
    if (this.#told.has(watch) || this.#stop.signal.aborted) return;
    this.#saved.delete(watch);
    this.#told.set(watch, this.#clock.monotonic() + this.#afterMs);
    if (this.#told.size === 1) this.#wake();
  }

  /** It is not run here any more. */
  forget(watch: LocalWatch): void {
    this.#told.delete(watch);
    this.#saved.delete(watch);
  }

  /** Stores the last word of a watch that ends here, for whoever goes on. Never rejects. */
  async bequeath(watch: LocalWatch, last: Checkpoint | undefined): Promise<void> {
    const saved = this.#saved.has(watch);
    this.forget(watch);
    if (last === undefined || saved) return;
    const leave = await this.#gate.enter(NEVER);
    try {
      await this.#store(watch, last);
    } finally {
      leave();
    }
  }

  /** Nobody asks for this directory any more. Never rejects. */
  async discard(watch: LocalWatch): Promise<void> {
    this.forget(watch);
    const { connection, path } = watch.target;
    await this.#options.objects.delete(objectName(watch.target, watch.runtime)).catch((error: unknown) => {
      checkpointFacts.publish({ type: "failed", connection, path, code: errorCode(error) });
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const perMs = (this.#options.bytesPerSecond ?? 8 * MIB) / 1_000;
    while (!signal.aborted) {
      const [watch, due] = this.#next();
      const wait = due - this.#clock.monotonic();
      if (watch === undefined || wait > 0) await this.#pause(wait);
      else {
        const bytes = await this.#saveDue().catch(() => 0);
        await sleep(REST_MS + bytes / perMs, { signal, clock: this.#clock }).catch(() => undefined);
      }
    }
  }

  #next(): readonly [LocalWatch | undefined, number] {
    const [told] = this.#told;
    const [saved] = this.#saved;
    if (told !== undefined && saved !== undefined) return told[1] <= saved[1] ? told : saved;
    return told ?? saved ?? [undefined, Number.POSITIVE_INFINITY];
  }

  /** Until something falls due. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const until = AbortSignal.any([signal, woken.signal]);
    const longest = Math.min(ms, 3_600_000);
    await sleep(longest, { signal: until, clock: this.#clock }).catch(() => undefined);
    this.#wake = () => undefined;
  }

  /** What has fallen due, as much as is sent together. Returns the bytes it took. */
  async #saveDue(): Promise<number> {
    const packed: Packed[] = [];
    let bytes = 0;
    while (packed.length < TOGETHER && bytes < TOGETHER_BYTES) {
      const [watch, due] = this.#next();
      if (watch === undefined || due > this.#clock.monotonic()) break;
      const one = await this.#packWhenQuiet(watch);
      if (one !== undefined) packed.push(one);
      bytes += one?.bytes.length ?? 0;
    }
    // What has ended meanwhile leaves a later word of its own.
    await Promise.all(packed.map((one) => (one.watch.closed ? undefined : this.#send(one))));
    return bytes;
  }

  async #packWhenQuiet(watch: LocalWatch): Promise<Packed | undefined> {
    const { signal } = this.#stop;
    this.forget(watch);
    for (let look = 0; look < LOOKS && !signal.aborted; look++) {
      if (look > 0) await sleep(LOOK_AGAIN_MS, { signal, clock: this.#clock });
      await watch.stored(signal);
      const checkpoint = watch.checkpoint();
      if (checkpoint !== undefined) return this.#pack(watch, checkpoint);
      if (!watch.publishing) return undefined;
    }
    const { connection, path } = watch.target;
    checkpointFacts.publish({ type: "busy", connection, path });
    this.told(watch);
    return undefined;
  }

  async #store(watch: LocalWatch, checkpoint: Checkpoint): Promise<void> {
    const packed = await this.#pack(watch, checkpoint);
    if (packed !== undefined) await this.#send(packed);
  }

  /** Never rejects. */
  async #pack(watch: LocalWatch, checkpoint: Checkpoint): Promise<Packed | undefined> {
    const started = this.#clock.monotonic();
    const bytes = await this.#within((signal) => this.#breather.run(encodeRecord(checkpoint), signal), watch);
    return bytes === undefined ? undefined : { watch, bytes, started };
  }

  /** Never rejects. */
  async #send({ watch, bytes, started }: Packed): Promise<void> {
    const { connection, path } = watch.target;
    const name = objectName(watch.target, watch.runtime);
    await this.#within(async (signal) => {
      await this.#options.objects.put(name, bytes, { signal });
      const seconds = (this.#clock.monotonic() - started) / 1_000;
      checkpointFacts.publish({ type: "saved", connection, path, bytes: bytes.length, seconds });
      if (!watch.closed && !this.#told.has(watch)) this.#keep(watch);
    }, watch);
  }

  /** What fails, or takes too long, is told, and tried again. */
  async #within<T>(work: (signal: AbortSignal) => Promise<T>, watch: LocalWatch): Promise<T | undefined> {
    const deadline = new AbortController();
    const cancel = this.#clock.after(PUT_MS, () => deadline.abort());
    try {
      return await work(deadline.signal);
    } catch (error) {
      const { connection, path } = watch.target;
      checkpointFacts.publish({ type: "failed", connection, path, code: errorCode(error) });
      if (!watch.closed) this.told(watch);
      return undefined;
    } finally {
      cancel();
    }
  }

  #keep(watch: LocalWatch): void {
    this.#saved.delete(watch);
    this.#saved.set(watch, this.#clock.monotonic() + this.#againMs);
  }
}
