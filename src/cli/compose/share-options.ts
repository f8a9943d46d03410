import type { AuthProvider } from "../../auth/provider.ts";
import type { ConnectionConfig, NotifyFilter } from "../../ops/config/index.ts";
import type { ShareOptions } from "../../share/share.ts";
import { DIALECTS, dialectName } from "../../smb/options.ts";

/** FILE_NOTIFY_CHANGE_* (MS-SMB2 2.2.35). */
const FILTER_BITS: Readonly<Record<NotifyFilter, number>> = {
  names: 0x003,
  "file-names": 0x001,
  "directory-names": 0x002,
  attributes: 0x004,
  size: 0x008,
  "last-write": 0x010,
  "last-access": 0x020,
  creation: 0x040,
  ea: 0x080,
  security: 0x100,
  "stream-names": 0x200,
  "stream-size": 0x400,
  "stream-write": 0x800,
};

/** In the terms of the engines. */
export function filterBits(filters: readonly NotifyFilter[]): number {
  return filters.reduce((bits, one) => bits | FILTER_BITS[one], 0);
}

/** A connection of the configuration in the terms of the engines. */
export function shareOptions(name: string, settings: ConnectionConfig, auth: AuthProvider): ShareOptions {
  const oldest = DIALECTS.findIndex((dialect) => dialectName(dialect) === settings.minDialect);
  return {
    smb: {
      label: name,
      host: settings.server,
      port: settings.port,
      share: settings.share,
      root: settings.root,
      auth,
      dialects: DIALECTS.slice(oldest),
      signing: settings.signing,
      encryption: settings.encryption,
      compound: settings.compound,
    },
    watch: {
      label: name,
      cover: settings.cover,
      filter: filterBits(settings.notify),
      caseSensitive: settings.caseSensitive,
      stat: settings.stat,
      settleMs: settings.settleMs,
      ready: settings.ready,
      rescanMinutes: settings.rescanMinutes,
      pollSeconds: settings.pollSeconds,
      maxEntries: settings.maxEntries,
      maxReady: settings.maxReady,
      maxHandles: settings.maxHandles,
    },
  };
}
