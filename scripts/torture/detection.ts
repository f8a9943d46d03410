import { mkdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createNtlmProvider } from "../../src/auth/ntlm.ts";
import { Scope } from "../../src/base/scope.ts";
import { Share } from "../../src/share/share.ts";
import type { WatchHandle } from "../../src/watch/api.ts";
import type { PublicState } from "../../src/watch/events.ts";
import { type Samba, startSamba } from "../lab/samba.ts";
import { startTcpProxy } from "../lab/tcp-proxy.ts";

export interface Detection {
  readonly what: string;
  readonly seconds: number;
  /** What it depends on. */
  readonly bound: string;
}

/** How long things go unnoticed with every option at its default, one measurement each. Takes about four minutes. */
export async function detection(onStep: (text: string) => void): Promise<Detection[]> {
  const results = await Promise.all([directories(onStep), deadServer(onStep)]);
  return results.flat();
}

async function directories(onStep: (text: string) => void): Promise<Detection[]> {
  await using scope = new Scope();
  const samba = await startSamba();
  scope.defer(() => samba.stop());
  for (const path of ["by-smb", "locally", "moved", "above/below"]) {
    mkdirSync(join(samba.path(), path), { recursive: true });
  }
  const share = shareOf(samba, samba.port);
  scope.defer(() => share.close());
  const watch = async (path: string): Promise<WatchHandle> => {
    const handle = share.watches.watch({ path, recursive: false }, () => undefined);
    await handle.live;
    return handle;
  };
  const bySmb = await watch("/by-smb");
  const locally = await watch("/locally");
  const moved = await watch("/moved");
  const below = await watch("/above/below");
  // What a fresh watch looks at once more would be found by that.
  await delay(5_000);
  onStep("removing and renaming watched directories");
  const goneBySmb = samba.smbclient('rmdir "by-smb"').then(() => timed(bySmb, "gone"));
  rmdirSync(join(samba.path(), "locally"));
  renameSync(join(samba.path(), "moved"), join(samba.path(), "elsewhere"));
  renameSync(join(samba.path(), "above"), join(samba.path(), "aside"));
  const health = "health checks, every 60 s at most";
  const [smb, local, rename, ancestor] = await Promise.all([
    goneBySmb,
    timed(locally, "gone"),
    timed(moved, "gone"),
    timed(below, "gone"),
  ]);
  onStep("bringing a directory back after 20 s of absence");
  await delay(20_000);
  mkdirSync(join(samba.path(), "by-smb"));
  const back = await timed(bySmb, "live");
  return [
    { what: "watched directory removed by another SMB client", seconds: smb, bound: "the server says so" },
    { what: "watched directory removed on the server", seconds: local, bound: health },
    { what: "watched directory renamed on the server", seconds: rename, bound: health },
    { what: "ancestor of a watched directory renamed", seconds: ancestor, bound: health },
    { what: "directory back after a while", seconds: back, bound: "asked for again after 0.25 s to 30 s" },
  ];
}

async function deadServer(onStep: (text: string) => void): Promise<Detection[]> {
  await using scope = new Scope();
  const samba = await startSamba();
  scope.defer(() => samba.stop());
  const proxy = await startTcpProxy({ port: samba.port });
  scope.defer(() => proxy.close());
  const share = shareOf(samba, proxy.port);
  scope.defer(() => share.close());
  const handle = share.watches.watch({ path: "/", recursive: false }, () => undefined);
  await handle.live;
  onStep("killing the server, then silencing it");
  await samba.kill();
  const killed = await timed(handle, "unreachable");
  await samba.start();
  const started = await timed(handle, "live");
  samba.pause();
  const silent = await timed(handle, "unreachable");
  samba.resume();
  const resumed = await timed(handle, "live");
  return [
    { what: "server killed", seconds: killed, bound: "the socket closes" },
    { what: "server started again", seconds: started, bound: "backoff, 1 s and up" },
    { what: "server silent on a live socket", seconds: silent, bound: "30 s without a byte" },
    { what: "silent server back", seconds: resumed, bound: "backoff, 1 s and up" },
  ];
}

function shareOf(samba: Samba, port: number): Share {
  const auth = createNtlmProvider({ username: samba.user, password: samba.password });
  return new Share({ smb: { host: "127.0.0.1", port, share: "share", auth }, watch: { cover: "directory" } });
}

/** Seconds from now until the watch says so. @throws Error after two minutes */
async function timed(handle: WatchHandle, state: PublicState): Promise<number> {
  const began = performance.now();
  for (;;) {
    const seconds = (performance.now() - began) / 1_000;
    if (handle.state === state) return seconds;
    if (seconds > 120) throw new Error(`${handle.interest.path} is ${handle.state}, not ${state}`);
    await delay(5);
  }
}
