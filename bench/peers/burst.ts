import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { makeOnServer } from "../burst.ts";
import { type Row, rounded, type Section } from "../stats.ts";
import type { Contestant } from "./contestants.ts";
import { type Peer, PeerError } from "./peer.ts";
import type { Stage } from "./stage.ts";

const ARM_MS = 60_000;
const SETTLED_MS = 3_000;
/** Nothing new for this long after the last create: nothing will come any more. */
const SILENCE_MS = 4_000;
/** Comparing takes its time. */
const COMPARING_MS = 15_000;
const LIMIT_MS = 40_000;

interface Burst {
  readonly names: number;
  readonly overflows: number;
  readonly compared: number;
  /** From the last create to the last that was heard of. */
  readonly lagMs: number;
  /** Creates a second. */
  readonly rate: number;
}

export function burstDirectories(rounds: number): string[] {
  return Array.from({ length: rounds }, (_, round) => `burst/nats-${round}`);
}

/** One directory, very many creates: how many of them each listener has heard of by name, and what it was told of the rest. */
export async function burst(
  stage: Stage,
  all: readonly Contestant[],
  { count, rounds }: { readonly count: number; readonly rounds: number },
): Promise<Section> {
  const results = new Map<Contestant, (Burst | string)[]>(all.map((each) => [each, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [contestant, bursts] of results) {
      try {
        bursts.push(await once(stage, contestant, `burst/${contestant.id}-${round}`, count));
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        bursts.push(error.message);
      }
    }
  }
  const rates = [...results.values()].flat().flatMap((each) => (typeof each === "string" ? [] : [each.rate]));
  return {
    title: "Beside the peers: a burst in one directory",
    method: `${count} files made on the server at ${rounded(Math.min(...rates), 0)} to ${rounded(Math.max(...rates), 0)}/s on tmpfs, ${rounds} rounds, the listeners in turn, each in a process and a directory of its own that has told a quarter of that before`,
    rows: [...results].map(([{ id, name }, bursts]) => describeBursts(name, id, bursts, count)),
  };
}

function compares(id: Contestant["id"]): boolean {
  return id === "library" || id === "nats";
}

export function describeBursts(
  name: string,
  id: Contestant["id"],
  bursts: readonly (Burst | string)[],
  count: number,
): Row {
  const each = (value: (burst: Burst) => number): string =>
    bursts.map((burst) => (typeof burst === "string" ? "-" : value(burst))).join(" / ");
  const told = compares(id)
    ? `${each(({ compared }) => compared)} of them by comparing, ${each(({ overflows }) => overflows)} resyncs`
    : `${each(({ overflows }) => overflows)} overflows, each an unknown loss`;
  const errors = bursts.filter((burst) => typeof burst === "string");
  return {
    name: `${name}: names heard`,
    value: each(({ names }) => names),
    unit: `of ${count}`,
    note: [`${told}; the last after ${each(({ lagMs }) => rounded(lagMs, 0))} ms`, ...errors].join("; "),
  };
}

async function once(stage: Stage, contestant: Contestant, directory: string, count: number): Promise<Burst> {
  stage.make(directory);
  const peer = stage.start(contestant);
  try {
    await peer.arm([directory], ARM_MS);
    await peer.hearing((serial) => stage.make(`${directory}/probe-${serial}`), ARM_MS);
    // What a process does for the first time it does slowly.
    const warm = Math.ceil(count / 4);
    await makeOnServer(stage.stack.samba, directory, warm, "warm");
    await delay(SETTLED_MS, undefined, { signal: stage.signal });
    await peer.clear("f");
    const ms = await makeOnServer(stage.stack.samba, directory, count, "f");
    const { lagMs, ...heard } = await quiet(peer, contestant.id, count, stage.signal);
    return { ...heard, lagMs, rate: (count / ms) * 1_000 };
  } finally {
    await stage.end(peer);
    rmSync(stage.path(directory), { recursive: true, force: true });
  }
}

/** Waits until all was heard of, or nothing comes any more. */
async function quiet(
  peer: Peer,
  id: Contestant["id"],
  count: number,
  signal: AbortSignal,
): Promise<Omit<Burst, "rate">> {
  const silence = compares(id) ? COMPARING_MS : SILENCE_MS;
  const made = performance.now();
  let lastAt = made;
  for (let before = -1; ; ) {
    const { names, overflows, compared } = await peer.count();
    const now = performance.now();
    if (names !== before) lastAt = now;
    before = names;
    if (names >= count || now - lastAt > silence || now - made > LIMIT_MS)
      return { names, overflows, compared, lagMs: lastAt - made };
    await delay(50, undefined, { signal });
  }
}
