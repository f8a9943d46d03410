import { readdirSync, readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { AUTH_ERROR_CODES, AuthError } from "../../src/auth/errors.ts";
import {
  AbortedError,
  BadPathError,
  ClosedError,
  type Conclusion,
  DeadlineError,
  OverflowError,
  Smb2NatsError,
} from "../../src/base/errors.ts";
import { BROKER_ERROR_CODES, BrokerError, ConflictError } from "../../src/broker/errors.ts";
import { NoRoomError } from "../../src/broker/streams/stream-room.ts";
import { NatsRoomError } from "../../src/cli/compose/broker.ts";
import { StepError } from "../../src/cli/compose/check-steps.ts";
import { DoneFileError } from "../../src/cli/compose/done-file.ts";
import { HandshakeError, HungUpError } from "../../src/cli/compose/gateway-probe.ts";
import { EmbeddedNatsError } from "../../src/cli/embedded-nats.ts";
import { InterruptedError, RefusedError, UnavailableError, UsageError } from "../../src/cli/exit-codes.ts";
import { DecodeError, EncodeError } from "../../src/codec/errors.ts";
import { CryptoMisuseError, NonceExhaustedError, SealError } from "../../src/crypto/errors.ts";
import { BadRecordError, FleetError, type FleetFailure, LeaseLostError } from "../../src/fleet/errors.ts";
import { EndpointError } from "../../src/gateway/auth/endpoint.ts";
import { ERROR_CODES, GatewayOptionsError, RequestError, TokenError } from "../../src/gateway/errors.ts";
import { ConfigError } from "../../src/ops/config-error.ts";
import { ListenError } from "../../src/ops/http.ts";
import { SecretError } from "../../src/ops/secrets.ts";
import { NoPictureError } from "../../src/share/direct-mirror.ts";
import { SmbDfsError } from "../../src/smb/dfs/dfs-errors.ts";
import {
  SmbConnectionError,
  SmbCredentialsError,
  SmbCreditError,
  SmbNotSentError,
  SmbProtocolError,
  SmbSecurityError,
  SmbStatusError,
  SmbTimeoutError,
} from "../../src/smb/errors.ts";
import { CheckpointError } from "../../src/watch/picture/checkpoint.ts";
import { ReadyOptionsError } from "../../src/watch/ready-options.ts";
import { SourceError, type SourceFailure } from "../../src/watch/source.ts";

const cause = new Error("the cause");

/** Keys of a record are checked by the compiler, so none can be forgotten. */
function every<K extends string>(keys: Record<K, true>): K[] {
  return Object.keys(keys) as K[];
}

const FLEET_FAILURES = every<FleetFailure>({
  bad_path: true,
  bad_message: true,
  unknown_connection: true,
  denied: true,
  not_found: true,
  not_a_directory: true,
  unreachable: true,
  limit: true,
  internal: true,
  retention: true,
  too_large: true,
  no_changes: true,
});

const SOURCE_FAILURES = every<SourceFailure>({
  gone: true,
  denied: true,
  "not-a-directory": true,
  unsupported: true,
  busy: true,
  unreachable: true,
  credentials: true,
  policy: true,
  "bad-path": true,
});

/** Each class of `src`, with an error for each of its codes. A class that is missing here fails the first test. */
const errors: readonly Smb2NatsError[] = [
  new AbortedError(cause),
  new DeadlineError("ECHO", 30_000),
  new OverflowError("queue", 10),
  new BadPathError("/a/../b", "`..` is no segment"),
  new ClosedError("the connection"),
  new DecodeError("NextCommand", 20, "3, not a multiple of 8"),
  new EncodeError("FileId", "15 bytes, not 16"),
  new SealError("AES-128-GCM", 100),
  new NonceExhaustedError(),
  new CryptoMisuseError("a key of 15 bytes"),
  ...AUTH_ERROR_CODES.map((code) => new AuthError(code, "authentication stopped", { cause })),
  new SmbStatusError("CREATE", 0xc000_0022),
  new SmbTimeoutError("CREATE", 60_000),
  new SmbConnectionError("the connection was reset", cause),
  new SmbNotSentError("CREATE", cause),
  new SmbProtocolError("an unknown message id", cause),
  new SmbSecurityError("unsigned", "the answer is not signed"),
  new SmbCredentialsError("the login was refused", 0xc000_006d),
  new SmbCreditError("no credit left"),
  new SmbDfsError("the link leads back", ["//ns/dfs/a", "//ns/dfs"], cause),
  ...SOURCE_FAILURES.map((failure) => new SourceError(failure, "the share said no", cause)),
  new CheckpointError("too short"),
  new ReadyOptionsError("quietMs is not an integer"),
  new NoPictureError("not-yet"),
  ...BROKER_ERROR_CODES.filter((code) => !["BROKER_CONFLICT", "BROKER_NO_ROOM"].includes(code)).map(
    (code) => new BrokerError(code, "no", cause),
  ),
  new ConflictError("claim.nas1", cause),
  ...FLEET_FAILURES.map((failure) => new FleetError(failure, "no", cause)),
  new BadRecordError("lease", "is no JSON"),
  new LeaseLostError("worker-1"),
  ...ERROR_CODES.map((code) => new RequestError(code)),
  ...(["missing", "invalid", "expired", "unavailable"] as const).map(
    (reason) => new TokenError(reason, "no", cause),
  ),
  new GatewayOptionsError("no keys"),
  new EndpointError("away"),
  new ConfigError([{ key: "connections.nas1.server", reason: "is missing" }]),
  new SecretError("/run/secrets/nas1", "is empty"),
  new ListenError("127.0.0.1", 9_464, cause),
  new UsageError("unknown command"),
  new DoneFileError("taken.jsonl", new Error("full")),
  new InterruptedError(),
  new UnavailableError("no server"),
  new RefusedError("no right"),
  new HandshakeError("answered 401", 401, "Unauthorized"),
  new HungUpError(1013, "too slow"),
  new StepError({ step: "ping", ok: false, detail: "no answer" }, 1),
  new EmbeddedNatsError("nats-server ended", cause),
  new NoRoomError("events", "no room for stream SMB", false, cause),
  new NatsRoomError(new NoRoomError("events", "no room for stream SMB", false, cause)),
];

const SRC = resolve(import.meta.dirname, "../../src");
const CONCLUSIONS = every<Conclusion>({
  refused: true,
  silent: true,
  "never-sent": true,
  "hung-up": true,
  malformed: true,
  misuse: true,
  aborted: true,
});

interface Declared {
  readonly file: string;
  readonly name: string;
  readonly parent: string;
  readonly abstract: boolean;
}

/** Every class whose parent is called an error. */
function declared(): Declared[] {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => {
      const text = readFileSync(resolve(SRC, file), "utf8");
      return [
        ...text.matchAll(/^\s*(?:export )?(abstract )?class (\w+)(?:<[^>]*>)? extends (\w*Error)\b/gm),
      ].map(([, abstract, name = "", parent = ""]) => ({
        file,
        name,
        parent,
        abstract: abstract !== undefined,
      }));
    });
}

