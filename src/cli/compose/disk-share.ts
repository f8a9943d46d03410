import { statfsSync } from "node:fs";
import type { LoadedConfig, NatsConfig } from "../../ops/config/index.ts";
import { EmbeddedNatsError } from "../embedded-nats.ts";

/** Of what is free, JetStream on our own server may reserve that much; a disk is never ours alone. */
const SHARE = 0.5;
const MIB = 1_048_576;
/** Less is of no use: an event is about 1 KiB, a claim 300 bytes. */
const LEAST = 16 * MIB;

const SIZES = ["stream", "watches", "checkpoints"] as const;

/**
 * The sizes for a server of our own: those that are configured; the defaults, or smaller ones in the same proportion
 * where half of the free disk is less.
 * @param freeBytes - for tests.
 * @throws EmbeddedNatsError where the disk is as good as full.
 */
export function sizesForDisk(
  { config, origins }: Pick<LoadedConfig, "config" | "origins">,
  dataDir: string,
  freeBytes: number = freeBytesOf(dataDir),
): NatsConfig {
  const { nats, worker } = config;
  const wanted = SIZES.filter((name) => name !== "checkpoints" || worker.checkpointSeconds > 0);
  const isSet = (name: (typeof SIZES)[number]): boolean =>
    (origins.get(`nats.${name}.maxBytes`)?.source ?? "default") !== "default";
  const open = wanted.filter((name) => !isSet(name));
  const sum = open.reduce((total, name) => total + nats[name].maxBytes, 0);
  const share = Math.floor(freeBytes * SHARE);
  if (sum <= share || open.length === 0) return nats;
  if (share < LEAST) {
    throw new EmbeddedNatsError(
      `${dataDir} has ${freeBytes} bytes free: the events of a private nats-server need ${2 * LEAST}. Make room, set XDG_STATE_HOME to a folder elsewhere, or set ${open.map((name) => `nats.${name}.maxBytes`).join(", ")}`,
    );
  }
  const scale = share / sum;
  const scaled = Object.fromEntries(
    open.map((name) => {
      const maxBytes = Math.max(MIB, Math.floor(nats[name].maxBytes * scale));
      return [name, { ...nats[name], maxBytes }];
    }),
  );
  return { ...nats, ...scaled };
}

function freeBytesOf(dataDir: string): number {
  const { bavail, bsize } = statfsSync(dataDir);
  return bavail * bsize;
}
