import { z } from "zod";
import { Backoff, type Deferred, deferred, sleep, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import type { BrokerLink, CoreMessage } from "../broker/port.ts";
import { FleetError, failureOf } from "./errors.ts";
import { SERVICE_ERROR_HEADER } from "./list-client.ts";
import type { DirectorySnapshot, SnapshotDirectory, SnapshotEntry, WatchTarget } from "./port.ts";
import { processSubject } from "./process-service.ts";
import type { Asker, Endpoint } from "./service.ts";

/** Asking for a snapshot: one request, answered by a stream of numbered messages of which the last says so. */

export const SNAPSHOT_ENDPOINT = "directory.snapshot";

/** By hand: there may be hundreds of thousands. */
function isEntry(value: unknown): value is SnapshotEntry {
  if (typeof value !== "object" || value === null) return false;
  const { name, type, size, modified } = value as Record<string, unknown>;
  return (
    typeof name === "string" &&
    name !== "" &&
    (type === "file" || type === "directory" || type === undefined) &&
    (size === undefined || (typeof size === "number" && size >= 0)) &&
    (modified === undefined || typeof modified === "string")
  );
}

const Entries = z.custom<SnapshotEntry[]>((value) => Array.isArray(value) && value.every(isEntry));
const Part = z.object({
  path: z.string().startsWith("/"),
  entries: Entries,
  tooLarge: z.literal(true).optional(),
});
const Page = z.object({
  epoch: z.string().min(1),
  told: z.number().int().min(0),
  page: z.number().int().min(0),
  servedBy: z.object({ path: z.string().startsWith("/"), recursive: z.boolean() }),
  directories: z.array(Part),
  last: z.literal(true).optional(),
  stored: z.boolean().optional(),
});

const Question = z.object({ connection: z.string(), path: z.string(), recursive: z.boolean() });

/** The owner's side of a question that was handed on. */
export function snapshotEndpoint(
  link: BrokerLink,
  lease: string,
  answer: (target: WatchTarget, signal: AbortSignal, asker: Asker) => Promise<unknown>,
): Endpoint {
  return {
    name: "worker-snapshot",
    subject: processSubject(link, "worker", lease, "snapshot"),
    handle: async (request, signal, asker) => {
      const parsed = Question.safeParse(request);
      if (!parsed.success) throw new FleetError("bad_message", "not a question for a snapshot");
      return answer(parsed.data, signal, asker);
    },
  };
}

/** One message of the stream. A directory that did not fit goes on in the next one, under the same path. */
type SnapshotPage = z.infer<typeof Page>;

export interface SnapshotRequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** For all attempts together, ms. */
  readonly timeoutMs: number;
  /** Without a message for this long the stream counts as lost, ms. Default 5,000. */
  readonly silentMs?: number;
  readonly clock?: Clock;
}

/** Failures that the next attempt may not meet. */
const PASSING: ReadonlySet<string> = new Set(["unreachable", "limit", "internal"]);

/**
 * Takes a snapshot. A stream that breaks off, or misses a message, is asked for again from the beginning.
 * @throws FleetError, AbortedError
 */
export async function requestSnapshot(
  link: BrokerLink,
  target: WatchTarget,
  options: SnapshotRequestOptions,
): Promise<DirectorySnapshot> {
  const { signal, timeoutMs, clock = systemClock } = options;
  const until = clock.monotonic() + timeoutMs;
  const backoff = new Backoff({ initialMs: 50, maxMs: 2_000 });
  for (;;) {
    try {
      return await attempt(link, target, options);
    } catch (error) {
      const passing = error instanceof FleetError && PASSING.has(error.failure);
      const wait = backoff.next();
      if (!passing || clock.monotonic() + wait > until) throw error;
      await sleep(wait, { signal, clock });
    }
  }
}

async function attempt(
  link: BrokerLink,
  target: WatchTarget,
  { signal, silentMs = 5_000, clock = systemClock }: SnapshotRequestOptions,
): Promise<DirectorySnapshot> {
  const collector = new Collector();
  const inbox = link.newInbox();
  const subscription = link.subscribe(inbox, (message) => collector.take(message));
  try {
    const question = new TextEncoder().encode(JSON.stringify(target));
    link.publish(link.subjects.control(SNAPSHOT_ENDPOINT), question, undefined, inbox);
    for (;;) {
      const whole = await waitFor(collector.next(), {
        signal,
        deadlineMs: silentMs,
        clock,
        what: "a snapshot",
      });
      if (whole !== undefined) return whole;
    }
  } catch (error) {
    if (error instanceof FleetError || errorCode(error) === "ABORTED") throw error;
    throw new FleetError("unreachable", "no worker sent the whole snapshot", error);
  } finally {
    subscription.close();
  }
}

/** Puts the messages of one stream together. */
class Collector {
  readonly #directories = new Map<string, { path: string; entries: SnapshotEntry[]; tooLarge?: true }>();
  #pages = 0;
  #head: Pick<SnapshotPage, "epoch" | "told" | "servedBy"> | undefined;
  #whole: DirectorySnapshot | undefined;
  #failure: FleetError | undefined;
  #news: Deferred<void> = deferred<void>();

  take(message: CoreMessage): void {
    if (this.#failure !== undefined || this.#whole !== undefined) return;
    try {
      this.#add(readPage(message));
    } catch (error) {
      this.#failure =
        error instanceof FleetError ? error : new FleetError("internal", "a snapshot cannot be read", error);
    }
    this.#news.resolve();
  }

  /** After the next message: the snapshot, when it is whole. @throws FleetError */
  async next(): Promise<DirectorySnapshot | undefined> {
    await this.#news.promise;
    this.#news = deferred<void>();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#whole;
  }

  #add({ epoch, told, page, servedBy, directories, last, stored = false }: SnapshotPage): void {
    this.#head ??= { epoch, told, servedBy };
    // Another worker may have been asked as well: one stream counts, and only without a hole.
    if (page !== this.#pages || this.#head.epoch !== epoch || this.#head.told !== told) {
      throw new FleetError("unreachable", "a part of the snapshot was lost");
    }
    this.#pages++;
    for (const { path, entries, tooLarge } of directories) {
      const known = this.#directories.get(path);
      if (known === undefined) {
        const large = tooLarge === true ? { tooLarge } : {};
        this.#directories.set(path, { path, entries, ...large });
      } else for (const entry of entries) known.entries.push(entry);
    }
    if (last !== true) return;
    const all: SnapshotDirectory[] = [...this.#directories.values()];
    this.#whole = { epoch, told, stored, servedBy, directories: all };
  }
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}

/** @throws FleetError */
function readPage(message: CoreMessage): SnapshotPage {
  if (message.noResponders === true) throw new FleetError("unreachable", "no worker is there");
  let body: unknown;
  try {
    body = JSON.parse(textOf(message.data));
  } catch (error) {
    throw new FleetError("internal", "a worker's snapshot is not JSON", error);
  }
  const failure = message.header(SERVICE_ERROR_HEADER);
  if (failure !== undefined) {
    const { error } = (body ?? {}) as { error?: { message?: unknown } };
    const text = typeof error?.message === "string" ? error.message : "a worker refused";
    throw new FleetError(failureOf(failure), text);
  }
  const parsed = Page.safeParse(body);
  if (!parsed.success) throw new FleetError("internal", "a worker's snapshot cannot be read");
  return parsed.data;
}
