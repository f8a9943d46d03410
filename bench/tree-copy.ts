import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { startSamba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Share } from "../src/share/share.ts";
import { type Row, rounded, type Section } from "./stats.ts";

const run = promisify(execFile);
const FILES = 10;
const WIDE = 8;
/** Until a reader who is known cannot be listing any more. */
const GRACE_MS = 32_000;
/** No news for this long: all has been told, second looks included. */
const QUIET_MS = 10_000;

/** A tree is copied into a recursive watch: what its consumers are told, and how often they have to list. */
export async function treeCopy(directories: number): Promise<Section> {
  const samba = await startSamba();
  const share = new Share({
    smb: {
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain }),
    },
    watch: { cover: "directory" },
  });
  try {
    const model = join(samba.dir, "model");
    grow(model, directories);
    const rows: Row[] = [];
    for (const openAudience of [false, true]) {
      const name = openAudience ? "anybody may list at any time" : "one known reader";
      const target = openAudience ? "open" : "known";
      mkdirSync(join(samba.path(), target));
      let changes = 0;
      let resyncs = 0;
      let last = 0;
      const handle = share.watches.watch(
        { path: `/${target}`, recursive: true },
        (event) => {
          last = performance.now();
          if (event.type === "changes") changes += event.changes.length;
          else if (event.type === "resync") resyncs++;
        },
        { openAudience },
      );
      await handle.live;
      await delay(GRACE_MS);
      const began = performance.now();
      await run("cp", ["-r", model, join(samba.path(), target)]);
      const copied = performance.now() - began;
      while (performance.now() - last < QUIET_MS) await delay(100);
      await handle.close();
      rows.push(
        {
          name: `${name}: changes told`,
          value: changes,
          unit: "",
          note: `copied in ${rounded(copied / 1_000)} s`,
        },
        {
          name: `${name}: resyncs`,
          value: resyncs,
          unit: "",
          note: `the last news ${rounded((last - began - copied) / 1_000)} s after the copy`,
        },
      );
    }
    return {
      title: "A tree copied into a recursive watch",
      method: `${directories} directories with ${FILES} files each, by \`cp -r\` on the server; a handle per directory`,
      rows,
    };
  } finally {
    await share.close();
    await samba.stop();
  }
}

function grow(root: string, directories: number): void {
  const all: string[] = [];
  for (let i = 0; i < directories; i++) {
    const parent = i === 0 ? root : join(all[Math.floor((i - 1) / WIDE)] as string, `dir-${i}`);
    all.push(parent);
    mkdirSync(parent);
    for (let file = 0; file < FILES; file++) writeFileSync(join(parent, `file-${file}`), "content");
  }
}
