import { afterEach, describe, expect, it } from "vitest";
import { Command } from "../../../src/codec/header.ts";
import { decodeCloseRequest } from "../../../src/codec/msg/close.ts";
import {
  type CreateRequest,
  decodeCreateRequest,
  encodeCreateResponse,
} from "../../../src/codec/msg/create.ts";
import { encodeLeaseBreak } from "../../../src/codec/msg/lease.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import type { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { Peer } from "../../support/servers/scripted-server/peer.ts";
import { type Incoming, type Reply, ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { poolOn } from "./scripted-fixture.ts";

const READ = 1;
const READ_HANDLE = 3;
const FILE_READ_DATA = 1;
const UNSOLICITED = 0xffff_ffff_ffff_ffffn;

/** How MS-SMB2 and MS-FSA have Windows open files, and take leases back. */
describe("whether anybody writes a file, asked of a server that does what it is told", () => {
  let server: ScriptedServer;
  let pool: SmbPool;
  let asked: CreateRequest[];
  let open: Set<string>;

  /** @param question - answers the second CREATE, which asks for data; `undefined`: opened. */
  async function start(
    granted: number,
    question: (request: Incoming, peer: Peer) => Reply | "silence" | undefined = () => undefined,
  ): Promise<void> {
    asked = [];
    open = new Set();
    let next = 1n;
    let refused: number | undefined;
    const create = (request: CreateRequest, peer: Peer): Reply => {
      const fileId = new Uint8Array(16);
      new DataView(fileId.buffer).setBigUint64(0, next++, true);
      peer.lastHandle = Buffer.from(fileId).toString("hex");
      peer.handles.set(peer.lastHandle, "");
      open.add(peer.lastHandle);
      return {
        body: encodeCreateResponse({
          ...{ createAction: 1, creationTime: 1n, lastAccessTime: 2n, lastWriteTime: 3n, changeTime: 4n },
          ...{ allocationSize: 0n, endOfFile: 77n, fileAttributes: 0x20, fileId },
          ...(request.lease === undefined ? {} : { lease: { key: request.lease.key, state: granted } }),
        }),
      };
    };
    server = await ScriptedServer.start({
      on: (request, peer) => {
        if (request.header.command === Command.CREATE) {
          const wanted = decodeCreateRequest(request.message);
          asked.push(wanted);
          const scripted =
            (wanted.desiredAccess & FILE_READ_DATA) === 0 ? undefined : question(request, peer);
          if (scripted === "silence") return "silence";
          refused = scripted?.status;
          return scripted ?? create(wanted, peer);
        }
        if (request.header.command !== Command.CLOSE) return undefined;
        const { fileId } = decodeCloseRequest(request.message);
        const previous = fileId.every((byte) => byte === 0xff);
        // What is related to a failure fails as that did (MS-SMB2 3.3.5.2.7.2).
        if (previous && refused !== undefined) return { status: refused };
        open.delete(previous ? peer.lastHandle : Buffer.from(fileId).toString("hex"));
        return undefined;
      },
    });
    pool = poolOn(server);
  }

  afterEach(async () => {
    await pool.close();
    await server.stop();
    expect(server.violations).toEqual([]);
    expect([...open]).toEqual([]);
  });

  it("looks first, and asks under the same lease without sharing writing", async () => {
    await start(READ_HANDLE);
    expect(await pool.probe("/f")).toMatchObject({ writer: "closed", info: { size: 77, modified: 3n } });
    const [look, question] = asked;
    expect([look?.shareAccess, question?.shareAccess]).toEqual([7, 5]);
    expect([look?.lease?.state, question?.lease?.state]).toEqual([READ_HANDLE, READ_HANDLE]);
    expect(look?.lease?.key).toEqual(question?.lease?.key);
  });

  it("takes a sharing violation for a writer", async () => {
    await start(READ_HANDLE, () => ({ status: NtStatus.SHARING_VIOLATION }));
    expect((await pool.probe("/f")).writer).toBe("open");
  });

  it("knows nothing where it may not read", async () => {
    await start(READ_HANDLE, () => ({ status: NtStatus.ACCESS_DENIED }));
    expect((await pool.probe("/f")).writer).toBe("unknown");
  });

  it.each([0, READ])("does not ask where the look gets no lease on the handle (%d)", async (granted) => {
    await start(granted);
    expect((await pool.probe("/f")).writer).toBe("unknown");
    expect(asked).toHaveLength(1);
  });

  it("gives its lease back at once when somebody is waiting for that", async () => {
    let waiting: { request: Incoming; peer: Peer } | undefined;
    await start(READ_HANDLE, (request, peer) => {
      if (waiting !== undefined) return undefined;
      waiting = { request, peer };
      const key = decodeCreateRequest(request.message).lease?.key ?? new Uint8Array(16);
      const recall = encodeLeaseBreak({
        ...{ newEpoch: 1, flags: 1, key, currentState: READ_HANDLE, newState: READ },
      });
      const { header } = request;
      peer.send(
        [
          peer.build(header, {
            command: Command.OPLOCK_BREAK,
            messageId: UNSOLICITED,
            sessionId: 0n,
            body: recall,
          }),
        ],
        false,
      );
      // The question is answered only after the look has been closed.
      const timer = setInterval(() => {
        if (open.size > 0) return;
        clearInterval(timer);
        peer.send([peer.build(header, { status: NtStatus.SHARING_VIOLATION })], false);
        const close = peer.requests.at(-2)?.header;
        if (close !== undefined)
          peer.send([peer.build(close, { status: NtStatus.SHARING_VIOLATION })], false);
      }, 5);
      return "silence";
    });
    expect((await pool.probe("/f")).writer).toBe("open");
  });
});
