import { loadavg } from "node:os";
import type { Section } from "../stats.ts";
import { burst, burstDirectories } from "./burst.ts";
import { type Contestant, contestants } from "./contestants.ts";
import { type Costs, directories } from "./directories.ts";
import { LATENCY_DIRECTORIES, type Latencies, latency } from "./latency.ts";
import { listing } from "./listing.ts";
import { findPeers, type Peers } from "./programs.ts";
import { Stage } from "./stage.ts";

export const PEER_SECTIONS = ["latency", "burst", "directories", "listing"] as const;
export type PeerSection = (typeof PEER_SECTIONS)[number];

export interface PeersOptions {
  readonly only: readonly PeerSection[];
  readonly quick: boolean;
  readonly signal: AbortSignal;
  readonly onSection: (section: Section) => void;
}

export interface PeersReport {
  readonly sections: readonly Section[];
  readonly skipped: Peers["skipped"];
  /** Processes that wanted a processor, before and after (a minute's mean). */
  readonly load: readonly [before: number, after: number];
  readonly latencies: readonly Latencies[];
  readonly costs: readonly Costs[];
}

/** This project's ways to listen beside other SMB clients, all in one run. */
export async function peers({ only, quick, signal, onSection }: PeersOptions): Promise<PeersReport> {
  console.error("bench: installing the peers, where that is not done yet");
  const found = await findPeers(signal);
  const all = contestants(found);
  const which = (...ids: Contestant["id"][]): Contestant[] => all.filter(({ id }) => ids.includes(id));
  const listeners = all.filter(({ id }) => id !== "worker");
  const rounds = { latency: quick ? 15 : 100, burst: quick ? 1 : 2, listing: quick ? 1 : 3 };
  let latencies: readonly Latencies[] = [];
  let costs: readonly Costs[] = [];
  const measures: Record<PeerSection, (stage: Stage) => Promise<Section>> = {
    async latency(stage) {
      const measured = await latency(stage, listeners, rounds.latency);
      ({ latencies } = measured);
      return measured.section;
    },
    burst: (stage) => burst(stage, listeners, { count: quick ? 2_000 : 20_000, rounds: rounds.burst }),
    async directories(stage) {
      // smbclient watches one directory a process, and does not say when.
      const many = which("bare", "library", "worker", "rust", "python-own", "python-shared");
      const measured = await directories(
        stage,
        many,
        quick ? [1, 20, 100] : [1, 50, 200, 1_000],
        quick ? 2 : 60,
      );
      ({ costs } = measured);
      return measured.section;
    },
    listing: (stage) =>
      listing(stage, which("library", "rust", "python-shared", "smbclient"), {
        entries: quick ? 10_000 : 100_000,
        rounds: rounds.listing,
      }),
  };
  const load = (): number => loadavg()[0] ?? Number.NaN;
  const before = load();
  const sections: Section[] = [];
  const stage = await Stage.open([...LATENCY_DIRECTORIES, ...burstDirectories(rounds.burst)], signal);
  try {
    for (const name of only) {
      console.error(`bench: ${name} beside the peers`);
      const section = await measures[name](stage);
      sections.push(section);
      onSection(section);
    }
    return { sections, skipped: found.skipped, load: [before, load()], latencies, costs };
  } finally {
    await stage.close();
  }
}
