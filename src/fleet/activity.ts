import { z } from "zod";
import type { BrokerLink } from "../broker/port.ts";
import { FleetError } from "./errors.ts";
import { requestService } from "./list-client.ts";
import { fitItems } from "./page-fit.ts";
import { processSubject } from "./process-service.ts";
import type { Endpoint } from "./service.ts";

/** What a watch told lately, as its owner remembers. Gone with the owner. */
export interface WatchActivity {
  readonly connection: string;
  readonly path: string;
  readonly recursive: boolean;
  /** When a change was last told, RFC 3339. */
  readonly lastChange?: string;
  /** Resyncs told within the last hour, by reason. */
  readonly resyncs: Readonly<Record<string, number>>;
  /** Changes of the last hour that the file server had not told, but a comparison found. */
  readonly found: number;
}

const Page = z.object({ from: z.number().int().min(0).default(0) });
const Answer = z.object({
  watches: z.array(
    z.object({
      connection: z.string(),
      path: z.string(),
      recursive: z.boolean(),
      lastChange: z.string().optional(),
      resyncs: z.record(z.string(), z.number()),
      found: z.number(),
    }),
  ),
  next: z.number().int().positive().optional(),
});

const MOST_PAGES = 1_000;
const PAGE = 1_000;

/** The owner's side; `watches` are those that have something to say. */
export function activityEndpoint(
  link: BrokerLink,
  lease: string,
  watches: () => readonly WatchActivity[],
): Endpoint {
  return {
    name: "worker-watches",
    subject: processSubject(link, "worker", lease, "watches"),
    handle: async (request) => {
      const parsed = Page.safeParse(request);
      if (!parsed.success) throw new FleetError("bad_message", "from: not understood");
      const { from } = parsed.data;
      const all = watches();
      const head = { watches: [], next: all.length };
      const page = fitItems(all.slice(from, from + PAGE), head, link.server.maxPayload);
      const next = from + page.length;
      return { watches: page, ...(next < all.length && page.length > 0 ? { next } : {}) };
    },
  };
}

/** What the watches of one worker told lately. @throws FleetError where it does not answer, AbortedError */
export async function requestActivity(
  link: BrokerLink,
  lease: string,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<readonly WatchActivity[]> {
  const watches: WatchActivity[] = [];
  let from: number | undefined = 0;
  for (let page = 0; from !== undefined && page < MOST_PAGES; page++) {
    const subject = processSubject(link, "worker", lease, "watches");
    const parsed = Answer.safeParse(await requestService(link, subject, { from }, options));
    if (!parsed.success) throw new FleetError("internal", "a worker's answer cannot be read");
    for (const { lastChange, ...watch } of parsed.data.watches) {
      watches.push({ ...watch, ...(lastChange === undefined ? {} : { lastChange }) });
    }
    from = parsed.data.next;
  }
  return watches;
}
