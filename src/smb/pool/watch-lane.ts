import type { CanonicalPath } from "../../base/path.ts";
import { SmbStatusError } from "../errors.ts";
import {
  type DirectoryHandle,
  type HandleOwner,
  type OpenDirectoryOptions,
  openDirectory,
} from "../files/index.ts";
import type { Tree } from "../login/index.ts";
import { classifyStatus } from "../status-class.ts";
import type { Lane } from "./placement.ts";

export interface WatchLaneOptions {
  readonly tree: Tree;
  readonly cap: number;
  /** How long to stay without handles, ms. */
  readonly idleMs: number;
  /** It has been without handles that long, and takes no more. */
  readonly idle: () => void;
  /** The server has no slot left for what this lane carries. */
  readonly short: () => void;
}

/** A connection that carries watch handles. Its owner ends it when it has been empty for a while. */
export class WatchLane implements Lane, HandleOwner {
  readonly tree: Tree;
  cap: number;
  load = 0;
  readonly #idleMs: number;
  readonly #short: () => void;
  readonly #onIdle: () => void;
  #cancelIdle: (() => void) | undefined;

  constructor(options: WatchLaneOptions) {
    this.tree = options.tree;
    this.cap = options.cap;
    this.#idleMs = options.idleMs;
    this.#short = options.short;
    this.#onIdle = options.idle;
    this.#idle();
  }

  /** A handle is about to be opened here. */
  taken(): void {
    this.load++;
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
  }

  released(): void {
    this.load--;
    if (this.load === 0) this.#idle();
  }

  short(): void {
    this.#short();
  }

  stop(): void {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    this.cap = 0;
  }

  #idle(): void {
    const { clock } = this.tree.session.connection.options;
    this.#cancelIdle?.();
    this.#cancelIdle = clock.after(
      this.#idleMs,
      () => {
        // No new handle may land here while the farewell is under way.
        this.cap = 0;
        this.#onIdle();
      },
      { unref: true },
    );
  }
}

/** Opens a directory on a lane that has counted it already. @throws what `openDirectory` throws */
export async function openOn(
  lane: WatchLane,
  path: CanonicalPath,
  name: string,
  options: OpenDirectoryOptions,
): Promise<DirectoryHandle> {
  try {
    return await openDirectory(lane.tree, path, name, { ...options, owner: lane });
  } catch (error) {
    if (error instanceof SmbStatusError && classifyStatus(error.status) === "busy") lane.short();
    lane.released();
    throw error;
  }
}

export function isShareFull(error: unknown): boolean {
  return error instanceof SmbStatusError && error.shareFull;
}
