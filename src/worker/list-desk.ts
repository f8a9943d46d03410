import type { Clock } from "../base/clock.ts";
import { canonicalPath, joinPath } from "../base/path.ts";
import type { BrokerLink } from "../broker/port.ts";
import { FleetError } from "../fleet/errors.ts";
import { type WatchKey, watchKey } from "../fleet/identity.ts";
import type { Listing, ListRequest, WatchTarget } from "../fleet/port.ts";
import type { ClaimRecord } from "../fleet/records.ts";
import { servingClaim } from "../fleet/serving.ts";
import { listToken, readListToken, requestToldList, type ToldListRequest } from "../fleet/told-list.ts";
import type { FleetView } from "../fleet/view.ts";
import { lookAtUnknown, shownEntry } from "../watch/mirror/index.ts";
import { Breather } from "../watch/pacing.ts";
import { type FrozenList, FrozenLists, sortInTurns } from "./frozen-lists.ts";
import type { LocalWatch } from "./local-watch.ts";

export interface ListDeskOptions {
  readonly link: BrokerLink;
  readonly view: FleetView;
  /** Ours; `undefined` while there is none. */
  readonly lease: () => string | undefined;
  /** Whether nobody else may speak for our watches: see `Lease.mayPublish`. */
  readonly mayPublish: () => boolean;
  readonly local: (key: WatchKey) => LocalWatch | undefined;
  /** Asks the file server. @throws FleetError */
  readonly list: (
    request: ListRequest,
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<Listing>;
  readonly clock: Clock;
}

/** An owner that is slower is no help: the file server is asked. */
const OWNER_MS = 1_000;
/** One that did not answer is not asked again for so long: it may be dead, and nobody has noticed yet. */
const SILENT_MS = 5_000;
const DEFAULT_LIMIT = 1_000;
const MOST = 5_000;
const TURN = 256;
const ENTRIES_PER_TURN = 1_000;
/** `,"next":""}`, and the brackets of the entries. */
const END_BYTES = 48;

/**
 * Lists directories: from what consumers have been told where its owner is in no doubt about the directory, and in all
 * other cases from the file server, so that an answer does not hang on the owner.
 */
export class ListDesk {
  readonly #options: ListDeskOptions;
  readonly #lists: FrozenLists;
  readonly #breather: Breather;
  /** Owners that did not answer, and until when they are let be (monotonic ms). */
  readonly #silent = new Map<string, number>();

  constructor(options: ListDeskOptions) {
    this.#options = options;
    this.#lists = new FrozenLists(options.clock);
    this.#breather = new Breather(options.clock, ENTRIES_PER_TURN);
  }

