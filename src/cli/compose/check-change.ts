import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { waitFor } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import { canonicalPath } from "../../base/path.ts";
import type { ClientEvent } from "../../client/events.ts";
import { connectWatchClient } from "../../client/watch-client.ts";
import type { TemporaryFile } from "../../smb/files/index.ts";
import { resolveCredentials } from "../credentials.ts";
import { EXIT, UsageError } from "../exit-codes.ts";
import { openExistingBroker } from "./broker.ts";
import { type Chain, StepError, since } from "./check-steps.ts";
import { firstContact } from "./first-contact.ts";
import type { Frame } from "./gateway-probe.ts";
import { openConfigured } from "./open-share.ts";

/**
 * A change for real: a file is made over SMB and removed again, and must be told through NATS and through the
 * gateway. @throws StepError, UsageError
 */
export async function tryChange(chain: Chain): Promise<void> {
  const { options, connection, path, session, tell, probe } = chain;
  const settings = options.config.connections[connection];
  if (settings === undefined) {
    throw new UsageError(
      `--write needs the configuration of ${connection}: --config FILE, as the worker has it`,
    );
  }
  const name = `smb2nats-check-${randomBytes(6).toString("hex")}`;
  const nats = await listenOnNats(chain, name);
  const seen = probe.expect(
    (frame) => frame.type === "directory_changed" && names(frame).includes(name),
    "the change",
  );
  seen.catch(() => undefined);

  const started = performance.now();
  const file = await makeFile(chain, `${path === "/" ? "" : path}/${name}`);
  session.scope.defer(() => file.remove().catch(() => undefined));
  tell({ step: "file made", ok: true, detail: `${connection}:${path}/${name}`, ms: since(started) });
  const made = performance.now();
  if (nats !== undefined) {
    try {
      await nats.told;
      tell({ step: "NATS", ok: true, detail: "told the change", ms: since(made) });
    } catch (error) {
      session.signal.throwIfAborted();
      throw untold(
        "NATS",
        error,
        'the worker hears nothing: smb2nats check, smb2nats status and docs/troubleshooting.md, "Changes do not arrive"',
      );
    }
  }
  try {
    await seen;
    tell({ step: "WebSocket", ok: true, detail: "told the change", ms: since(made) });
  } catch (error) {
    session.signal.throwIfAborted();
    const fix =
      nats === undefined
        ? "the worker hears nothing, or the gateway does not: name the NATS servers (nats.servers, --server) to tell which"
        : "NATS has it, the gateway does not pass it on: is it on the same NATS account?";
    throw untold("WebSocket", error, fix);
  }
  await file.remove();
  tell({ step: "file gone", ok: true, detail: "removed again" });
}

function untold(step: string, error: unknown, fix: string): StepError {
  return new StepError(
    { step, ok: false, detail: `did not tell it: ${describeError(error)}`, fix },
    EXIT.failure,
  );
}

function names(frame: Frame): unknown[] {
  const { changes } = frame;
  return Array.isArray(changes) ? changes.map((change: { readonly name?: unknown }) => change.name) : [];
}

/** Resolves once live; `told` when the change was told. `undefined` where no NATS is named. */
async function listenOnNats(
  chain: Chain,
  name: string,
): Promise<{ readonly told: Promise<void> } | undefined> {
  const { options, connection, path, session, tell } = chain;
  const { config, timeoutMs } = options;
  const { signal, scope } = session;
  if (config.nats.servers.length === 0) {
    tell({
      step: "NATS",
      ok: undefined,
      detail: "not listened to: no servers are named (nats.servers, --server)",
    });
    return undefined;
  }
  try {
    const broker = scope.use(await openExistingBroker(config.nats, "smb2nats check", signal, timeoutMs));
    const client = scope.use(await connectWatchClient({ broker, host: hostname(), lingerMs: 0, signal }));
    const events = client.watch(connection, canonicalPath(path), { signal })[Symbol.asyncIterator]();
    scope.defer(async () => void (await events.return?.()));
    const wait = { signal, deadlineMs: timeoutMs, what: "NATS" };
    await waitFor(
      until(events, ({ type }) => type === "live"),
      wait,
    );
    const told = waitFor(
      until(events, (event) => tells(event, name)),
      wait,
    );
    told.catch(() => undefined);
    return { told };
  } catch (error) {
    signal.throwIfAborted();
    const fix = "nats.servers, its credentials, and the rights of `client` (docs/nats.md)";
    throw new StepError({ step: "NATS", ok: false, detail: describeError(error), fix }, EXIT.unavailable);
  }
}

async function until(
  events: AsyncIterator<ClientEvent>,
  wanted: (event: ClientEvent) => boolean,
): Promise<void> {
  for (let next = await events.next(); next.done !== true; next = await events.next()) {
    if (wanted(next.value)) return;
  }
}

function tells(event: ClientEvent, name: string): boolean {
  return event.type === "changes" && event.changes.some((change) => change.name === name);
}

async function makeFile(chain: Chain, path: string): Promise<TemporaryFile> {
  const { context, invocation, options, connection, session } = chain;
  const { signal, scope } = session;
  const own = invocation.text("username") !== undefined;
  const credentials = own ? await resolveCredentials(invocation, context, connection) : undefined;
  try {
    const { share, where, settings } = await openConfigured(connection, options.config, {}, credentials);
    scope.use(share);
    await firstContact(share, { connection, where, username: settings.username, signal });
    return await share.temporary(path, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const fix = own
      ? "this account must be able to make and remove a file there"
      : "the worker's account should not be able to write: name one that is, with --username";
    throw new StepError({ step: "file made", ok: false, detail: describeError(error), fix }, EXIT.refused);
  }
}
