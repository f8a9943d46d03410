import type { CanonicalPath } from "../../base/path.ts";
import { type HealthFact, healths } from "../facts.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "../source.ts";
import type { HandleServices, HandleSpec } from "./handle-port.ts";
import { LastWrite, type LastWriteOwner } from "./last-write.ts";

/**
 * Does the path still name the directory we hold? Servers keep silent about a local removal of a watched
 * directory and about renames of it or of an ancestor. The file id alone decides where there is one: while
 * our handle is open no other directory can have it, whereas Samba's creation time is the earliest of all
 * times where none was stored, and moves when somebody reads the directory (seen with 4.17).
 */
export class IdentityCheck {
  /** Told what the check sees of the directory's own last write. */
  readonly lastWrite: LastWrite;
  readonly #path: CanonicalPath;
  readonly #services: HandleServices;
  /** Monotonic ms; a check is due or under way. */
  #askedAt: number | undefined;
  /** Monotonic ms when it last did. */
  healthyAt = 0;

  constructor(spec: HandleSpec, services: HandleServices, owner: LastWriteOwner) {
    this.#path = spec.path;
    this.#services = services;
    this.lastWrite = new LastWrite(spec, services, owner);
  }

  /** A check is wanted, and has to wait for its turn. Returns whether there is none yet. */
  ask(): boolean {
    if (this.#askedAt !== undefined) return false;
    this.#askedAt = this.#services.clock.monotonic();
    return true;
  }

  /** There will be no turn: the handle has let go. */
  drop(): void {
    this.#askedAt = undefined;
  }

  /** The check that was asked for has its turn. `false` also when it cannot be told. */
  async lost(held: EntryInfo, signal: AbortSignal): Promise<boolean> {
    const { source, clock, options } = this.#services;
    const lookedAt = clock.monotonic();
    const asked = this.#askedAt ?? lookedAt;
    const { verdict, modified } = await judge(source, this.#path, held, signal);
    if (signal.aborted) return false;
    this.#askedAt = undefined;
    healths.publish({ connection: options.label, path: this.#path, verdict });
    if (verdict === "same") this.healthyAt = asked;
    if (modified !== undefined) this.lastWrite.seen(modified, lookedAt);
    return verdict === "gone" || verdict === "replaced";
  }
}

async function judge(
  source: DirectorySource,
  path: CanonicalPath,
  held: EntryInfo,
  signal: AbortSignal,
): Promise<{ readonly verdict: HealthFact["verdict"]; readonly modified?: bigint }> {
  try {
    const { fileId, created, modified } = await source.stat(path, { signal });
    const known = fileId !== undefined && held.fileId !== undefined;
    const same = known ? fileId === held.fileId : created === held.created;
    return same ? { verdict: "same", modified } : { verdict: "replaced" };
  } catch (error) {
    // A failure to look proves nothing: a lost connection ends the watch by itself.
    return { verdict: error instanceof SourceError && error.failure === "gone" ? "gone" : "unknown" };
  }
}
