import { headers as createHeaders } from "@nats-io/transport-node";
import type { NatsLink } from "../link/index.ts";

/** Below all ingest subjects, and no connection's: their names do not begin with an underscore. */
const PROBE = "_probe";
const WAIT_MS = 500;

/**
 * Names of the streams that store what is published for this fleet. More than one: another fleet of the account, at
 * a leaf node with a JetStream of its own, catches our events and tells them again, under other sequences. (Within one
 * JetStream the server itself refuses the second.) Nothing is stored: each stream refuses a message for a stream that
 * is not, and says its name.
 */
export async function streamsThatCatch(link: NatsLink): Promise<readonly string[]> {
  const headers = createHeaders();
  headers.set("Nats-Expected-Stream", "-");
  const answers = await link.nc.requestMany(link.subjects.ingest(PROBE), new Uint8Array(0), {
    strategy: "timer",
    maxWait: WAIT_MS,
    headers,
  });
  const names: string[] = [];
  for await (const answer of answers) {
    const name = streamIn(answer.string());
    if (name !== undefined) names.push(name);
  }
  return names.sort();
}

function streamIn(text: string): string | undefined {
  try {
    const { stream } = JSON.parse(text) as { stream?: unknown };
    return typeof stream === "string" ? stream : undefined;
  } catch {
    return undefined;
  }
}
