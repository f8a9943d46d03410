import type { CanonicalPath } from "../../base/path.ts";
import { type HealthFact, healths } from "../facts.ts";
import type { Pacer } from "../pacing.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "../source.ts";
import type { HandleServices } from "./handle-port.ts";

type Services = Pick<HandleServices, "source" | "checks" | "clock" | "options">;

/**
 * Does the path still name the directory we hold? Servers keep silent about a local removal of a watched
 * directory and about renames of it or of an ancestor. The file id alone decides where there is one: while
 * our handle is open no other directory can have it, whereas Samba's creation time is the earliest of all
 * times where none was stored, and moves when somebody reads the directory (seen with 4.17).
 */
export class IdentityCheck {
  readonly #path: CanonicalPath;
  readonly #services: Services;
  #checking = false;
  /** Monotonic ms when it last did. */
  healthyAt = 0;

  constructor(path: CanonicalPath, services: Services) {
    this.#path = path;
    this.#services = services;
  }

  /** Waits for its turn. `false` also when it cannot be told, and while another check is under way. */
  async lost(held: EntryInfo, signal: AbortSignal): Promise<boolean> {
    if (this.#checking) return false;
    this.#checking = true;
    const { source, checks, clock, options } = this.#services;
    const asked = clock.monotonic();
    const verdict = await judge(source, this.#path, held, checks, signal);
    this.#checking = false;
    if (signal.aborted) return false;
    healths.publish({ connection: options.label, path: this.#path, verdict });
    if (verdict === "same") this.healthyAt = asked;
    return verdict === "gone" || verdict === "replaced";
  }
}

async function judge(
  source: DirectorySource,
  path: CanonicalPath,
  held: EntryInfo,
  pacer: Pacer,
  signal: AbortSignal,
): Promise<HealthFact["verdict"]> {
  try {
    await pacer.turn(signal);
    const { fileId, created } = await source.stat(path, { signal });
    const known = fileId !== undefined && held.fileId !== undefined;
    return (known ? fileId === held.fileId : created === held.created) ? "same" : "replaced";
  } catch (error) {
    // A failure to look proves nothing: a lost connection ends the watch by itself.
    return error instanceof SourceError && error.failure === "gone" ? "gone" : "unknown";
  }
}
