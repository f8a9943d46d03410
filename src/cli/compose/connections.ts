import type { AuthProvider } from "../../auth/provider.ts";
import { canonicalPath } from "../../base/path.ts";
import type { Config, ConnectionConfig, PinnedWatch } from "../../ops/config/index.ts";
import type { Log } from "../../ops/log.ts";
import type { Metrics } from "../../ops/metrics.ts";
import { readSecretFile, type Secret } from "../../ops/secrets.ts";
import { Share } from "../../share/share.ts";
import type { ConnectionRuntime } from "../../worker/runtime.ts";
import { authProvider } from "./auth.ts";
import { countedWatch } from "./counted-watch.ts";
import { pinnedOptions, pinsOf } from "./pinned-options.ts";
import type { Reload } from "./service.ts";
import { shareOptions } from "./share-options.ts";

interface Live {
  readonly settings: ConnectionConfig;
  readonly pins: readonly PinnedWatch[];
  readonly share: Share;
  readonly runtime: ConnectionRuntime;
}

const FIRST: Reload = { changedFiles: new Set(), asked: false };

export interface ConnectionSetOptions {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Password of a connection named on the command line. */
  readonly prompted?: { readonly connection: string; readonly password: Secret } | undefined;
}

/** The configured shares as the worker wants them; follows the configuration while it runs. */
export class ConnectionSet {
  readonly #options: ConnectionSetOptions;
  readonly #live = new Map<string, Live>();
  #obsolete: Share[] = [];

  constructor(options: ConnectionSetOptions) {
    this.#options = options;
  }

  get runtimes(): ReadonlyMap<string, ConnectionRuntime> {
    return new Map([...this.#live].map(([name, { runtime }]) => [name, runtime]));
  }

  share(name: string): Share | undefined {
    return this.#live.get(name)?.share;
  }

  /**
   * Takes a configuration. All secrets are read before anything changes, so a file that cannot be read leaves
   * everything as it was. A connection whose settings stay gets its new password in place; one whose settings, or
   * the options of whose pinned watches, changed becomes another object, and the former is closed by `closeObsolete`.
   * One whose secret was written anew logs in at once where it had been refused; `asked`: all do.
   * @throws SecretError
   */
  async apply(config: Config, { changedFiles, asked }: Reload = FIRST): Promise<void> {
    const next: {
      readonly name: string;
      readonly settings: ConnectionConfig;
      readonly auth: AuthProvider;
    }[] = [];
    for (const [name, settings] of Object.entries(config.connections)) {
      next.push({ name, settings, auth: authProvider(name, settings, await this.#password(name, settings)) });
    }
    for (const [name, { share }] of this.#live) {
      if (config.connections[name] !== undefined) continue;
      this.#obsolete.push(share);
      this.#live.delete(name);
    }
    for (const { name, settings, auth } of next) {
      const live = this.#live.get(name);
      const pins = pinsOf(name, config.watches);
      if (live !== undefined && same(live.settings, settings) && same(live.pins, pins)) {
        const rotated = [settings.passwordFile, settings.keytabFile].some((file) =>
          changedFiles.has(file ?? ""),
        );
        if (!rotated && !asked) continue;
        if (rotated) {
          this.#options.log.info("config.credentials", "the next login uses the new secret", {
            connection: name,
          });
        }
        live.share.replaceAuth(auth);
        continue;
      }
      if (live !== undefined) this.#obsolete.push(live.share);
      this.#live.set(name, this.#open(name, settings, pins, auth));
    }
  }

  /** After the worker has let them go. */
  async closeObsolete(): Promise<void> {
    await Promise.allSettled(this.#obsolete.splice(0).map((share) => share.close()));
  }

  async close(): Promise<void> {
    const shares = [...this.#live.values()].map(({ share }) => share);
    this.#live.clear();
    await Promise.allSettled([...shares.map((share) => share.close()), this.closeObsolete()]);
  }

  #open(name: string, settings: ConnectionConfig, pins: readonly PinnedWatch[], auth: AuthProvider): Live {
    const share = new Share(shareOptions(name, settings, auth));
    const runtime: ConnectionRuntime = {
      name,
      caseSensitive: settings.caseSensitive,
      sourceUrl: share.url,
      identity: share.url + canonicalPath(settings.root),
      watches: countedWatch(share.watches, name, this.#options.metrics.watch),
      overrides: pinnedOptions(pins, settings.caseSensitive),
      quietMs: Math.max(settings.settleMs, ...pins.map(({ settleMs = 0 }) => settleMs)) + 250,
      list: (request, options) => share.page(request, options),
      stat: (path, options) => share.source.stat(path, options),
      barred: () => share.barred,
      close: () => share.close(),
    };
    return { settings, pins, share, runtime };
  }

  async #password(name: string, { passwordFile }: ConnectionConfig): Promise<Secret | undefined> {
    const { prompted } = this.#options;
    if (prompted?.connection === name) return prompted.password;
    if (passwordFile === undefined) return undefined;
    return (await readSecretFile(passwordFile)).secret;
  }
}

function same<T>(a: T, b: T): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
