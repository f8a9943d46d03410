import { spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parentOf } from "../../src/base/path.ts";
import type { Kdc } from "../lab/kdc.ts";
import type { Samba } from "../lab/samba.ts";
import type { TcpProxy } from "../lab/tcp-proxy.ts";
import type { Chance } from "./chance.ts";
import type { Changer, Ground } from "./changes.ts";
import type { Journal } from "./journal.ts";
import { isFolder } from "./truth.ts";

/** What a fault can lay hands on. */
export interface Arena {
  readonly samba: Samba;
  /** Where logins go by Kerberos. */
  readonly kdc: Kdc | undefined;
  /** Between the engine and the server; changes by other clients do not pass it. */
  readonly proxy: TcpProxy;
  readonly chance: Chance;
  readonly journal: Journal;
  readonly changer: Changer;
  readonly ground: Ground;
  /** Silence after which the engine gives a connection up, ms. */
  readonly deadMs: number;
  /** There is time for faults that last. */
  readonly long: boolean;
}

export const FAULTS = [
  "server killed",
  "server stopped",
  "connection cut",
  "cut in mid-frame",
  "link frozen",
  "connections refused",
  "share removed",
  "directory deleted",
  "directory replaced",
  "ancestor renamed",
  "overflow",
  "own process stalled",
] as const;

/** Only where logins go by Kerberos. */
const KERBEROS_FAULTS = ["kdc away"] as const;

export type FaultName = (typeof FAULTS | typeof KERBEROS_FAULTS)[number];

export function faultsFor({ kerberos = false }: { readonly kerberos?: boolean }): readonly FaultName[] {
  return kerberos ? [...FAULTS, ...KERBEROS_FAULTS] : FAULTS;
}

/**
 * Removes a directory in which another client may make something at the same moment. `maxRetries` of rmSync tries only the
 * directory itself again and not what has come into it, and ENOTEMPTY then ended the whole run.
 */
function removeContested(path: string): void {
  for (let tries = 1; ; tries++) {
    try {
      rmSync(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY" || tries === 100) throw error;
    }
  }
}

/** Does it, and undoes it: when it returns, the world is whole again. */
export async function inject(name: FaultName, arena: Arena): Promise<void> {
  arena.journal.add("fault", `${name}: begins`);
  try {
    await ACTIONS[name](arena);
  } finally {
    arena.journal.add("fault", `${name}: over`);
  }
}

const ACTIONS: Readonly<Record<FaultName, (arena: Arena) => Promise<void>>> = {
  async "server killed"({ samba, chance }) {
    await samba.kill();
    await delay(chance.between(0, 1_500));
    await samba.start();
  },

  /** Half of the time for longer than the engine has patience, at times for longer than anybody has. */
  async "server stopped"({ samba, chance, deadMs, long }) {
    samba.pause();
    if (long && chance.happens(0.2)) await delay(45_000);
    else await delay(chance.happens(0.5) ? deadMs + chance.between(300, 2_000) : chance.between(100, 1_000));
    samba.resume();
  },

  async "connection cut"({ proxy }) {
    proxy.cut();
  },

  async "cut in mid-frame"({ proxy, chance, changer }) {
    proxy.cutAfter(chance.between(1, 3_000));
    // Something has to flow for that.
    changer.burst(chance.between(20, 60));
    await delay(300);
  },

  async "link frozen"({ proxy, chance, deadMs }) {
    proxy.freeze();
    await delay(chance.happens(0.5) ? deadMs + chance.between(300, 2_000) : chance.between(100, 1_000));
    proxy.thaw();
  },

  async "connections refused"({ proxy, chance }) {
    proxy.refuse(true);
    proxy.cut();
    await delay(chance.between(200, 2_500));
    proxy.refuse(false);
  },

  async "share removed"({ samba, chance }) {
    await samba.reconfigure({ shares: { other: {} } });
    await samba.control("smbd", "close-share", "share");
    await delay(chance.between(200, 1_500));
    await samba.reconfigure({});
  },

  async "directory deleted"({ samba, chance, ground }) {
    const { watched } = ground;
    const real = join(samba.path(), watched);
    const bySmb = chance.happens(0.5);
    if (bySmb) await quietly(samba.smbclient(`deltree "${watched.slice(1)}"`));
    removeContested(real);
    await delay(chance.between(0, 1_000));
    if (chance.happens(0.5)) await quietly(samba.smbclient(`mkdir "${watched.slice(1)}"`));
    mkdirSync(real, { recursive: true });
  },

  /** Another directory takes the place, without a moment of absence if chance wants it so. */
  async "directory replaced"({ samba, chance, ground }) {
    const { watched, outside } = ground;
    const real = join(samba.path(), watched);
    const spare = join(samba.path(), outside, "spare");
    const away = join(samba.path(), outside, "replaced");
    removeContested(away);
    removeContested(spare);
    mkdirSync(join(spare, "inner"), { recursive: true });
    renameSync(real, away);
    if (chance.happens(0.5)) await delay(chance.between(0, 800));
    try {
      renameSync(spare, real);
    } catch {
      // Another client has made one meanwhile: that is a replacement, too.
      mkdirSync(real, { recursive: true });
    }
  },

  async "ancestor renamed"({ samba, chance, ground }) {
    const ancestor = join(samba.path(), parentOf(ground.watched));
    const away = `${ancestor}-away`;
    removeContested(away);
    renameSync(ancestor, away);
    await delay(chance.between(0, 1_500));
    if (chance.happens(0.5) && !isFolder(ancestor)) renameSync(away, ancestor);
    else mkdirSync(join(samba.path(), ground.watched), { recursive: true });
  },

  /** More changes than the server keeps for a client that does not listen. */
  async overflow({ proxy, chance, changer, deadMs }) {
    proxy.freeze();
    changer.burst(chance.between(1_500, 3_000));
    await delay(Math.min(500, deadMs / 4));
    proxy.thaw();
  },

  /** Nobody can renew a ticket or log in anew; half of the time for longer than any ticket lives. */
  async "kdc away"({ kdc, proxy, chance }) {
    if (kdc === undefined) throw new Error("there is no KDC without Kerberos");
    await kdc.kill();
    if (chance.happens(0.3)) proxy.cut();
    await delay(chance.happens(0.5) ? 17_000 : chance.between(500, 5_000));
    await kdc.start();
  },

  /** While others go on changing things. */
  async "own process stalled"({ samba, chance, ground, deadMs }) {
    const folder = join(samba.path(), ground.watched);
    const ms = chance.happens(0.3) ? deadMs + 500 : chance.between(500, 2_000);
    const script = `cd "$1" && for i in 1 2 3 4 5 6 7 8 9; do echo x > stall-$i; sleep 0.1; rm -f stall-$i; done`;
    const writer = spawn("sh", ["-c", script, "sh", folder], { stdio: "ignore" });
    const ended = new Promise<void>((resolve) => writer.once("close", () => resolve()));
    await delay(20);
    const until = performance.now() + ms;
    while (performance.now() < until);
    await ended;
  },
};

async function quietly(promise: Promise<unknown>): Promise<void> {
  await promise.catch(() => undefined);
}
