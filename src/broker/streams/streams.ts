import { createHash } from "node:crypto";
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { nanos } from "@nats-io/transport-node";
import { BrokerError } from "../errors.ts";
import { type NatsLink, toBrokerError } from "../link/index.ts";
import {
  type StreamDifference,
  type StreamNamesInUse,
  type StreamOptions,
  type StreamPurpose,
  type StreamSettings,
  streamSettings,
} from "../stream-config.ts";
import { base32 } from "../token.ts";
import { checkServerVersion } from "../versions.ts";
import { compareStream, DUPLICATE_WINDOW_MS, describeDifference } from "./stream-comparison.ts";
import { isNoRoom, noRoom, OURS, shrinkUnused } from "./stream-room.ts";

export interface PreparedStreams {
  readonly names: StreamNamesInUse;
  readonly watchesNonce: string;
  readonly eventsNonce: string;
  readonly differences: readonly StreamDifference[];
}

/** The name of this incarnation of a stream: sequences and revisions of another one mean nothing. */
export function streamNonce(info: Pick<StreamInfo, "created">): string {
  return base32(createHash("sha256").update(info.created).digest().subarray(0, 5));
}

/**
 * Creates the event stream and the buckets, or verifies existing ones. What differs is reported, never changed: it
 * may be an operator's wish.
 * @throws BrokerError `BROKER_STREAM_DIFFERS` when a difference breaks the contract, `BROKER_UNSAFE_SERVER`,
 * `BROKER_NO_JETSTREAM`, `BROKER_NO_STREAM` with `existingOnly`; NoRoomError
 */
export async function prepareStreams(link: NatsLink, options: StreamOptions): Promise<PreparedStreams> {
  const settings = streamSettings(options, link.subjects);
  checkServerVersion(link.server.version, settings.replicas);
  try {
    const streams = await new Preparation(link, settings).run();
    const events = streams.get("events") as StreamInfo;
    const watches = streams.get("watches") as StreamInfo;
    // What exists decides, not what we would have made.
    checkServerVersion(link.server.version, watches.config.num_replicas);
    const differences = [...streams].flatMap(([purpose, { config }]) =>
      compareStream(purpose, config, settings),
    );
    const fatal = differences.filter((difference) => difference.fatal);
    if (fatal.length > 0) {
      throw new BrokerError("BROKER_STREAM_DIFFERS", fatal.map(describeDifference).join("; "));
    }
    const { names } = settings;
    return { names, watchesNonce: streamNonce(watches), eventsNonce: streamNonce(events), differences };
  } catch (error) {
    throw toBrokerError(error, "prepare streams");
  }
}

/** In the order in which they are made. */
export const PURPOSES: readonly StreamPurpose[] = ["events", "watches", "checkpoints"];

/** One round of finding or making what is needed. */
class Preparation {
  readonly #link: NatsLink;
  readonly #settings: StreamSettings;
  readonly #found = new Map<StreamPurpose, StreamInfo>();

  constructor(link: NatsLink, settings: StreamSettings) {
    this.#link = link;
    this.#settings = settings;
  }

  async run(): Promise<ReadonlyMap<StreamPurpose, StreamInfo>> {
    for (const purpose of PURPOSES) {
      if (purpose === "checkpoints" && !this.#settings.checkpoints) continue;
      this.#found.set(purpose, (await this.#find(purpose)) ?? (await this.#make(purpose)));
    }
    return this.#found;
  }

  async #make(purpose: StreamPurpose): Promise<StreamInfo> {
    const { names, existingOnly } = this.#settings;
    const name = STREAM_OF[purpose](names);
    if (existingOnly) throw new BrokerError("BROKER_NO_STREAM", `stream ${name} does not exist`);
    try {
      await this.#create(purpose);
    } catch (error) {
      // Another process was faster, with a configuration that differs in what the server compares.
      const winner = await this.#find(purpose);
      if (winner !== undefined) return winner;
      if (isOverlap(error)) {
        const { allIngest } = this.#settings.subjects;
        throw new BrokerError(
          "BROKER_STREAM_DIFFERS",
          `stream ${name}: another stream of this account takes ${allIngest}; a second fleet needs a subject prefix of its own`,
          error,
        );
      }
      if (!isNoRoom(error)) throw error;
      await this.#createAfterAll(purpose, error);
    }
    return this.#link.jsm.streams.info(name);
  }

  /** An earlier attempt may have reserved, under other settings, what is missing now. */
  async #createAfterAll(purpose: StreamPurpose, refusal: JetStreamApiError): Promise<void> {
    const link = this.#link;
    const settings = this.#settings;
    const name = STREAM_OF[purpose](settings.names);
    for (const other of PURPOSES) {
      const info = this.#found.get(other) ?? (await this.#find(other));
      if (info !== undefined) this.#found.set(other, info);
    }
    if (!(await shrinkUnused(link, this.#found, settings))) {
      throw await noRoom(link, refusal, { name, purpose }, this.#found.values(), settings);
    }
    try {
      await this.#create(purpose);
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      throw await noRoom(link, error, { name, purpose }, this.#found.values(), settings);
    }
  }

  #find(purpose: StreamPurpose): Promise<StreamInfo | undefined> {
    return findStream(this.#link, STREAM_OF[purpose](this.#settings.names));
  }

  async #create(purpose: StreamPurpose): Promise<void> {
    const { js, jsm } = this.#link;
    const { names, subjects, maxAgeMs, maxBytes, replicas } = this.#settings;
    const storage = StorageType.File;
    const max_bytes = maxBytes[purpose];
    switch (purpose) {
      case "events":
        await jsm.streams.add({
          name: names.events,
          description: `Directory changes on SMB shares ${OURS}`,
          subjects: [subjects.allIngest],
          republish: { src: subjects.allIngest, dest: subjects.allEvents },
          retention: RetentionPolicy.Limits,
          storage,
          discard: DiscardPolicy.Old,
          max_age: nanos(maxAgeMs),
          max_bytes,
          duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, maxAgeMs)),
          num_replicas: replicas,
          allow_direct: true,
        });
        return;
      case "watches": {
        const description = `Leases, references and claims of watches ${OURS}`;
        await new Kvm(js).create(names.watches, { description, history: 1, storage, replicas, max_bytes });
        return;
      }
      case "checkpoints": {
        const description = `Pictures of watched directories ${OURS}`;
        // A picture is of no use without the events that came after it; living owners renew theirs in time.
        const ttl = nanos(maxAgeMs);
        await new Objm(js).create(names.checkpoints, { description, storage, replicas, max_bytes, ttl });
      }
    }
  }
}

export const STREAM_OF: Readonly<Record<StreamPurpose, (names: StreamNamesInUse) => string>> = {
  events: (names) => names.events,
  watches: (names) => `KV_${names.watches}`,
  checkpoints: (names) => `OBJ_${names.checkpoints}`,
};

/** `undefined` where there is none of this name. @throws what the client throws */
export async function findStream(link: NatsLink, name: string): Promise<StreamInfo | undefined> {
  try {
    return await link.jsm.streams.info(name);
  } catch (error) {
    const missing = error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
    if (missing) return undefined;
    throw error;
  }
}

/** Two streams of one account may not take the same subjects. */
function isOverlap(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === 10_065;
}
