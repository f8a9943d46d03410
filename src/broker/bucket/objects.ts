import { createHash } from "node:crypto";
import { type ObjectInfo, type ObjectStore, Objm } from "@nats-io/obj";
import { waitFor } from "../../base/async.ts";
import { BrokerError } from "../errors.ts";
import { type NatsLink, toBrokerError } from "../link/index.ts";
import type { ObjectBucket } from "../port.ts";

/** A picture of a million entries is about 100 MB; what is larger is not worth carrying over. */
const MAX_OBJECT_BYTES = 128 * 1_048_576;
const DEADLINE_MS = 60_000;

export class NatsObjectBucket implements ObjectBucket {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #maxBytes: number;
  #store: Promise<ObjectStore> | undefined;

  constructor(link: NatsLink, bucket: string, maxBytes: number = MAX_OBJECT_BYTES) {
    this.#link = link;
    this.#bucket = bucket;
    this.#maxBytes = maxBytes;
  }

  async put(
    name: string,
    data: Uint8Array,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    if (data.length > this.#maxBytes) throw this.#tooLarge(name, data.length);
    await this.#run(`store ${name}`, options.signal, async (store) => {
      await store.putBlob({ name }, data);
    });
  }

  async get(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array | undefined> {
    return this.#run(`load ${name}`, options.signal, async (store) => {
      const info = await store.info(name);
      if (info === null || info.deleted) return undefined;
      if (info.size > this.#maxBytes) throw this.#tooLarge(name, info.size);
      if (info.chunks === 1) return this.#only(info);
      return (await store.getBlob(name)) ?? undefined;
    });
  }

  async delete(name: string): Promise<void> {
    await this.#run(`delete ${name}`, undefined, async (store) => {
      const info = await store.info(name);
      if (info !== null && !info.deleted) await store.delete(name);
    });
  }

  async #run<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (store: ObjectStore) => Promise<T>,
  ): Promise<T> {
    this.#store ??= new Objm(this.#link.js).open(this.#bucket);
    const opening = this.#store;
    try {
      const result = opening.then(work);
      return await waitFor(result, { signal, deadlineMs: DEADLINE_MS, what });
    } catch (error) {
      if (this.#store === opening) this.#store = undefined;
      throw toBrokerError(error, what);
    }
  }

  /** Most have one chunk, and thousands are read at once: a consumer for each would be the larger part of the work. */
  async #only({ nuid, digest, size }: ObjectInfo): Promise<Uint8Array | undefined> {
    const chunk = await this.#link.jsm.streams.getMessage(`OBJ_${this.#bucket}`, {
      last_by_subj: `$O.${this.#bucket}.C.${nuid}`,
    });
    const found = chunk?.data;
    if (found === undefined || found.length !== size) return undefined;
    const sha = createHash("sha256").update(found).digest("base64").replaceAll("+", "-").replaceAll("/", "_");
    return digest === `SHA-256=${sha}` ? found : undefined;
  }

  #tooLarge(name: string, size: number): BrokerError {
    return new BrokerError("BROKER_TOO_LARGE", `object ${name}: ${size} bytes, limit ${this.#maxBytes}`);
  }
}
