import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, foldCase, segmentsOf } from "../../base/path.ts";
import { contains, type DfsLocation, formatLocation, shareKey } from "../dfs-location.ts";
import { SmbStatusError } from "../errors.ts";
import { dfsFacts } from "../facts.ts";
import type { Referral } from "../files/index.ts";
import type { SmbPool } from "../pool/index.ts";
import { SmbDfsError } from "./dfs-errors.ts";

/** As much of a pool as routing needs. */
export type SharePool = Pick<
  SmbPool,
  | "ready"
  | "hurry"
  | "openDirectory"
  | "list"
  | "stat"
  | "probe"
  | "temporary"
  | "info"
  | "servers"
  | "referral"
  | "replaceAuth"
  | "echo"
  | "close"
>;

export interface DfsOptions {
  /** Label of all facts. */
  readonly label: string;
  readonly clock: Clock;
  /** The configured share. */
  readonly base: SharePool;
  /** Where it is. Its root is a part of it. */
  readonly location: DfsLocation;
  /** Makes the pool of another share, that a referral names; `/` is that share's own root. */
  readonly open: (target: DfsLocation) => SharePool;
}

/** Longest chain of links behind each other. */
const MOST_HOPS = 8;
/** Until a referral that could not be renewed is asked for again, ms. */
const RENEW_RETRY_MS = 60_000;

/** A link that was resolved. */
export interface DfsLink {
  /** The caller's path of it. */
  readonly prefix: CanonicalPath;
  /** The link whose target this one was found on. */
  readonly via: DfsLink | undefined;
  /** Where it stands, on the server that told of it. */
  readonly location: DfsLocation;
  readonly depth: number;
  targets: readonly DfsLocation[];
  /** Index of the target in use. */
  current: number;
  /** Of targets in use or lately tried, by share: an absent server keeps its pauses. */
  readonly pools: Map<string, SharePool>;
  /** Whom to ask when the referral ends, and for what. */
  readonly source: SharePool;
  readonly asked: CanonicalPath;
  /** Names between the link and its prefix: the connection's own root may lie behind a link. */
  readonly extra: readonly string[];
  cancel: () => void;
}

/** What serves one path. */
export interface DfsLeg {
  /** `undefined`: the configured share itself. */
  readonly link: DfsLink | undefined;
  readonly target: DfsLocation | undefined;
  readonly pool: SharePool;
  /** The path as that pool wants it. */
  readonly path: CanonicalPath;
}

