import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../../src/base/async.ts";
import { Command } from "../../../src/codec/header.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import { sourceError } from "../../../src/share/failure.ts";
import { SmbNotSentError } from "../../../src/smb/errors.ts";
import type { SmbPool } from "../../../src/smb/pool/pool.ts";
import { classifyStatus, type StatusClass } from "../../../src/smb/status-class.ts";
import type { SourceFailure } from "../../../src/watch/source.ts";
import { ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { until } from "../../support/until.ts";
import { poolOn } from "./scripted-fixture.ts";

const SOON = { deadlineMs: 5_000 };

interface Row {
  readonly kind: StatusClass;
  readonly status: number;
  /** What it means for a watch. */
  readonly failure: SourceFailure;
  /** `again`: dials again at once. `stays`: the connection is kept. `waits`: dials no more for now. */
  readonly next: "again" | "stays" | "waits";
}

const IN_SESSION: readonly Row[] = [
  { kind: "reconnect", status: NtStatus.CONNECTION_RESET, failure: "unreachable", next: "again" },
  { kind: "re-session", status: NtStatus.USER_SESSION_DELETED, failure: "unreachable", next: "again" },
  { kind: "re-tree", status: NtStatus.NETWORK_NAME_DELETED, failure: "unreachable", next: "again" },
  { kind: "busy", status: NtStatus.INSUFF_SERVER_RESOURCES, failure: "busy", next: "stays" },
  { kind: "gone", status: NtStatus.OBJECT_PATH_NOT_FOUND, failure: "gone", next: "stays" },
  { kind: "redirect", status: NtStatus.PATH_NOT_COVERED, failure: "bad-path", next: "stays" },
  { kind: "config", status: NtStatus.ACCESS_DENIED, failure: "denied", next: "stays" },
  { kind: "unsupported", status: NtStatus.NOT_IMPLEMENTED, failure: "unsupported", next: "stays" },
  { kind: "other", status: NtStatus.INVALID_PARAMETER, failure: "busy", next: "stays" },
];

const AT_LOGIN: readonly Row[] = [
  { kind: "credentials", status: NtStatus.LOGON_FAILURE, failure: "credentials", next: "waits" },
  { kind: "account", status: NtStatus.ACCOUNT_LOCKED_OUT, failure: "policy", next: "waits" },
  { kind: "auth-infrastructure", status: NtStatus.NO_LOGON_SERVERS, failure: "unreachable", next: "waits" },
  { kind: "busy", status: NtStatus.REQUEST_NOT_ACCEPTED, failure: "busy", next: "again" },
];

describe("what follows from a status", () => {
  let server: ScriptedServer;
  let pool: SmbPool;

  afterEach(async () => {
    await pool.close();
    await server.stop();
    expect(server.violations).toEqual([]);
  });

  /** Answers the first `command` with `status`, all later ones as usual. */
  async function start(command: number, status: number): Promise<void> {
    let told = false;
    server = await ScriptedServer.start({
      on: ({ header }) => {
        if (told || header.command !== command) return undefined;
        told = true;
        return { status };
      },
    });
    pool = poolOn(server);
  }

  for (const { kind, status, failure, next } of IN_SESSION) {
    it(`${kind}: ${failure}, and the connection ${next === "stays" ? "stays" : "is made anew"}`, async () => {
      expect(classifyStatus(status)).toBe(kind);
      await start(Command.CREATE, status);
      const error: unknown = await waitFor(pool.stat("/dir"), SOON).catch((reason: unknown) => reason);
      expect(sourceError(error)).toMatchObject({ failure });
      await until("the next try", () => pool.stat("/dir"));
      expect(server.peers).toHaveLength(next === "stays" ? 1 : 2);
    });
  }

  for (const { kind, status, failure, next } of AT_LOGIN) {
    it(`${kind} at login: ${failure}, ${next === "again" ? "soon again" : "not again for now"}`, async () => {
      expect(classifyStatus(status)).toBe(kind);
      await start(Command.SESSION_SETUP, status);
      const error: unknown = await waitFor(pool.stat("/dir"), SOON).catch((reason: unknown) => reason);
      expect(sourceError(error)).toMatchObject({ failure });
      if (next === "again") {
        await until("the next try", () => pool.stat("/dir"));
        expect(server.peers).toHaveLength(2);
        return;
      }
      await expect(pool.stat("/dir")).rejects.toSatisfy(
        (reason) => reason instanceof SmbNotSentError || sourceError(reason).code === "SOURCE_CREDENTIALS",
      );
      expect(server.peers).toHaveLength(1);
    });
  }
});
