import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Command } from "../../../src/codec/header.ts";
import { encodeCloseRequest } from "../../../src/codec/msg/close.ts";
import { decodeCreateResponse, encodeCreateRequest } from "../../../src/codec/msg/create.ts";
import { NtStatus, statusName } from "../../../src/codec/status.ts";
import { probeFile } from "../../../src/smb/files/probe.ts";
import type { Tree } from "../../../src/smb/login/tree.ts";
import { dialTree } from "../../../src/smb/pool/dial.ts";
import { dialOptions } from "../../../src/smb/pool/pool-options.ts";

/** FILE_READ_DATA, FILE_READ_ATTRIBUTES, SYNCHRONIZE; with FILE_WRITE_DATA for writers. */
const READ = 0x10_0081;
const WRITE = READ | 0x2;
const SHARE_ALL = 7;
const OPEN_IF = 3;

let samba: Samba;
let other: Tree;
let ours: Tree;

beforeAll(async () => {
  samba = await startSamba({ shares: { share: {}, unleased: { oplocks: "no" } } });
  other = await connect();
  ours = await connect();
});
afterAll(async () => {
  await other?.close();
  await ours?.close();
  await samba?.stop();
});

function connect(share = "share", dialects?: readonly [0x0210]): Promise<Tree> {
  const auth = createNtlmProvider({ username: samba.user, domain: samba.domain, password: samba.password });
  const { host, port } = samba;
  return dialTree(dialOptions({ host, port, share, auth, ...(dialects === undefined ? {} : { dialects }) }));
}

/** What another client does: opens a file, and says how that went. */
async function open(
  tree: Tree,
  name: string,
  {
    access = WRITE,
    shareAccess = SHARE_ALL,
    lease,
  }: { access?: number; shareAccess?: number; lease?: number } = {},
): Promise<{ readonly status: string; close(): Promise<void> }> {
  const body = encodeCreateRequest({
    desiredAccess: access,
    fileAttributes: 0,
    shareAccess,
    createDisposition: OPEN_IF,
    createOptions: 0,
    name,
    ...(lease === undefined ? {} : { lease: { key: Uint8Array.from(randomBytes(16)), state: lease } }),
  });
  const [answer] = await tree.exchange([{ command: Command.CREATE, body }]);
  const status = answer?.header.status ?? -1;
  if (answer === undefined || status !== NtStatus.SUCCESS) {
    return { status: statusName(status), close: async () => undefined };
  }
  const { fileId } = decodeCreateResponse(answer.message);
  return {
    status: "open",
    close: async () => {
      await tree.exchange([{ command: Command.CLOSE, body: encodeCloseRequest({ fileId }) }]);
    },
  };
}

async function make(name: string, tree = other): Promise<void> {
  await (await open(tree, name)).close();
}

const READ_HANDLE = 3;
const READ_WRITE = 5;

describe("whether anybody has a file open for writing", () => {
  it.each([
    ["nobody", undefined, "closed"],
    ["a writer", {}, "open"],
    ["a writer with a lease", { lease: READ_WRITE }, "open"],
    ["a reader", { access: READ }, "closed"],
    ["a reader with a lease", { access: READ, lease: READ_HANDLE }, "closed"],
    ["a reader that shares nothing", { access: READ, shareAccess: 0 }, "open"],
  ])("%s", async (who, how, expected) => {
    await make(who);
    const held = how === undefined ? undefined : await open(other, who, how);
    expect(held?.status ?? "open").toBe("open");
    expect((await probeFile(ours, who)).writer).toBe(expected);
    await held?.close();
    expect(await probeFile(ours, who)).toMatchObject({ writer: "closed", info: { type: "file", size: 0 } });
  });

  it("counts one that keeps his lease as a writer, and leaves nothing in his way", async () => {
    await make("kept");
    const held = await open(other, "kept", { lease: 7 });
    expect((await probeFile(ours, "kept")).writer).toBe("open");
    await held.close();
    expect((await probeFile(ours, "kept")).writer).toBe("closed");
    expect((await open(other, "kept", { shareAccess: 0 })).status).toBe("open");
  }, 30_000);

  it("is not asked where a writer would be refused meanwhile", async () => {
    const unleased = await connect("unleased");
    await make("x", unleased);
    expect((await probeFile(unleased, "x")).writer).toBe("unknown");
    await unleased.close();
    const old = await connect("share", [0x0210]);
    await make("y", old);
    expect((await probeFile(old, "y")).writer).toBe("unknown");
    await old.close();
  });

  it("refuses no writer, also beside a reader that has no lease", async () => {
    await make("raced");
    const reader = await open(other, "raced", { access: READ });
    let over = false;
    const asked: Record<string, number> = {};
    const asking = (async () => {
      while (!over) {
        const { writer } = await probeFile(ours, "raced");
        asked[writer] = (asked[writer] ?? 0) + 1;
      }
    })();
    const statuses = new Set<string>();
    for (let count = 0; count < 400; count++) {
      const writer = await open(other, "raced");
      statuses.add(writer.status);
      await writer.close();
    }
    over = true;
    await asking;
    await reader.close();
    expect([...statuses]).toEqual(["open"]);
    expect(asked["closed"] ?? 0).toBeGreaterThan(0);
  }, 60_000);

  it("neither reads nor writes: no time of the file changes, and nothing stays open", async () => {
    await make("still");
    const before = (await probeFile(ours, "still")).info;
    for (let count = 0; count < 20; count++) expect((await probeFile(ours, "still")).info).toEqual(before);
    expect(await samba.status()).not.toMatch(/\sstill\s/);
  });
});
