import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { baseName, foldCase, joinPath, parentOf } from "../../src/base/path.ts";
import type { Samba } from "../lab/samba.ts";
import type { Chance } from "./chance.ts";
import type { Journal } from "./journal.ts";
import { anyName, canBeTyped, type NameOptions, otherCase } from "./names.ts";
import { isFolder } from "./truth.ts";

/** Deeper directories are not made: paths have an end. */
const DEEPEST = 6;
const SIZES = [0, 1, 700, 70_000];

const PLAIN_NAMES: NameOptions = { reserved: false };

/** What is done on the disk, by weight. */
const LOCAL = {
  write: 30,
  append: 10,
  mkdir: 12,
  rename: 15,
  move: 10,
  remove: 14,
  tree: 5,
  touch: 4,
} as const;

/** Where changes go: mostly below what is watched, sometimes beside it, so that things move in and out. */
export interface Ground {
  /** Share-relative. */
  readonly watched: string;
  readonly outside: string;
}

export interface ChangeCounts {
  smb: number;
  local: number;
}

/** Makes random changes on a share: on the server's own disk, and as another SMB client. */
export class Changer {
  readonly counts: ChangeCounts = { smb: 0, local: 0 };
  readonly #samba: Samba;
  readonly #chance: Chance;
  readonly #journal: Journal;
  readonly #ground: Ground;
  readonly #names: NameOptions;
  readonly #share: string | undefined;
  readonly #payloads: string[];
  #serial = 0;
  readonly #local: Readonly<Record<keyof typeof LOCAL, () => void>> = {
    write: () => this.#write(this.#target()),
    append: () => this.#append(),
    mkdir: () => this.#mkdir(this.#target(PLAIN_NAMES)),
    rename: () => this.#rename(),
    move: () => this.#move(),
    remove: () => this.#remove(),
    tree: () => this.#tree(),
    touch: () => this.#touch(),
  };

  /** @param share that the other client uses; default the first */
  constructor(
    samba: Samba,
    chance: Chance,
    journal: Journal,
    ground: Ground,
    names: NameOptions,
    share?: string,
  ) {
    this.#share = share;
    this.#samba = samba;
    this.#chance = chance;
    this.#journal = journal;
    this.#ground = ground;
    this.#names = names;
    this.#payloads = SIZES.map((size) => {
      const file = join(samba.dir, `payload-${size}`);
      writeFileSync(file, "p".repeat(size));
      return file;
    });
  }

  /** One change on the disk. What proves impossible counts for nothing. */
  local(): void {
    try {
      this.#local[this.#chance.weighted(LOCAL)]();
    } catch {
      // Something else was quicker, or is in the way.
    }
  }

  /** `count` files at once in one directory, and away again, mostly. */
  burst(count: number): void {
    const stem = `burst-${++this.#serial}-${"x".repeat(this.#chance.between(0, 60))}`;
    try {
      const directory = this.#directory(this.#ground.watched);
      this.#note(`burst of ${count} in ${directory}`, [directory]);
      for (let i = 0; i < count; i++) writeFileSync(this.#real(joinPath(directory, `${stem}-${i}`)), "");
      this.counts.local += count;
      if (this.#chance.happens(0.3)) return;
      for (let i = 0; i < count; i++) {
        if (i % 10 !== 0) unlinkSync(this.#real(joinPath(directory, `${stem}-${i}`)));
      }
      this.counts.local += count;
    } catch {
      // The directory went away meanwhile.
    }
  }

  /** Up to `count` changes by smbclient, in one session. */
  async smb(count: number): Promise<void> {
    const commands: string[] = [];
    for (let i = 0; i < count; i++) {
      const command = this.#command();
      if (command !== undefined) commands.push(command);
    }
    if (commands.length === 0) return;
    for (const command of commands) this.#journal.add("change", `smb ${command}`, pathsIn(command));
    let output = "";
    try {
      output = await this.#samba.smbclient(commands.join("; "), this.#share);
    } catch (error) {
      // Commands may fail, servers may die under them; smbclient then ends with an error after the rest.
      output = String((error as { stdout?: unknown }).stdout ?? "session setup failed");
    }
    // A client that is never let in makes no change, and a run with it is not what it says.
    if (output.includes("NT_STATUS_LOGON_FAILURE")) throw new Error(`the other client is refused: ${output}`);
    if (/session setup failed|Connection to .* failed/.test(output)) return;
    const failed = output.match(/NT_STATUS_/g)?.length ?? 0;
    this.counts.smb += Math.max(0, commands.length - failed);
  }

  /** Everything that was made outside, so that runs do not grow without end. */
  tidy(): void {
    const outside = this.#real(this.#ground.outside);
    for (const name of readdirSync(outside)) rmSync(join(outside, name), { recursive: true, force: true });
    const { watched } = this.#ground;
    const names = readdirSync(this.#real(watched));
    if (names.length < 150) return;
    this.#note(`tidy ${watched}`, [watched]);
    for (const name of names) {
      if (!name.startsWith("burst-")) continue;
      unlinkSync(join(this.#real(watched), name));
      this.counts.local++;
    }
  }

  #command(): string | undefined {
    const chance = this.#chance;
    const quote = (path: string): string => `"${path.slice(1)}"`;
    const existing = this.#existing();
    const target = this.#target();
    if (!canBeTyped(target) || (existing !== undefined && !canBeTyped(existing))) return undefined;
    const kind = chance.weighted({
      put: 40,
      mkdir: 15,
      rename: 20,
      del: 12,
      rmdir: 4,
      deltree: 5,
      setmode: 4,
    });
    switch (kind) {
      case "put":
        return `put "${chance.pick(this.#payloads)}" ${quote(chance.happens(0.5) ? (existing ?? target) : target)}`;
      case "mkdir":
        return `mkdir ${quote(target)}`;
      case "rename":
        return existing === undefined ? undefined : `rename ${quote(existing)} ${quote(target)}`;
      case "setmode":
        return existing === undefined
          ? undefined
          : `setmode ${quote(existing)} ${chance.pick(["+r", "-r", "+h", "+a"])}`;
      default:
        return existing === undefined ? undefined : `${kind} ${quote(existing)}`;
    }
  }

  #write(path: string): void {
    if (this.#clashes(path)) return;
    this.#note(`write ${path}`, [path]);
    writeFileSync(this.#real(path), "w".repeat(this.#chance.pick(SIZES)));
    this.counts.local++;
  }

  #append(): void {
    const path = this.#existing();
    if (path === undefined) return;
    this.#note(`append ${path}`, [path]);
    appendFileSync(this.#real(path), "more");
    this.counts.local++;
  }

  #touch(): void {
    const path = this.#existing();
    if (path === undefined) return;
    this.#note(`touch ${path}`, [path]);
    // Never the same twice: set back to what it was, a directory's time hides what happened in it for five minutes, as documented.
    utimesSync(this.#real(path), 1_000_000_000, 1_000_000_000 + ++this.#serial);
    this.counts.local++;
  }

  #mkdir(path: string): void {
    if (this.#clashes(path)) return;
    this.#note(`mkdir ${path}`, [path]);
    mkdirSync(this.#real(path));
    this.counts.local++;
  }

  #rename(): void {
    const from = this.#existing();
    if (from === undefined) return;
    const parent = parentOf(from);
    const name = this.#chance.happens(0.15)
      ? otherCase(baseName(from))
      : anyName(this.#chance, this.#namesFor(from));
    this.#relocate(from, joinPath(parent, name));
  }

  #move(): void {
    const from = this.#existing();
    if (from !== undefined) this.#relocate(from, this.#target(this.#namesFor(from)));
  }

  #relocate(from: string, to: string): void {
    const again = foldCase(from) === foldCase(to);
    if (from === to || to.startsWith(`${from}/`) || (!again && this.#clashes(to))) return;
    this.#note(`rename ${from} > ${to}`, [from, to]);
    renameSync(this.#real(from), this.#real(to));
    this.counts.local++;
  }

  #remove(): void {
    const path = this.#existing();
    if (path === undefined) return;
    if (this.#chance.happens(0.7)) {
      this.#note(`remove ${path}`, [path]);
      rmSync(this.#real(path), { recursive: true });
    } else {
      this.#note(`rmdir ${path}`, [path]);
      rmdirSync(this.#real(path));
    }
    this.counts.local++;
  }

  /** Makes a whole tree: outside, to be moved in, or in place, as fast as it goes. */
  #tree(): void {
    const chance = this.#chance;
    const place = chance.happens(0.6) ? this.#ground.outside : this.#directory(this.#ground.watched);
    const top = joinPath(place, `tree-${++this.#serial}`);
    const directories = [top];
    this.#note(`tree ${top}`, [top]);
    mkdirSync(this.#real(top));
    for (let i = chance.between(0, 30); i > 0; i--) {
      const folder = chance.happens(0.3);
      const path = joinPath(chance.pick(directories), anyName(chance, folder ? PLAIN_NAMES : this.#names));
      if (existsSync(this.#real(path)) || this.#clashes(path)) continue;
      if (folder) {
        if (depthOf(path) >= DEEPEST + 2) continue;
        mkdirSync(this.#real(path));
        directories.push(path);
      } else writeFileSync(this.#real(path), "leaf");
      this.counts.local++;
    }
    if (place !== this.#ground.outside) return;
    const to = joinPath(this.#directory(this.#ground.watched), baseName(top));
    this.#relocate(top, to);
    if (chance.happens(0.3)) this.#relocate(to, top);
  }

  #note(text: string, paths: readonly string[]): void {
    this.#journal.add("change", `local ${text}`, paths);
  }

  #real(path: string): string {
    return join(this.#samba.path(), path);
  }

  /** A random directory at or below `top`. */
  #directory(top: string): string {
    let path = top;
    while (depthOf(path) < DEEPEST && this.#chance.happens(0.55)) {
      const below = readdirSync(this.#real(path), { withFileTypes: true }).filter((entry) =>
        entry.isDirectory(),
      );
      if (below.length === 0) break;
      path = joinPath(path, this.#chance.pick(below).name);
    }
    return path;
  }

  /** A place for something: there may be something already. */
  #target(names: NameOptions = this.#names): string {
    const top = this.#chance.happens(0.85) ? this.#ground.watched : this.#ground.outside;
    try {
      return joinPath(this.#directory(top), anyName(this.#chance, names));
    } catch {
      return joinPath(top, anyName(this.#chance, names));
    }
  }

  #existing(): string | undefined {
    const top = this.#chance.happens(0.85) ? this.#ground.watched : this.#ground.outside;
    try {
      const directory = this.#directory(top);
      const names = readdirSync(this.#real(directory));
      return names.length === 0 ? undefined : joinPath(directory, this.#chance.pick(names));
    } catch {
      return undefined;
    }
  }

  /** No SMB client can open a directory whose name has reserved characters, so nobody can know what is in it. */
  #namesFor(path: string): NameOptions {
    return isFolder(this.#real(path)) ? PLAIN_NAMES : this.#names;
  }

  /** Two names that differ only in case would be one to the server: only the disk can hold both. */
  #clashes(path: string): boolean {
    const name = baseName(path);
    const folded = foldCase(name);
    const names = readdirSync(this.#real(parentOf(path)));
    return names.some((other) => other !== name && foldCase(other) === folded);
  }
}

function depthOf(path: string): number {
  return path.split("/").length - 1;
}

function pathsIn(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"/g)].map((match) => `/${match[1]}`);
}
