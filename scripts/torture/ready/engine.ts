import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { type CanonicalPath, canonicalPath, foldCase, joinPath } from "../../../src/base/path.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchHandle } from "../../../src/watch/api.ts";
import type { ChangesEvent, WatchEvent } from "../../../src/watch/events.ts";
import type { CoverPolicy } from "../../../src/watch/interest.ts";
import type { CheckpointDirectory } from "../../../src/watch/picture/index.ts";
import { type ReadyRecord, ReadyReplay } from "../../../src/watch/ready/index.ts";
import type { ReadyOptions } from "../../../src/watch/ready-options.ts";
import type { Samba } from "../../lab/samba.ts";
import type { Told } from "./judge.ts";

const TOP = canonicalPath("/in");
/** Shorter than the defaults, so that a run is dense. */
const TIMEOUTS = {
  ...{ connectMs: 2_000, requestMs: 5_000, echoMs: 1_000 },
  ...{ deadMs: 5_000, closeMs: 500, cancelMs: 1_000 },
};
const CHECKPOINT_MS = 700;
const RESCAN_SECONDS = 6;

/** What an owner leaves. */
interface Estate {
  readonly directories: readonly CheckpointDirectory[] | undefined;
  readonly ready: ReadyRecord;
}

interface Running {
  readonly share: Share;
  readonly handle: WatchHandle;
  readonly stop: AbortController;
  readonly timer: NodeJS.Timeout;
  /** As last stored, and what was told since: what a successor has after a crash. */
  stored: Estate | undefined;
  since: ChangesEvent[];
}

export interface EngineOptions {
  readonly samba: Samba;
  /** Where the engine finds the server. */
  readonly port: number;
  readonly ready: ReadyOptions;
  readonly cover: CoverPolicy;
  readonly tell: (told: Told) => void;
}

/** The watch engine with an owner that comes and goes, and leaves what a worker leaves. */
export class Engine {
  readonly #options: EngineOptions;
  #running: Running | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  async start(estate?: Estate): Promise<void> {
    const { samba, port, ready, cover } = this.#options;
    const auth = createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain });
    const backoff = { initialMs: 50, maxMs: 500 };
    const share = new Share({
      smb: { host: "127.0.0.1", port, share: "share", auth, timeouts: TIMEOUTS, backoff },
      // A recursive handle does not tell of what files hold: then it is looked for.
      watch: cover === "directory" ? { cover } : { cover, rescanMinutes: RESCAN_SECONDS / 60 },
    });
    const stop = new AbortController();
    await share.connect({ signal: stop.signal });
    const handle = share.watches.watch({ path: TOP, recursive: true }, (event) => this.#hear(event), {
      ready,
      ...(estate?.directories === undefined ? {} : { checkpoint: estate.directories }),
    });
    const timer = setInterval(() => this.#store(), CHECKPOINT_MS);
    this.#running = { share, handle, stop, timer, stored: estate, since: [] };
    if (estate !== undefined) handle.ready?.adopt(estate.ready);
    await handle.live;
    if (estate !== undefined && estate.directories === undefined) await this.#expect(TOP, true);
  }

  /** Ends in good order. */
  async stop(): Promise<Estate | undefined> {
    const running = this.#running;
    if (running === undefined) return undefined;
    running.handle.release?.();
    const directories = running.handle.checkpoint?.();
    const ready = running.handle.ready?.record ?? { waiting: [], told: [] };
    await this.#end(running);
    return { directories, ready };
  }

  /** Ends, and leaves what it had stored some time ago, and what it had told. */
  async crash(): Promise<Estate | undefined> {
    const running = this.#running;
    if (running === undefined) return undefined;
    const { stored, since } = running;
    await this.#end(running);
    const empty: ReadyRecord = { waiting: [], told: [] };
    const replay = new ReadyReplay(stored?.ready ?? empty, foldCase);
    for (const { path, changes } of since) replay.changes(path, changes);
    return { directories: stored?.directories, ready: replay.record };
  }

  async #end(running: Running): Promise<void> {
    this.#running = undefined;
    clearInterval(running.timer);
    running.stop.abort();
    await running.handle.close();
    await running.share.close();
  }

  #store(): void {
    const running = this.#running;
    const directories = running?.handle.checkpoint?.();
    const ready = running?.handle.ready?.record;
    if (running === undefined || directories === undefined || ready === undefined) return;
    running.stored = { directories, ready };
    running.since = [];
  }

  #hear(event: WatchEvent): void {
    if (event.type === "resync") void this.#expect(event.path, event.scope === "subtree");
    if (event.type !== "changes") return;
    this.#running?.since.push(event);
    const at = Date.now();
    for (const change of event.changes) {
      if (change.action !== "ready") continue;
      const { name, size = -1, modified = "", fileId, closed = false } = change;
      const path = joinPath(event.path, name).slice(1);
      this.#options.tell({ path, size, modified, fileId, closed, at });
    }
  }

  /** What consumers do at a `resync`: they list. */
  async #expect(top: CanonicalPath, recursive: boolean): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { share, handle, stop } = running;
    const { signal } = stop;
    while (!signal.aborted) {
      try {
        const found: CanonicalPath[] = [];
        const left = [top];
        for (let path = left.pop(); path !== undefined; path = left.pop())
          for await (const page of share.list(path, { signal }))
            for (const { name, type } of page) {
              if (type === "file") found.push(joinPath(path, name));
              else if (recursive) left.push(joinPath(path, name));
            }
        handle.ready?.expect(found);
        return;
      } catch {
        await share.ready({ signal }).catch(() => undefined);
      }
    }
  }
}