/** The referral cache: which links are known, which targets they use, and until when. */
export class DfsTable {
  readonly #options: DfsOptions;
  /** By folded prefix. */
  readonly #links = new Map<string, DfsLink>();
  readonly #closing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: DfsOptions) {
    this.#options = options;
  }

  /** No link is known: everything is on the configured share. */
  get empty(): boolean {
    return this.#links.size === 0;
  }

  /** By the longest known link on the way. */
  leg(path: CanonicalPath): DfsLeg {
    const names = this.empty ? [] : segmentsOf(path);
    for (let length = names.length; length >= 0 && !this.empty; length--) {
      const link = this.#links.get(foldCase(pathOf(names.slice(0, length))));
      const target = link?.targets[link.current];
      if (link === undefined || target === undefined) continue;
      const rest = names.slice(length);
      return { link, target, pool: this.#poolOf(link, target), path: pathOf([...target.names, ...rest]) };
    }
    return { link: undefined, target: undefined, pool: this.#options.base, path };
  }

  pools(): SharePool[] {
    return [...this.#all()].flatMap((link) => [...link.pools.values()]);
  }

  /**
   * Takes a referral for `path`, which `leg` does not cover. @throws SmbDfsError for a loop, or one link too many
   */
  add(
    leg: DfsLeg,
    path: CanonicalPath,
    referral: Referral & { readonly asked: readonly string[] },
    route: readonly string[],
  ): void {
    if (this.#closed) return;
    const { asked, consumed, lifeMs } = referral;
    const { base, location: configured } = this.#options;
    const server = leg.target ?? base.info().server?.location ?? configured;
    const location = { ...server, names: asked.slice(0, consumed) };
    const depth = (leg.link?.depth ?? 0) + 1;
    const names = segmentsOf(path);
    const before = leg.link === undefined ? 0 : segmentsOf(leg.link.prefix).length;
    // So many names of what was asked for stand for the caller's first ones.
    const own = asked.length - (names.length - before);
    const extra = asked.slice(consumed, Math.max(consumed, own));
    const targets = usable(referral.targets, extra, [
      ...chain(leg.link).map((link) => link.location),
      location,
    ]);
    const next = [...route, ...referral.targets.slice(0, 1).map(formatLocation)];
    if (targets.length === 0) throw new SmbDfsError("the link is a loop", next);
    if (depth > MOST_HOPS) throw new SmbDfsError(`more than ${MOST_HOPS} links behind each other`, next);
    const inPool = segmentsOf(leg.path);
    const link: DfsLink = {
      prefix: pathOf(names.slice(0, before + Math.max(0, consumed - own))),
      via: leg.link,
      location,
      depth,
      targets,
      current: 0,
      pools: new Map(),
      source: leg.pool,
      asked: pathOf(inPool.slice(0, Math.max(0, inPool.length - (asked.length - consumed)))),
      extra,
      cancel: () => undefined,
    };
    this.#links.set(foldCase(link.prefix), link);
    this.#renewIn(link, lifeMs);
    this.#say("routed", location, targets[0]);
  }

  /** Whether this leg is still how its path is served. */
  isCurrent({ link, target }: DfsLeg): boolean {
    return link !== undefined && this.#isKnown(link) && link.targets[link.current] === target;
  }

  /** Takes the next target of a link, unless all were tried. */
  moveOn({ link, target }: DfsLeg, tried: Set<string>): boolean {
    if (link === undefined || target === undefined) return false;
    tried.add(formatLocation(target));
    for (let step = 1; step < link.targets.length; step++) {
      const index = (link.current + step) % link.targets.length;
      const next = link.targets[index];
      if (next === undefined || tried.has(formatLocation(next))) continue;
      link.current = index;
      this.#say("failed-over", target, next);
      return true;
    }
    return false;
  }

  /** A target that answers makes those tried before it superfluous. */
  worked({ link, target, pool }: DfsLeg): void {
    if (link === undefined || target === undefined || link.pools.size < 2) return;
    if (!this.isCurrent({ link, target, pool, path: "/" })) return;
    for (const [key, other] of link.pools) if (other !== pool) this.#release(link, key);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const link of [...this.#links.values()]) this.#drop(link);
    await Promise.all(this.#closing);
  }

  #poolOf(link: DfsLink, target: DfsLocation): SharePool {
    const key = shareKey(target);
    let pool = link.pools.get(key);
    if (pool === undefined) {
      pool = this.#options.open(target);
      link.pools.set(key, pool);
    }
    return pool;
  }

  #isKnown(link: DfsLink): boolean {
    return this.#all().has(link);
  }

  #renewIn(link: DfsLink, ms: number): void {
    link.cancel = this.#options.clock.after(ms, () => void this.#renew(link), { unref: true });
  }

  /** Whoever is served by a target that is no longer named must learn of it: it may be out of date. */
  async #renew(link: DfsLink): Promise<void> {
    try {
      const referral = await link.source.referral(link.asked);
      if (this.#closed || !this.#isKnown(link)) return;
      const back = chain(link).map(({ location }) => location);
      const targets = usable(referral.targets, link.extra, back);
      const inUse = formatLocation(link.targets[link.current] ?? link.location);
      const current = targets.findIndex((target) => formatLocation(target) === inUse);
      if (current < 0) {
        this.#drop(link);
        return;
      }
      link.targets = targets;
      link.current = current;
      this.#renewIn(link, referral.lifeMs);
    } catch (error) {
      if (this.#closed || !this.#isKnown(link)) return;
      // The server knows no such link any more; everything else may pass.
      if (error instanceof SmbStatusError) this.#drop(link);
      else this.#renewIn(link, RENEW_RETRY_MS);
    }
  }

  /** Forgets a link, and all that was found behind it. Their connections end, so every watch opens anew. */
  #drop(link: DfsLink): void {
    const before = this.#all();
    for (const [key, known] of this.#links) if (chain(known).includes(link)) this.#links.delete(key);
    const after = this.#all();
    for (const gone of before) {
      if (after.has(gone)) continue;
      gone.cancel();
      for (const share of [...gone.pools.keys()]) this.#release(gone, share);
    }
  }

  /** With those that others were found behind. */
  #all(): Set<DfsLink> {
    return new Set([...this.#links.values()].flatMap(chain));
  }

  #release(link: DfsLink, key: string): void {
    const pool = link.pools.get(key);
    link.pools.delete(key);
    if (pool === undefined) return;
    const closing = pool.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #say(type: "routed" | "failed-over", from: DfsLocation, to: DfsLocation | undefined): void {
    if (to === undefined) return;
    const shown = (place: DfsLocation): string => formatLocation({ ...place, names: [] });
    dfsFacts.publish({ connection: this.#options.label, type, from: shown(from), to: shown(to) });
  }
}

/** A link with those it was found behind, the nearest first. */
function chain(link: DfsLink | undefined): DfsLink[] {
  const links: DfsLink[] = [];
  for (let hop = link; hop !== undefined; hop = hop.via) links.push(hop);
  return links;
}

/** Without those that lead back to where we came from. */
function usable(
  targets: readonly DfsLocation[],
  extra: readonly string[],
  back: readonly DfsLocation[],
): DfsLocation[] {
  return targets
    .filter((target) => !back.some((from) => contains(target, from)))
    .map((target) => ({ ...target, names: [...target.names, ...extra] }));
}

function pathOf(names: readonly string[]): CanonicalPath {
  return `/${names.join("/")}`;
}
