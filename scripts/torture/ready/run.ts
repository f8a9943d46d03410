import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Scope } from "../../../src/base/scope.ts";
import { readies } from "../../../src/watch/facts.ts";
import type { CoverPolicy } from "../../../src/watch/interest.ts";
import { startSamba } from "../../lab/samba.ts";
import { startTcpProxy } from "../../lab/tcp-proxy.ts";
import { Chance } from "../chance.ts";
import { Engine } from "./engine.ts";
import { type Arena, injectReady, type ReadyFault } from "./faults.ts";
import { Judge } from "./judge.ts";
import { PATTERNS, type Pattern, plan } from "./plans.ts";
import { writersOf } from "./writers.ts";

export interface ReadyTortureOptions {
  readonly seed: number;
  readonly files: number;
  /** No file is begun later. */
  readonly seconds: number;
  readonly faults: readonly ReadyFault[];
  readonly cover: CoverPolicy;
  readonly onProgress?: (text: string) => void;
}

export interface ReadyTortureReport {
  readonly seed: number;
  readonly cover: CoverPolicy;
  readonly quietMs: number;
  readonly files: number;
  readonly seconds: number;
  readonly patterns: Readonly<Record<Pattern, number>>;
  readonly writers: Readonly<Record<string, number>>;
  /** Writers that are not here, and why. */
  readonly absent: readonly string[];
  readonly faults: Readonly<Partial<Record<ReadyFault, number>>>;
  /** Writers that gave up, and why: their server or their pipe was too slow for them. */
  readonly failed: readonly string[];
  readonly told: number;
  /** Questions by what the server said. */
  readonly probes: Readonly<Record<string, number>>;
  /** From the last closing to the news, ms. */
  readonly delayMs: { readonly median: number; readonly p90: number; readonly longest: number };
  /** What is known of the file that was told last after its closing. */
  readonly slowest: string;
  readonly wrong: readonly string[];
}

const QUIET_MS = 500;
const AT_ONCE = 40;
const FOLDERS = 4;
/** Files that stay open are asked about after up to 30 s; then nothing more can come. */
const PATIENCE_MS = 45_000;
const REPORTED = 20;
/** Between two faults: long enough for the engine to be live, and to ask about files that are open. */
const FAULT_MS = { least: 1_000, most: 10_000 };
/** Of all writers. */
const MOST_FAILED = 0.02;

