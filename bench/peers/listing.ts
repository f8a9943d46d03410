import { makeOnServer } from "../burst.ts";
import { median } from "../comparison.ts";
import { type Row, rounded, type Section } from "../stats.ts";
import type { Contestant } from "./contestants.ts";
import { type Peer, PeerError } from "./peer.ts";
import type { Stage } from "./stage.ts";

const LIST_MS = 60_000;

/** One large directory, listed by each in turn. */
export async function listing(
  stage: Stage,
  all: readonly Contestant[],
  { entries, rounds }: { readonly entries: number; readonly rounds: number },
): Promise<Section> {
  stage.make("listing");
  await makeOnServer(stage.stack.samba, "listing", entries, "document-");
  const peers = all.map((contestant) => ({
    contestant,
    peer: stage.start(contestant),
    times: [] as number[],
  }));
  const errors = new Map<Peer, string>();
  for (let round = 0; round < rounds; round++) {
    for (const { peer, times } of peers) {
      if (errors.has(peer)) continue;
      try {
        const { count, ms } = await peer.list("listing", LIST_MS);
        if (count === entries) times.push(ms);
        else errors.set(peer, `it listed ${count} of ${entries}`);
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        errors.set(peer, error.message);
      }
    }
  }
  for (const { peer } of peers) await stage.end(peer);
  const fastest = Math.min(
    ...peers.filter(({ times }) => times.length > 0).map(({ times }) => median(times)),
  );
  return {
    title: `Beside the peers: a listing of ${entries} entries`,
    method: `on tmpfs, median of ${rounds}, each in turn; smbclient with its start and login, which the others have behind them but for their first`,
    rows: peers.map(({ contestant: { name }, peer, times }): Row => {
      const error = errors.get(peer);
      if (error !== undefined) return { name, value: "-", unit: "s", note: error };
      const [low, high] = [Math.min(...times), Math.max(...times)].map((ms) => rounded(ms / 1_000));
      const middle = median(times);
      return {
        name,
        value: rounded(middle / 1_000),
        unit: "s",
        note: `${low} to ${high}; ${rounded(middle / fastest)} x the fastest`,
      };
    }),
  };
}
