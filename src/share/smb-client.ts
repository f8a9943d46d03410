import { createNtlmProvider } from "../auth/ntlm.ts";
import type { AuthProvider } from "../auth/provider.ts";
import { ignoreRejection } from "../base/async.ts";
import { type CanonicalPath, canonicalPath } from "../base/path.ts";
import { filetimeToUnixMs } from "../codec/filetime.ts";
import type { PoolOptions } from "../smb/pool/index.ts";
import type { ServerInfo } from "../smb/server-info.ts";
import type { Mirror } from "../watch/mirror/index.ts";
import type { ShareWatcherOptions } from "../watch/options.ts";
import type { DirectoryEntry, EntryInfo } from "../watch/source.ts";
import { type MirrorOptions, mirrorShare } from "./direct-mirror.ts";
import { Share } from "./share.ts";
import { WatchStream, type WatchStreamOptions } from "./watch-stream.ts";

export interface SmbClientOptions {
  /** Name or address. */
  readonly server: string;
  /** Default 445. */
  readonly port?: number;
  readonly share: string;
  /** Directory of the share that `/` means. Default `/`. */
  readonly root?: string;
  readonly username?: string;
  /** Default `""`: the server's own accounts, or a name of the form `user@domain`. */
  readonly domain?: string;
  readonly password?: string | (() => string);
  /** Instead of username and password: any other way to log in. */
  readonly auth?: AuthProvider;
  /** Names with private-use stand-ins are told with the characters these stand for (`a:b`, as macOS shows it). Default true. */
  readonly mapReserved?: boolean;
  /** Dialects, signing, encryption, timeouts, … of the SMB engine. */
  readonly smb?: Partial<Omit<PoolOptions, "host" | "port" | "share" | "root" | "auth">>;
  /** Cover, filters, rescans, … of the watch engine. */
  readonly watch?: ShareWatcherOptions;
}

export interface SmbEntry {
  readonly name: string;
  readonly type: "file" | "directory";
  /** Bytes. */
  readonly size: number;
  readonly modified: Date;
  readonly created: Date;
  /** `undefined` where the server gives none. */
  readonly fileId: bigint | undefined;
}

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A client for one SMB share: watch, list, stat. Reconnects by itself; a watch survives whatever happens to
 * the server and announces every gap. No npm package below it.
 *
 * ```ts
 * await using client = await SmbClient.connect({ server: "nas", share: "media", username: "me", password });
 * for await (const event of client.watch("/Photos", { recursive: true })) console.log(event);
 * ```
 */
export class SmbClient {
  readonly #share: Share;
  readonly #caseSensitive: boolean;

  private constructor(share: Share, caseSensitive: boolean) {
    this.#share = share;
    this.#caseSensitive = caseSensitive;
  }

  /**
   * Logs in. @throws SourceError `credentials` after one refused login, `denied`, or `gone` for no such share;
   * AbortedError. Without a signal it waits for an absent server for ever.
   */
  static async connect(options: SmbClientOptions, { signal }: Cancellable = {}): Promise<SmbClient> {
    const { username = "", domain = "", password = "", auth, smb, watch, mapReserved = true } = options;
    const share = new Share({
      smb: {
        ...smb,
        host: options.server,
        port: options.port ?? 445,
        share: options.share,
        root: canonicalPath(options.root ?? "/"),
        auth: auth ?? createNtlmProvider({ username, domain, password }),
      },
      watch: watch ?? {},
      mapReserved,
    });
    try {
      await share.connect({ signal });
    } catch (error) {
      await share.close();
      throw error;
    }
    return new SmbClient(share, watch?.caseSensitive ?? false);
  }

  /** What was negotiated. */
  get server(): ServerInfo | undefined {
    return this.#share.info().server;
  }

  /**
   * Events of a directory: first `live`, then `changes`, `resync` and `state` for as long as it is iterated.
   * Ends by `break`, by the signal, or by `close`. @throws SourceError from the iteration when the first
   * attempt fails for a reason that does not heal by itself.
   */
  watch(path: string, options: WatchStreamOptions = {}): WatchStream {
    ignoreRejection(this.#share.hurry());
    return new WatchStream(this.#share.watches, canonicalPath(path), options);
  }

  /**
   * A picture of a directory, or of a tree, that is kept right: what is there, then every change, in one order. Ends with
   * `close`, with the signal, or with the client. `ready` rejects with SourceError for what does not heal by itself.
   */
  mirror(path: string, options: MirrorOptions = {}): Mirror {
    return mirrorShare(this.#share.watches, canonicalPath(path), {
      ...options,
      caseSensitive: this.#caseSensitive,
    });
  }

  /** Entries of one directory, in the server's order. @throws SourceError, BadPathError, AbortedError */
  async *list(path: string, options: Cancellable = {}): AsyncGenerator<SmbEntry, void> {
    for await (const page of this.#share.list(path, options)) {
      for (const entry of page) yield entryOf(entry.name, entry);
    }
  }

  /** @throws SourceError `gone` when there is nothing, BadPathError, AbortedError */
  async stat(path: string, options: Cancellable = {}): Promise<SmbEntry> {
    const canonical: CanonicalPath = canonicalPath(path);
    return entryOf(
      canonical.slice(canonical.lastIndexOf("/") + 1),
      await this.#share.stat(canonical, options),
    );
  }

  /** Ends all watches and says goodbye to the server. Idempotent. */
  close(): Promise<void> {
    return this.#share.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function entryOf(name: string, info: EntryInfo | DirectoryEntry): SmbEntry {
  return {
    name,
    type: info.type,
    size: info.size,
    modified: new Date(filetimeToUnixMs(info.modified)),
    created: new Date(filetimeToUnixMs(info.created)),
    fileId: info.fileId,
  };
}
