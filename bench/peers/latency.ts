import { setTimeout as delay } from "node:timers/promises";
import { quantile, type Row, rounded, type Section } from "../stats.ts";
import type { Contestant } from "./contestants.ts";
import { type Peer, PeerError } from "./peer.ts";
import type { Stage } from "./stage.ts";

/** A change has company (the directory's own times change with it); by then all has been told. */
const ALONE_MS = 120;
const TOGETHER_MS = 300;
const ARM_MS = 60_000;
const SETTLED_MS = 3_000;
const TOGETHER = "latency/all";

/** Those that a worker watches for who subscribes to them. */
export const LATENCY_DIRECTORIES: readonly string[] = [TOGETHER, "latency/nats"];

function directoryOf({ id }: Contestant): string {
  return `latency/${id}`;
}

/** Of one listener, ms, each change that it heard of. */
export interface Latencies {
  readonly name: string;
  readonly id: Contestant["id"];
  readonly alone: readonly number[];
  readonly together: readonly number[];
}

/**
 * From a directory made on the server to each listener: in turn, each in a directory that it alone listens to, and then in
 * one that all listen to.
 */
export async function latency(
  stage: Stage,
  all: readonly Contestant[],
  rounds: number,
): Promise<{ readonly section: Section; readonly latencies: readonly Latencies[] }> {
  const listening: { readonly contestant: Contestant; readonly peer: Peer }[] = [];
  const failed: Row[] = [];
  for (const contestant of all) {
    const peer = stage.start(contestant);
    stage.make(directoryOf(contestant));
    try {
      for (const directory of [directoryOf(contestant), TOGETHER]) {
        await peer.arm([directory], ARM_MS);
        await peer.hearing((serial) => stage.make(`${directory}/probe-${contestant.id}-${serial}`), ARM_MS);
        await peer.clear("");
      }
      listening.push({ contestant, peer });
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      failed.push({ name: contestant.name, value: "-", unit: "", note: error.message });
      await stage.end(peer);
    }
  }
  // The second look that Samba needs after a watch has gone live is over by then.
  await delay(SETTLED_MS, undefined, { signal: stage.signal });

  const begun = new Map<string, number>();
  const change = async (directory: string, name: string, ms: number): Promise<void> => {
    begun.set(name, Number(process.hrtime.bigint()) / 1e6);
    stage.make(`${directory}/${name}`);
    await delay(ms, undefined, { signal: stage.signal });
  };
  for (let round = 0; round < rounds; round++)
    for (const { contestant } of listening)
      await change(directoryOf(contestant), `alone-${contestant.id}-${round}`, ALONE_MS);
  for (let round = 0; round < rounds; round++) await change(TOGETHER, `together-${round}`, TOGETHER_MS);
  await delay(1_000);

  const latencies: Latencies[] = [];
  for (const { contestant, peer } of listening) {
    const { name, id } = contestant;
    const heard = await peer.tell();
    await stage.end(peer);
    const series = (prefix: string): number[] =>
      [...begun].flatMap(([each, start]) => {
        const end = heard.get(each);
        return each.startsWith(prefix) && end !== undefined ? [end - start] : [];
      });
    latencies.push({ name, id, alone: series(`alone-${id}-`), together: series("together-") });
  }
  return {
    section: {
      title: "Beside the peers: from a change to a listener",
      method: `${rounds} directories made on the server for each listener in a directory that it alone listens to, the listeners in turn, ${ALONE_MS} ms apart; then ${rounds} in one that all listen to; each listener is a process of its own, from start to end of the run`,
      rows: [...describe(latencies, rounds), ...failed],
    },
    latencies,
  };
}

/** Medians and 99th percentiles, and how far each is above the bare loop's. */
export function describe(latencies: readonly Latencies[], rounds: number): Row[] {
  return (["alone", "together"] as const).flatMap((way) => {
    const floor = latencies.find(({ id }) => id === "bare")?.[way] ?? [];
    return latencies.map(({ name, id, ...series }): Row => {
      const values = series[way];
      const [p50, p99] = [quantile(values, 0.5), quantile(values, 0.99)];
      const above = [p50 - quantile(floor, 0.5), p99 - quantile(floor, 0.99)].map((each) => rounded(each));
      const note = id === "bare" ? "the floor" : `the floor + ${above.join(" / ")}`;
      const missed = values.length < rounds ? `; heard of ${values.length} of ${rounds}` : "";
      return {
        name: `${name}, ${way === "alone" ? "alone" : "all at once"}`,
        value: `${rounded(p50)} / ${rounded(p99)}`,
        unit: "ms p50 / p99",
        note: note + missed,
      };
    });
  });
}
