import { randomBytes } from "node:crypto";
import { z } from "zod";
import { type CanonicalPath, canonicalPath } from "../base/path.ts";
import { ConflictError } from "../broker/errors.ts";
import type { BrokerLink, KvBucket } from "../broker/port.ts";
import { leaseKey, refKey, watchName } from "../broker/subjects.ts";
import { FleetError } from "./errors.ts";
import { LIST_ENDPOINT, STAT_ENDPOINT } from "./list-client.ts";
import { isLost, lostState } from "./looks.ts";
import { fitItems, fitListing } from "./page-fit.ts";
import {
  type Listing,
  type ListRequest,
  MOST_PATHS,
  type RefState,
  type StatAnswer,
  type StatRequest,
  type WatchTarget,
} from "./port.ts";
import { decodeLease, encodeRecord, type LeaseRecord } from "./records.ts";
import { type Asker, type Endpoint, MicroService } from "./service.ts";
import { servingClaim, stateOfClaim } from "./serving.ts";
import { SNAPSHOT_ENDPOINT } from "./snapshot.ts";
import { collectStatus } from "./status.ts";
import { MOST_AFTER } from "./told-list.ts";
import type { FleetView } from "./view.ts";

/**
 * The control API (contract section 4): leases and refs for services that do not write the bucket themselves. All
 * state is in the bucket, so any worker may answer any request.
 */

export interface ControlOptions {
  readonly link: BrokerLink;
  readonly bucket: KvBucket;
  readonly view: FleetView;
  readonly version: string;
  /** Bytes: a page that fits, as JSON. @throws FleetError */
  readonly list: (
    request: ListRequest,
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<Listing | Uint8Array>;
  /** @throws FleetError */
  readonly stat: (
    request: StatRequest,
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<readonly StatAnswer[]>;
  /** What has been told of a directory, message by message; see `Endpoint.handle`. @throws FleetError */
  readonly snapshot: (request: WatchTarget, signal: AbortSignal, asker: Asker) => Promise<unknown>;
}

const DEFAULT_TTL_MS = 60_000;
const CONNECTION = z.string().max(64);
const PATH = z.string().max(4_096);
const LEASE = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const Target = z.object({ connection: CONNECTION, path: PATH, recursive: z.boolean().default(false) });
const Acquire = Target.extend({
  /** Add to this lease instead of opening a new one. */
  lease: LEASE.optional(),
  ttlMs: z.number().int().min(3_000).max(600_000).default(DEFAULT_TTL_MS),
  /** For people reading `status`. */
  holder: z.string().max(200).default(""),
});
const Renew = z.object({ lease: LEASE });
const Release = z.object({
  lease: LEASE,
  connection: CONNECTION.optional(),
  path: PATH.optional(),
  recursive: z.boolean().default(false),
});
const List = z.object({
  connection: CONNECTION,
  path: PATH,
  after: z.string().max(MOST_AFTER).optional(),
  limit: z.number().int().min(1).max(5_000).optional(),
  fresh: z.boolean().optional(),
});
const Stat = z.object({ connection: CONNECTION, paths: z.array(PATH).min(1).max(MOST_PATHS) });
const ListWatches = z.object({
  connection: CONNECTION.optional(),
  /** How many to skip: `next` of the page before. */
  from: z.number().int().min(0).default(0),
  limit: z.number().int().min(1).max(1_000).default(1_000),
});

export class ControlService {
  readonly #options: ControlOptions;
  readonly #service: MicroService;

  constructor(options: ControlOptions) {
    this.#options = options;
    const { subjects } = options.link;
    this.#service = new MicroService({
      link: options.link,
      name: "smb2nats",
      version: /^\d+\.\d+\.\d+/.test(options.version) ? options.version : "0.0.0",
      description: "Watches directories on SMB shares",
      endpoints: [
        endpoint("watch-acquire", subjects.control("watch.acquire"), Acquire, (request, signal) =>
          this.#acquire(request, signal),
        ),
        endpoint("watch-renew", subjects.control("watch.renew"), Renew, (request) => this.#renew(request)),
        endpoint("watch-release", subjects.control("watch.release"), Release, (request) =>
          this.#release(request),
        ),
        endpoint("watch-list", subjects.control("watch.list"), ListWatches, (request) => this.#list(request)),
        endpoint("watch-stat", subjects.control("watch.stat"), Target, (request) => this.#stat(request)),
        endpoint(
          "directory-snapshot",
          subjects.control(SNAPSHOT_ENDPOINT),
          Target,
          (request, signal, asker) => this.#options.snapshot(this.#target(request), signal, asker),
        ),
        endpoint("directory-list", subjects.control(LIST_ENDPOINT), List, (request, signal) =>
          this.#listDirectory(listRequest(request), signal),
        ),
        endpoint(
          "directory-stat",
          subjects.control(STAT_ENDPOINT),
          Stat,
          async ({ connection, paths }, signal) => ({
            answers: await options.stat({ connection, paths: paths as CanonicalPath[] }, { signal }),
          }),
        ),
      ],
    });
  }

  /** Resolves when requests can reach us. */
  start(): Promise<void> {
    return this.#service.start();
  }

  close(): Promise<void> {
    return this.#service.close();
  }

  async #acquire(request: z.infer<typeof Acquire>, signal: AbortSignal): Promise<unknown> {
    const { bucket, view } = this.#options;
    const target = this.#target(request);
    let lease = request.lease;
    let ttlMs: number = request.ttlMs;
    if (lease === undefined) {
      lease = randomBytes(12).toString("hex");
      const record: LeaseRecord = { kind: "client", ttlMs, host: request.holder, seq: 0 };
      await bucket.create(leaseKey("client", lease), encodeRecord(record), { msgId: `${lease}:0` });
    } else ttlMs = (await this.#touch(lease)).ttlMs;
    const name = this.#name(target);
    const key = refKey(lease, name, target.recursive);
    try {
      await bucket.create(key, encodeRecord(target));
    } catch (error) {
      // The same interest twice is one ref; written again, it wakes a watch that has given up for now.
      if (!(error instanceof ConflictError)) throw error;
      const entry = await bucket.get(key);
      if (entry !== undefined) await bucket.update(key, encodeRecord(target), entry.revision).catch(() => 0);
    }
    const claim = servingClaim(target, (other) => view.liveClaim(other)?.record, view.caseSensitive);
    return {
      lease,
      ttlMs,
      connection: request.connection,
      path: request.path,
      recursive: target.recursive,
      subject: this.#options.link.subjects.event(name),
      ...(await this.#verified(target, stateOfClaim(claim), signal)),
    };
  }

  /** That a directory is lost is not told from memory. */
  async #verified(target: WatchTarget, state: RefState, signal: AbortSignal): Promise<RefState> {
    if (!isLost(state)) return state;
    const { connection, path } = target;
    try {
      await this.#options.list({ connection, path, limit: 1, fresh: true }, { signal });
      return { state: "starting", mode: state.mode };
    } catch (error) {
      const seen = error instanceof FleetError ? lostState(error, state) : undefined;
      return seen ?? state;
    }
  }

  async #renew({ lease }: z.infer<typeof Renew>): Promise<unknown> {
    const { ttlMs } = await this.#touch(lease);
    return { lease, ttlMs };
  }

  async #release(request: z.infer<typeof Release>): Promise<unknown> {
    const { bucket } = this.#options;
    const { lease, connection, path, recursive } = request;
    if (connection === undefined || path === undefined) {
      await this.#delete(leaseKey("client", lease));
      return { lease };
    }
    const target = this.#target({ connection, path, recursive });
    const key = refKey(lease, this.#name(target), recursive);
    if ((await bucket.get(key)) === undefined) throw new FleetError("not_found", "no such ref");
    await this.#delete(key);
    return { lease, connection, path, recursive };
  }

  async #list({ connection, from, limit }: z.infer<typeof ListWatches>): Promise<unknown> {
    const { watches } = collectStatus(this.#options.view);
    const wanted =
      connection === undefined ? watches : watches.filter((one) => one.connection === connection);
    const page = fitItems(
      wanted.slice(from, from + limit),
      { watches: [], next: wanted.length },
      this.#maxPayload,
    );
    const next = from + page.length;
    return { watches: page, ...(next < wanted.length ? { next } : {}) };
  }

  async #listDirectory(request: ListRequest, signal: AbortSignal): Promise<Listing | Uint8Array> {
    const found = await this.#options.list(request, { signal });
    return found instanceof Uint8Array ? found : fitListing(found, this.#maxPayload);
  }

  get #maxPayload(): number {
    return this.#options.link.server.maxPayload;
  }

  async #stat(request: z.infer<typeof Target>): Promise<unknown> {
    const { view } = this.#options;
    const target = this.#target(request);
    const claim = servingClaim(target, (key) => view.liveClaim(key)?.record, view.caseSensitive);
    return {
      connection: request.connection,
      path: request.path,
      recursive: target.recursive,
      subject: this.#options.link.subjects.event(this.#name(target)),
      ...stateOfClaim(claim),
      ...(claim === undefined
        ? {}
        : { owner: claim.lease, servedBy: { path: claim.path, recursive: claim.recursive } }),
    };
  }

