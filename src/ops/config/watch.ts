import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Clock, systemClock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { type LoadedConfig, type LoadOptions, loadConfig } from "./config.ts";
import { namedFiles } from "./secret-files.ts";

export interface ConfigWatchOptions {
  readonly load: LoadOptions;
  readonly initial: LoadedConfig;
  /**
   * The configuration, or what stands in a file it names, is another, or a secret was written anew; `config` is checked.
   * `asked`: somebody wants it to be taken up now, changed or not.
   */
  readonly onChange: (loaded: LoadedConfig, changed: readonly string[], asked: boolean) => void;
  /** The new one cannot be used; the old one stays in force. Told once per content. */
  readonly onError: (error: unknown) => void;
  /** Look at all files that often, whatever the file system told, ms. Default 30,000. */
  readonly pollMs?: number;
  /** Quiet time after a change before reading, ms. Default 250. */
  readonly debounceMs?: number;
  readonly clock?: Clock;
}

/**
 * Follows the configuration file and every file it names. Directories are watched, not files: editors
 * replace files, and Kubernetes swaps a symbolic link two levels up. What decides is the content, and of secrets
 * also when they were written: who writes the same password again wants it tried. So a missed or a spurious
 * notice only costs a look; polling catches what network and overlay file systems do not tell.
 */
export class ConfigWatch {
  readonly #options: ConfigWatchOptions;
  readonly #clock: Clock;
  readonly #watchers = new Map<string, FSWatcher>();
  #current: LoadedConfig;
  #contents = new Map<string, string>();
  #cancelDebounce: (() => void) | undefined;
  #cancelPoll: (() => void) | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #asked = false;
  #closed = false;

  constructor(options: ConfigWatchOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#current = options.initial;
  }

  /** Resolves once what is there now is known: later changes are told. */
  async start(): Promise<void> {
    this.#contents = await this.#fingerprints(this.#files());
    this.#follow();
    this.#poll();
  }

  /** Looks now, changed or not: SIGHUP. */
  reload(): Promise<void> {
    this.#asked = true;
    return this.#check();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelDebounce?.();
    this.#cancelPoll?.();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#reading;
  }

  #files(): string[] {
    const { file } = this.#options.load;
    return [...(file === undefined ? [] : [file]), ...namedFiles(this.#current).map(({ path }) => path)];
  }

  #follow(): void {
    const wanted = new Set(this.#files().map((file) => dirname(file)));
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => {
          if (name === null || this.#concerns(folder, name)) this.#soon();
        });
        // Folder removed, or out of inotify watches: polling goes on.
        watcher.on("error", () => {
          watcher.close();
          this.#watchers.delete(folder);
        });
        this.#watchers.set(folder, watcher);
      } catch {
        // The same, at the start.
      }
    }
  }

  /** `..data` is the link that Kubernetes swaps. */
  #concerns(folder: string, name: string): boolean {
    return (
      name.startsWith("..") ||
      this.#files().some((file) => dirname(file) === folder && basename(file) === name)
    );
  }

  #soon(): void {
    if (this.#closed) return;
    this.#cancelDebounce?.();
    this.#cancelDebounce = this.#clock.after(this.#options.debounceMs ?? 250, () => void this.#check(), {
      unref: true,
    });
  }

  #poll(): void {
    if (this.#closed) return;
    const again = (): void => void this.#check().then(() => this.#poll());
    this.#cancelPoll = this.#clock.after(this.#options.pollMs ?? 30_000, again, { unref: true });
  }

  /** One look at a time; a change during one causes another. Never rejects. */
  #check(): Promise<void> {
    if (this.#reading !== undefined) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#soon();
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    if (this.#closed) return;
    const asked = this.#asked;
    this.#asked = false;
    const contents = await this.#fingerprints(this.#files());
    const changed = [...contents]
      .filter(([file, hash]) => this.#contents.get(file) !== hash)
      .map(([file]) => file);
    if ((changed.length === 0 && !asked) || this.#closed) return;
    // Remembered before it is judged: a broken file is told once, not at every poll.
    this.#contents = contents;
    try {
      this.#current = loadConfig(this.#options.load);
      // A file named only now was not looked at: what stands in it is the first picture.
      const known = this.#contents;
      const added = this.#files().filter((file) => !known.has(file));
      for (const [file, hash] of await this.#fingerprints(added)) {
        known.set(file, hash);
      }
      this.#follow();
      if (!this.#closed) this.#options.onChange(this.#current, changed, asked);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  async #fingerprints(files: readonly string[]): Promise<Map<string, string>> {
    const secrets = new Set(namedFiles(this.#current).flatMap(({ path, secret }) => (secret ? [path] : [])));
    const found = new Map<string, string>();
    for (const file of files) found.set(file, await fingerprint(file, secrets.has(file)));
    return found;
  }
}

async function fingerprint(file: string, secret: boolean): Promise<string> {
  try {
    const hash = createHash("sha256")
      .update(await readFile(file))
      .digest("base64");
    if (!secret) return hash;
    const { ino, mtimeNs } = await stat(file, { bigint: true });
    return `${hash} ${ino} ${mtimeNs}`;
  } catch (error) {
    return errorCode(error);
  }
}
