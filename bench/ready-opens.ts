import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Samba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Command } from "../src/codec/header.ts";
import { encodeCreateRequest } from "../src/codec/msg/create.ts";
import { probeFile, type WriterState } from "../src/smb/files/probe.ts";
import type { Tree } from "../src/smb/login/tree.ts";
import { dialTree } from "../src/smb/pool/dial.ts";
import { dialOptions } from "../src/smb/pool/pool-options.ts";
import { SmbclientSession } from "./smbclient-session.ts";
import { quantile, type Row, rounded } from "./stats.ts";

const NAME = "raced";
const OPENS_PER_PROBE = 10;
/** The writer waits when it is so far ahead, so that there are questions as long as there are opens. */
const AHEAD = 2_000;
const BATCH = 200;
/** Nothing ended for so long: something hangs. */
const STUCK_MS = 30_000;

/** FILE_READ_DATA, FILE_READ_ATTRIBUTES, SYNCHRONIZE; shared with everybody, opened as it is. */
const READER = {
  ...{ desiredAccess: 0x10_0081, fileAttributes: 0, shareAccess: 7 },
  ...{ createDisposition: 1, createOptions: 0, name: NAME },
};

/**
 * smbclient opens a file for writing and closes it, again and again, while it is asked whether anybody has it open; the second
 * half of it beside a reader without a lease, which is what makes the question dangerous.
 */
export async function probesBeside(samba: Samba, opens: number): Promise<Row[]> {
  writeFileSync(join(samba.path(), NAME), randomBytes(100));
  const ours = await connect(samba);
  const reader = await connect(samba);
  const writer = new SmbclientSession(samba);
  let fed = 0;
  const feed = (count: number): void => {
    if (fed === opens || (count - fed < BATCH && count < opens)) return;
    // Its first and only handle has always this number.
    writer.do(`open ${NAME}\nclose 1\n`.repeat(count - fed));
    fed = count;
    // It does what it has read ahead, and says what it has done, when nothing more can come.
    if (fed === opens) writer.finish();
  };
  try {
    const asked: Record<WriterState, number> = { closed: 0, open: 0, unknown: 0 };
    const probeMs: number[] = [];
    const began = performance.now();
    let reported = began;
    let read = false;
    for (let probes = 0; probes < opens / OPENS_PER_PROBE; probes++) {
      if (!read && probes >= opens / OPENS_PER_PROBE / 2) {
        await reader.exchange([{ command: Command.CREATE, body: encodeCreateRequest(READER) }]);
        read = true;
      }
      feed(Math.min(opens, probes * OPENS_PER_PROBE + AHEAD));
      await writer.until(probes * OPENS_PER_PROBE - BATCH);
      const asking = performance.now();
      const { writer: state } = await probeFile(ours, NAME, { signal: AbortSignal.timeout(STUCK_MS) });
      asked[state]++;
      probeMs.push(performance.now() - asking);
      if (performance.now() - reported > 10_000) {
        reported = performance.now();
        console.error(`bench: ready: ${writer.opened} of ${opens} opens, ${probes} questions`);
      }
    }
    feed(opens);
    await writer.ended(opens);
    const seconds = (performance.now() - began) / 1_000;
    const outcomes = Object.entries(asked).map(([state, count]) => `${count} ${state}`);
    return [
      {
        name: `${opens} opens for writing beside ${probeMs.length} questions: refused`,
        value: writer.refused.length,
        unit: "opens",
        note: writer.refused[0] ?? `the second half beside a reader; ${outcomes.join(", ")}`,
      },
      { name: "it took", value: rounded(seconds, 0), unit: "s" },
      {
        name: "one question",
        value: `${rounded(quantile(probeMs, 0.5), 1)} / ${rounded(quantile(probeMs, 0.99), 1)} / ${rounded(Math.max(...probeMs), 0)}`,
        unit: "ms median / p99 / longest",
      },
    ];
  } finally {
    await writer.close();
    await ours.close();
    await reader.close();
  }
}

function connect({ host, port, user: username, password, domain }: Samba): Promise<Tree> {
  const auth = createNtlmProvider({ username, password, domain });
  return dialTree(dialOptions({ host, port, share: "share", auth }));
}