  /** Bytes: a page that fits, as JSON. @throws FleetError, AbortedError */
  async answer(
    request: ListRequest,
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<Listing | Uint8Array> {
    const { signal = new AbortController().signal } = options;
    const { after, fresh = false, ...rest } = request;
    const told = fresh ? undefined : await this.#told(request, signal);
    // Pages of what was told may have been asked for before.
    return (
      told ??
      this.#options.list(after === undefined ? rest : { ...rest, after: readListToken(after).name }, options)
    );
  }

  /** As we have told it, who own the watch; `undefined` where we are in doubt. @throws AbortedError */
  async answerOwn(
    { connection, path, after, limit }: ToldListRequest,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const target = cleanTarget(connection, path);
    const claim = target && this.#claim(target);
    const watch = claim && this.#watch(claim);
    if (target === undefined || watch === undefined) return undefined;
    const { listing, name } = after === undefined ? NOWHERE : readListToken(after);
    const key = JSON.stringify([watch.key, target.path, watch.epoch]);
    const known = listing === undefined ? undefined : this.#lists.get(listing, key);
    const list = known ?? (await this.#freeze(target, watch, key, signal));
    if (list === undefined) return undefined;
    const page = await this.#page(list, { id: known && listing, after: name, limit }, signal);
    // Whoever spoke for the watch meanwhile has told what we do not know of.
    return this.#options.mayPublish() && watch.epoch === list.position.epoch ? page : undefined;
  }

  close(): void {
    this.#lists.close();
  }

  async #told(request: ListRequest, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { link, lease, clock } = this.#options;
    const { connection, path, after, limit } = request;
    const target = cleanTarget(connection, path);
    const owner = target && this.#claim(target)?.lease;
    if (owner === undefined) return undefined;
    const question = { connection, path, after, limit };
    if (owner === lease()) return this.answerOwn(question, signal);
    if ((this.#silent.get(owner) ?? 0) > clock.monotonic()) return undefined;
    try {
      return await requestToldList(link, owner, question, { signal, timeoutMs: OWNER_MS });
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      for (const [each, until] of this.#silent) if (until <= clock.monotonic()) this.#silent.delete(each);
      this.#silent.set(owner, clock.monotonic() + SILENT_MS);
      return undefined;
    }
  }

  /** Of an owner that says that all is told at once. */
  #claim(target: WatchTarget): ClaimRecord | undefined {
    const { view } = this.#options;
    const claim = servingClaim(target, (key) => view.liveClaim(key)?.record, view.caseSensitive);
    return claim?.state === "live" && claim.late === undefined ? claim : undefined;
  }

  #watch(claim: ClaimRecord): LocalWatch | undefined {
    const { local, view, mayPublish } = this.#options;
    const watch = local(watchKey(claim, view.caseSensitive));
    return watch?.sure === true && watch.state.late === undefined && mayPublish() ? watch : undefined;
  }

  async #freeze(
    { path }: WatchTarget,
    watch: LocalWatch,
    key: string,
    signal: AbortSignal,
  ): Promise<FrozenList | undefined> {
    const picture = watch.snapshot({ path, recursive: false });
    // What settles is not on it, so it must be known what does.
    if (typeof picture === "string" || picture.unsorted === true) return undefined;
    const [directory] = picture.directories;
    if (directory?.snapshot === undefined) return undefined;
    const { snapshot, path: told } = directory;
    const { watches } = watch.runtime;
    const look = watches.look?.bind(watches) ?? (async () => new Map());
    const looks = (await lookAtUnknown(picture, look, { signal, clock: this.#options.clock })).get(told);
    const { withheld } = picture;
    const isTold = (name: string): boolean => withheld.size === 0 || !withheld.has(joinPath(told, name));
    // An entry without its size is not what a listing shows.
    for (const name of snapshot.unseen()) if (isTold(name) && looks?.has(name) !== true) return undefined;
    const names: string[] = [];
    for (const { name } of snapshot.shown()) {
      if (isTold(name)) names.push(name);
      if (names.length % TURN === 0) await this.#breather.after(TURN, signal);
    }
    return {
      key,
      position: { epoch: picture.epoch, told: picture.told },
      names: await sortInTurns(names, this.#breather, signal),
      snapshot,
      looks: looks ?? new Map(),
    };
  }

  async #page(
    list: FrozenList,
    {
      id,
      after,
      limit = DEFAULT_LIMIT,
    }: { id: string | undefined; after: string; limit: number | undefined },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { names, snapshot, looks } = list;
    const head = `{"position":${JSON.stringify(list.position)},"entries":[`;
    const room = this.#options.link.server.maxPayload - head.length - END_BYTES;
    const from = firstAfter(names, after);
    const most = Math.min(names.length, from + Math.min(limit, MOST));
    const texts: string[] = [];
    let bytes = 0;
    for (let at = from; at < most; at++) {
      const name = names[at] as string;
      const { flags = 0, facts } = snapshot.get(name) ?? {};
      const text = JSON.stringify(shownEntry(name, flags, facts, looks.get(name)));
      bytes += Buffer.byteLength(text) + 1;
      // The last name of a page stands in it twice.
      if (texts.length > 0 && bytes + Buffer.byteLength(JSON.stringify(name)) > room) break;
      texts.push(text);
      if (texts.length % TURN === 0) await this.#breather.after(TURN, signal);
    }
    const end = from + texts.length;
    const next =
      end < names.length
        ? `,"next":${JSON.stringify(listToken(id ?? this.#lists.keep(list), names[end - 1] as string))}`
        : "";
    return Buffer.from(`${head}${texts.join(",")}]${next}}`);
  }
}

const NOWHERE = { listing: undefined, name: "" };

function cleanTarget(connection: string, path: string): WatchTarget | undefined {
  try {
    return { connection, path: canonicalPath(path), recursive: false };
  } catch {
    // Refused by whoever lists.
    return undefined;
  }
}

/** Index of the first name behind `after`. */
function firstAfter(names: readonly string[], after: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