  /** Renews a foreign lease. Two renewals at once are both right: the loser looks again. */
  async #touch(lease: string): Promise<LeaseRecord> {
    const { bucket } = this.#options;
    const key = leaseKey("client", lease);
    for (let attempt = 0; ; attempt++) {
      const entry = await bucket.get(key);
      if (entry === undefined)
        throw new FleetError("not_found", "no such lease: it ran out, or was released");
      const record = decodeLease(entry.value);
      const next = { ...record, seq: record.seq + 1 };
      try {
        await bucket.update(key, encodeRecord(next), entry.revision);
        return next;
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt >= 3) throw error;
      }
    }
  }

  async #delete(key: string): Promise<void> {
    const { bucket } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const entry = await bucket.get(key);
      if (entry === undefined) return;
      try {
        await bucket.delete(key, entry.revision);
        return;
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt >= 3) throw error;
      }
    }
  }

  #target({ connection, path, recursive }: WatchTarget): WatchTarget {
    if (this.#options.view.knows(connection) !== true) {
      throw new FleetError("unknown_connection", "no worker serves this connection");
    }
    try {
      return { connection, path: canonicalPath(path), recursive };
    } catch (error) {
      throw new FleetError("bad_path", "this path is refused", error);
    }
  }

  #name({ connection, path }: WatchTarget): string {
    return watchName(connection, path, this.#options.view.caseSensitive(connection));
  }
}

function listRequest({ connection, path, after, limit, fresh }: z.infer<typeof List>): ListRequest {
  return {
    connection,
    path: path as CanonicalPath,
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit }),
    ...(fresh === undefined ? {} : { fresh }),
  };
}

function endpoint<S extends z.ZodType>(
  name: string,
  subject: string,
  schema: S,
  handle: (request: z.infer<S>, signal: AbortSignal, asker: Asker) => Promise<unknown>,
): Endpoint {
  return {
    name,
    subject,
    handle: async (request, signal, asker) => {
      const parsed = schema.safeParse(request);
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        const where = issue?.path.join(".") || "request";
        throw new FleetError("bad_message", `${where}: ${issue?.message ?? "not understood"}`);
      }
      return handle(parsed.data, signal, asker);
    },
  };
}