describe("errors", () => {
  const classes = declared().filter(({ name }) => name !== "Smb2NatsError");

  it("descend from one root", () => {
    const known = new Set(["Smb2NatsError", ...classes.map(({ name }) => name)]);
    // The browser client is delivered by itself, without dependencies.
    const strays = classes.filter(
      ({ file, parent }) => !known.has(parent) && !file.startsWith("client/browser/"),
    );
    expect(strays).toEqual([]);
  });

  it("are all in the table above, and exported where they are declared", async () => {
    const tabled = new Set(errors.map((error) => error.constructor as unknown));
    const missing: string[] = [];
    for (const { file, name, parent, abstract } of classes) {
      if (abstract || parent === "Error") continue;
      const module = (await import(resolve(SRC, file))) as Record<string, unknown>;
      if (!tabled.has(module[name])) missing.push(`${name} of ${relative(SRC, resolve(SRC, file))}`);
    }
    expect(missing).toEqual([]);
    expect(tabled.size).toBe(
      classes.filter(({ abstract, parent }) => !abstract && parent !== "Error").length,
    );
  });

  it("have names of their own", () => {
    const names = classes.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it("have codes of their own class, and each error in the table another", () => {
    const owners = new Map<string, string>();
    for (const { code, name } of errors) {
      expect(owners.get(code), `${code} of ${name}`).toBeUndefined();
      owners.set(code, name);
    }
  });

  it.each(errors.map((error) => [error.code, error] as const))(
    "%s says what may be concluded",
    (code, error) => {
      expect(error).toBeInstanceOf(Smb2NatsError);
      expect(error.name).toBe(error.constructor.name);
      expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
      expect(CONCLUSIONS).toContain(error.conclusion);
      expect(typeof error.retryable).toBe("boolean");
      // What the caller got wrong cannot go right by itself.
      if (error.conclusion === "misuse") expect(error.retryable).toBe(false);
      expect(error.message).not.toBe("");
      expect(error.message).not.toMatch(/undefined|\[object|NaN/);
    },
  );
});