/** Writers and faults beside a watch with `ready`: each file must be told once, when nobody has it open, as it is. */
export async function tortureReady(options: ReadyTortureOptions): Promise<ReadyTortureReport> {
  await using scope = new Scope();
  const chance = new Chance(options.seed);
  // @marsaud/smb2 can do no better than NTLMv1.
  const samba = await startSamba({ global: { "ntlm auth": "ntlmv1-permitted" } });
  scope.defer(() => samba.stop());
  const proxy = await startTcpProxy({ port: samba.port });
  scope.defer(() => proxy.close());
  for (let folder = 0; folder < FOLDERS; folder++)
    mkdirSync(join(samba.path(), "in", `d${folder}`), { recursive: true });
  const { writers, absent } = writersOf(samba);
  for (const writer of writers) scope.use(writer);
  const judge = new Judge(samba.path());
  const ready = { quietMs: QUIET_MS };
  const engine = new Engine({
    samba,
    port: proxy.port,
    ready,
    cover: options.cover,
    tell: (told) => judge.tell(told),
  });
  scope.defer(async () => {
    await engine.stop();
  });
  const probes: Record<string, number> = {};
  scope.defer(
    readies.subscribe(({ outcome }) => {
      if (outcome !== undefined) probes[outcome] = (probes[outcome] ?? 0) + 1;
    }),
  );
  await engine.start();

  const context = { chance, quietMs: QUIET_MS, judge };
  const patterns: Record<string, number> = Object.fromEntries(PATTERNS.map((pattern) => [pattern, 0]));
  const used: Record<string, number> = Object.fromEntries(writers.map(({ name }) => [name, 0]));
  const wrong: string[] = [];
  const failed: string[] = [];
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1_000;
  let begun = 0;
  let ended = 0;
  const lane = async (): Promise<void> => {
    while (begun < options.files && seconds() < options.seconds) {
      const serial = begun++;
      const [pattern, writer] = [chance.pick(PATTERNS), chance.pick(writers)];
      const base = `in/d${chance.between(0, FOLDERS - 1)}/${pattern}-${serial}`;
      patterns[pattern] = (patterns[pattern] ?? 0) + 1;
      used[writer.name] = (used[writer.name] ?? 0) + 1;
      const file = plan(base, pattern, writer, context);
      await file.run().catch((error: unknown) => {
        judge.giveUp(base);
        // A writer that is refused is what must never be; one for which the machine is too slow is another matter.
        (isRefusal(String(error)) ? wrong : failed).push(`${base}: ${String(error)}`);
      });
      if (++ended % 200 === 0)
        options.onProgress?.(`${ended} files, ${judge.count} told, ${seconds().toFixed(0)} s`);
    }
  };
  const over = new AbortController();
  // Of its own seed: how many faults there is time for must not change what is written.
  const arena: Arena = { samba, proxy, engine, chance: new Chance(options.seed + 1) };
  const faulting = injectUntil(over.signal, arena, options.faults);
  faulting.catch(() => undefined);
  await Promise.all(Array.from({ length: AT_ONCE }, lane)).finally(() => over.abort());
  const faults = await faulting;
  await settled(judge);
  const forgotten = judge.forgotten();
  // Whatever came twice would come now.
  await delay(3 * QUIET_MS);
  wrong.push(...forgotten, ...judge.untrue());
  if (failed.length > begun * MOST_FAILED) wrong.push(`${failed.length} writers failed: too many to judge`);
  const delays = judge.delays();
  const [longest] = delays;
  const at = (q: number): number => delays[Math.floor((1 - q) * (delays.length - 1))]?.ms ?? Number.NaN;
  return {
    seed: options.seed,
    cover: options.cover,
    quietMs: QUIET_MS,
    files: begun,
    seconds: seconds(),
    patterns: patterns as Record<Pattern, number>,
    writers: used,
    absent,
    faults,
    failed,
    told: judge.count,
    probes,
    delayMs: { median: at(0.5), p90: at(0.9), longest: longest?.ms ?? Number.NaN },
    slowest: longest === undefined ? "" : `${longest.path}: ${judge.history(longest.path)}`,
    wrong: wrong.flatMap((what, index) =>
      index < REPORTED ? [what, judge.history(what.slice(0, what.indexOf(": ")))] : [what],
    ),
  };
}

/** What a server says to a writer, but that it, or he, was too slow. Exported for its test. */
export function isRefusal(error: string): boolean {
  // As Python says it.
  if (/NtStatus 0x/.test(error)) return true;
  const refusals = error.match(/(?:NT_)?STATUS_[A-Z_]+/g) ?? [];
  return refusals.some((status) => !/IO_TIMEOUT|CONNECTION_|PENDING/.test(status));
}

async function injectUntil(
  signal: AbortSignal,
  arena: Arena,
  from: readonly ReadyFault[],
): Promise<Partial<Record<ReadyFault, number>>> {
  const counts: Partial<Record<ReadyFault, number>> = {};
  while (!signal.aborted && from.length > 0) {
    await delay(arena.chance.between(FAULT_MS.least, FAULT_MS.most), undefined, { signal }).catch(
      () => undefined,
    );
    if (signal.aborted) break;
    const fault = arena.chance.pick(from);
    await injectReady(fault, arena);
    counts[fault] = (counts[fault] ?? 0) + 1;
  }
  return counts;
}

/** Until nothing is missing any more, or nothing has been told for so long that nothing will come. */
async function settled(judge: Judge): Promise<void> {
  const began = Date.now();
  while (judge.forgotten().length > 0 && Date.now() - Math.max(began, judge.toldAt) < PATIENCE_MS)
    await delay(200);
}
