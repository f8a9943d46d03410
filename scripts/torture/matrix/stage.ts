import { type Dirent, lstatSync, readdirSync, realpathSync, type Stats } from "node:fs";
import { join } from "node:path";
import { joinPath, parentOf } from "../../../src/base/path.ts";
import type { Samba } from "../../lab/samba.ts";
import type { Chance } from "../chance.ts";
import type { Ground } from "../changes.ts";
import type { Journal } from "../journal.ts";
import type { ShareClient } from "./share-client.ts";

/** Clocks of file systems tick every few milliseconds, and so may lag behind ours. */
const TICK_MS = 25;

/** What the special operations of a configuration work with. */
export class Stage {
  readonly samba: Samba;
  readonly chance: Chance;
  readonly ground: Ground;
  readonly #journal: Journal;
  readonly #share: string;
  readonly #refused = new Set<string>();
  readonly #quiet = new Set<string>();
  #serial = 0;

  constructor(samba: Samba, chance: Chance, journal: Journal, ground: Ground, share: string) {
    this.samba = samba;
    this.chance = chance;
    this.ground = ground;
    this.#journal = journal;
    this.#share = share;
  }

  /** On the disk. */
  real(path: string): string {
    return join(this.samba.path(), path);
  }

  /** A new name, so that what it becomes can be followed. */
  fresh(stem: string): string {
    return `${stem}-${++this.#serial}`;
  }

  /** A directory at or below the watched one; links are not followed. */
  directory(): string {
    let path = this.ground.watched;
    while (this.chance.happens(0.4)) {
      const below = this.#entries(path).filter((entry) => entry.isDirectory());
      if (below.length === 0) break;
      path = joinPath(path, this.chance.pick(below).name);
    }
    return path;
  }

  /** An entry at or below the watched directory that is of this kind. */
  existing(kind: "file" | "directory" | "link"): string | undefined {
    const at = this.directory();
    const found = this.#entries(at).filter((entry) =>
      kind === "file" ? entry.isFile() : kind === "directory" ? entry.isDirectory() : entry.isSymbolicLink(),
    );
    return found.length === 0 ? undefined : joinPath(at, this.chance.pick(found).name);
  }

  /** Does it on the disk, and writes down what. What proves impossible counts for nothing. */
  local(text: string, paths: readonly string[], act: () => void): void {
    this.#journal.add("change", `local ${text}`, paths);
    try {
      act();
    } catch (error) {
      this.#journal.add("note", `impossible: ${(error as Error).message}`, paths);
    }
  }

  /** By another client, on the configuration's share or another one. */
  async smb(commands: string, paths: readonly string[], share: string = this.#share): Promise<void> {
    this.#journal.add("change", `smb ${commands}`, paths);
    await this.samba.smbclient(commands, share).catch((error: unknown) => {
      this.#journal.add("note", `smbclient: ${String((error as { stdout?: unknown }).stdout).trim()}`, paths);
    });
  }

  /** Whether a path leads somewhere else than back to a directory above it: consumers do not enter the others. */
  readonly enters = (path: string): boolean => {
    const own = resolved(this.real(path));
    if (own === undefined) return true;
    for (let at = path; at !== "/"; at = parentOf(at)) {
      if (resolved(this.real(parentOf(at))) === own) return false;
    }
    return true;
  };

  isLink(path: string): boolean {
    return this.#lstat(path)?.isSymbolicLink() === true;
  }

  /** Last write in ms since the epoch: more exact than smbclient shows it, where it is the same. */
  modified(path: string, listed: number): number {
    const found = this.#lstat(path);
    if (found?.isFile() !== true || Math.floor(found.mtimeMs / 1_000) * 1_000 !== listed) return listed;
    return found.mtimeMs - TICK_MS;
  }

  /** These directories may not be listed now. `anew`: all is well, and what was refused or changed before is history. */
  refused(paths: readonly string[], { anew }: { readonly anew: boolean }): void {
    if (anew) {
      this.#refused.clear();
      this.#quiet.clear();
    }
    for (const path of paths) this.#refused.add(path);
  }

  /**
   * Whether nothing but a comparison of everything shows what becomes of it: a link comes and goes with what it leads
   * to; a change of mode made on the server itself moves no last write, and some programs set it back.
   */
  foundByComparing(path: string): boolean {
    for (let at = path; at !== "/"; at = parentOf(at)) {
      if (this.#refused.has(at) || this.#quiet.has(at)) return true;
    }
    return this.isLink(path);
  }

  /** As `local`, where no last write of a directory says so in the end, of the first path and what is below it. */
  quietly(text: string, paths: readonly [string, ...string[]], act: () => void): void {
    this.#quiet.add(paths[0]);
    this.local(text, paths, act);
  }

  /** `undefined` also where what is above it is no directory, or not here by this name. */
  #lstat(path: string): Stats | undefined {
    try {
      return lstatSync(this.real(path));
    } catch {
      return undefined;
    }
  }

  #entries(path: string): Dirent[] {
    try {
      return readdirSync(this.real(path), { withFileTypes: true });
    } catch {
      return [];
    }
  }
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** What a share lists to an account, by another client; and which directories it may not list. */
export interface ShareTruth {
  readonly entries: ReadonlyMap<string, { readonly directory: boolean; readonly changedAt: number }>;
  readonly refused: readonly string[];
}

/** `undefined` where the directory itself is not there. */
export async function shareTruth(client: ShareClient, stage: Stage): Promise<ShareTruth | undefined> {
  const entries = new Map<string, { directory: boolean; changedAt: number }>();
  const refused: string[] = [];
  const visit = async (at: string): Promise<boolean> => {
    const listed = await client.list(at);
    if (listed === "refused") refused.push(at);
    if (listed === undefined || listed === "refused") return listed !== undefined;
    for (const { name, directory, modified } of listed) {
      const full = joinPath(at, name);
      // The content behind a link changes elsewhere, untold: docs/watching.md names that limit.
      entries.set(full, {
        directory,
        changedAt: directory || stage.isLink(full) ? 0 : stage.modified(full, modified),
      });
      if (directory && stage.enters(full)) await visit(full);
    }
    return true;
  };
  return (await visit(stage.ground.watched)) ? { entries, refused } : undefined;
}
