import type { FuzzTarget } from "./fuzz-targets.ts";

export interface FuzzOptions {
  readonly targets: readonly FuzzTarget[];
  /** Mutated inputs in all; each goes to one target. */
  readonly frames: number;
  /** Same seed, same targets: same inputs. */
  readonly seed: number;
  /** Called every 100,000 frames. */
  readonly onProgress?: (done: number) => void;
}

export interface FuzzReport {
  readonly frames: number;
  /** Inputs that were read to the end, in spite of their mutation. */
  readonly read: number;
  /** Inputs that were refused by the target's own error. */
  readonly refused: number;
  readonly elapsedMs: number;
  /** Slowest single input. */
  readonly slowestMs: number;
  readonly slowestTarget: string;
  /** Most memory in use beyond that at the start, in bytes, looked at every 10,000 frames. */
  readonly grownBytes: number;
}

/** An input that a target should have read or refused, and what happened instead. */
export class FuzzFinding extends Error {
  readonly target: string;
  readonly input: Uint8Array;

  constructor(target: string, input: Uint8Array, problem: string, cause?: unknown) {
    super(`${target}: ${problem}\ninput (${input.length} bytes): ${Buffer.from(input).toString("hex")}`, {
      cause,
    });
    this.name = "FuzzFinding";
    this.target = target;
    this.input = input;
  }
}

const SLOWEST_MS = 250;
const MOST_GROWN_BYTES = 512 << 20;
const MEMORY_EVERY = 10_000;
const PROGRESS_EVERY = 100_000;
/** As long as the largest buffer that we ask servers for. */
const LONGEST_INPUT = 65_536;

/** @throws FuzzFinding at the first input that is neither read nor refused as it should be */
export function fuzz({ targets, frames, seed, onProgress }: FuzzOptions): FuzzReport {
  const random = new Random(seed);
  const everySeed = targets.flatMap((target) => target.seeds);
  const memoryBefore = memoryInUse();
  const started = performance.now();
  let read = 0;
  let slowestMs = 0;
  let slowestTarget = "";
  let grownBytes = 0;
  for (let done = 1; done <= frames; done++) {
    const target = random.pick(targets);
    const input = mutate(random, target.seeds, everySeed);
    const { refused, ms } = judge(target, input);
    if (!refused) read++;
    if (ms > slowestMs) {
      slowestMs = ms;
      slowestTarget = target.name;
    }
    if (done % MEMORY_EVERY === 0) {
      grownBytes = Math.max(grownBytes, memoryInUse() - memoryBefore);
      if (grownBytes > MOST_GROWN_BYTES)
        throw new FuzzFinding(target.name, input, `${grownBytes} bytes of memory`);
    }
    if (done % PROGRESS_EVERY === 0) onProgress?.(done);
  }
  const elapsedMs = performance.now() - started;
  return { frames, read, refused: frames - read, elapsedMs, slowestMs, slowestTarget, grownBytes };
}

/** @throws FuzzFinding */
function judge(target: FuzzTarget, input: Uint8Array): { refused: boolean; ms: number } {
  let { error, ms } = attempt(target, input);
  // The machine may pause where the decoder does not: what counts is an input that is slow every time.
  for (let again = 0; again < 2 && ms > SLOWEST_MS; again++) ({ error, ms } = attempt(target, input));
  if (ms > SLOWEST_MS) throw new FuzzFinding(target.name, input, `took ${ms.toFixed(0)} ms`);
  if (error === undefined) return { refused: false, ms };
  if (error instanceof target.allowed) return { refused: true, ms };
  throw new FuzzFinding(target.name, input, String(error), error);
}

function attempt(target: FuzzTarget, input: Uint8Array): { error: unknown; ms: number } {
  const from = performance.now();
  let error: unknown;
  try {
    target.run(input);
  } catch (thrown) {
    error = thrown ?? new Error("threw nothing at all");
  }
  return { error, ms: performance.now() - from };
}

function memoryInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

// Mutation ------------------------------------------------------------------------------------------------

/** Values at which lengths, offsets and counts turn wrong. */
const INTERESTING = [
  0, 1, 2, 3, 4, 7, 8, 9, 12, 16, 63, 64, 65, 72, 127, 128, 255, 256, 0x7fff, 0x8000, 0xfffe, 0xffff,
];

function mutate(random: Random, own: readonly Uint8Array[], every: readonly Uint8Array[]): Uint8Array {
  const kind = random.below(100);
  if (kind < 3) return random.bytes(random.below(200));
  let input: Uint8Array = Uint8Array.from(kind < 13 ? random.pick(every) : random.pick(own));
  for (let count = 1 + random.below(5); count > 0; count--) input = change(random, input, every);
  return input.length > LONGEST_INPUT ? input.subarray(0, LONGEST_INPUT) : input;
}

function change(random: Random, input: Uint8Array, every: readonly Uint8Array[]): Uint8Array {
  const at = random.below(input.length + 1);
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  const left = input.length - at;
  switch (random.below(12)) {
    case 0: // cut short
      return input.slice(0, at);
    case 1: // take out
      return join(input.subarray(0, at), input.subarray(Math.min(input.length, at + 1 + random.below(16))));
    case 2: // put in
      return join(input.subarray(0, at), random.bytes(1 + random.below(16)), input.subarray(at));
    case 3: // say twice
      return join(input.subarray(0, at), input.subarray(at, at + random.below(64)), input.subarray(at));
    case 4: // go on as another
      return join(input.subarray(0, at), random.pick(every).subarray(random.below(64)));
    case 5: // go on for long, seldom
      return random.below(200) === 0 ? stretch(input, at) : flip(random, input, at);
    case 6:
    case 7:
      if (left >= 4) view.setUint32(at, random.pick(INTERESTING), true);
      return input;
    case 8:
      if (left >= 4) view.setUint32(at, random.below(0x1_0000_0000), true);
      return input;
    case 9:
      if (left >= 2) view.setUint16(at, random.pick(INTERESTING), true);
      return input;
    case 10:
      if (left >= 1) view.setUint8(at, random.below(256));
      return input;
    default:
      return flip(random, input, at);
  }
}

function flip(random: Random, input: Uint8Array, at: number): Uint8Array {
  if (at < input.length) input[at] = (input[at] ?? 0) ^ (1 << random.below(8));
  return input;
}

/** Repeats the bytes from `at` on until the input is as long as it may be. */
function stretch(input: Uint8Array, at: number): Uint8Array {
  if (at === input.length) return input;
  const long = new Uint8Array(LONGEST_INPUT);
  long.set(input);
  for (let i = input.length; i < long.length; i++) long[i] = long[at + ((i - at) % (input.length - at))] ?? 0;
  return long;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** mulberry32: 32 bits of state, more than enough to vary inputs, and the same everywhere. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 up to and without `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * end);
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new RangeError("nothing to pick from");
    return picked;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
