import { describeError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";
import { readSecretFile } from "../../ops/secrets.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode, exitCodeOf, UsageError } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { tryChange } from "./check-change.ts";
import { type Step, StepError, since } from "./check-steps.ts";
import { handshakeFix, SUBSCRIBE_FIXES } from "./gateway-advice.ts";
import { type Frame, GatewayProbe, HandshakeError } from "./gateway-probe.ts";
import { interruptible, type Session } from "./interruptible.ts";
import { type NatsOptions, natsOptions } from "./nats-options.ts";

const PINGS = 5;

/** `smb2nats check --gateway URL` */
export async function runCheckGateway(invocation: Invocation, context: Context): Promise<ExitCode> {
  const url = gatewayUrl(invocation.text("gateway") ?? "");
  const { operands } = invocation;
  if (operands.length > 1) throw new UsageError("check --gateway takes one connection at most");
  const write = invocation.text("write");
  const options = natsOptions(invocation, context);
  const file = invocation.text("token-file");
  const token = file === undefined ? undefined : (await readSecretFile(file)).secret.reveal();
  return interruptible(context, async (session) => {
    const steps: Step[] = [];
    const json = invocation.flag("json");
    const tell = (step: Step): void => {
      steps.push(step);
      if (!json) print(context.out, step);
    };
    let exit: ExitCode = EXIT.ok;
    try {
      const probe = await shakeHands(url, { token, invocation, session, options, tell });
      session.scope.defer(() => probe.close());
      const { grants } = await askWhoami(probe, url, tell);
      const names = await askConnections(probe, tell);
      const connection = chosenConnection(operands[0], names);
      await askWorkers(probe, connection, tell);
      const path = write ?? rootOf(grants, connection);
      await subscribe(probe, { connection, path }, tell);
      await ping(probe, tell);
      if (write !== undefined) {
        await tryChange({ invocation, context, session, options, probe, connection, path, tell });
      }
    } catch (error) {
      session.signal.throwIfAborted();
      if (error instanceof StepError) {
        tell(error.step);
        exit = error.exit;
      } else {
        tell({ step: "answer", ok: false, detail: describeError(error), fix: "see the gateway's log" });
        exit = exitCodeOf(error);
      }
    }
    if (json) context.out.json({ ok: exit === EXIT.ok, gateway: url, steps });
    return exit;
  });
}

/** @throws UsageError */
function gatewayUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`--gateway: ${JSON.stringify(text)} is not an address such as wss://host/ws`);
  }
  if (url.username !== "" || url.password !== "" || url.searchParams.has("token")) {
    throw new UsageError("--gateway takes no secret: a token is read from --token-file");
  }
  const scheme = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url.protocol];
  if (scheme === undefined) throw new UsageError(`--gateway: ${JSON.stringify(text)} is not ws:// or wss://`);
  url.protocol = scheme;
  if (url.pathname === "/") url.pathname = "/ws";
  return url.href;
}

async function shakeHands(
  url: string,
  {
    token,
    invocation,
    session,
    options,
    tell,
  }: {
    readonly token: string | undefined;
    readonly invocation: Invocation;
    readonly session: Session;
    readonly options: NatsOptions;
    readonly tell: (step: Step) => void;
  },
): Promise<GatewayProbe> {
  const started = performance.now();
  const origin = invocation.text("origin");
  try {
    const probe = await GatewayProbe.open({
      url,
      token,
      origin,
      timeoutMs: options.timeoutMs,
      signal: session.signal,
    });
    tell({ step: "handshake", ok: true, detail: url, ms: since(started) });
    return probe;
  } catch (error) {
    session.signal.throwIfAborted();
    const fix = handshakeFix(error, url);
    const refused = error instanceof HandshakeError && (error.status === 401 || error.status === 403);
    const [detail = ""] = `${url}: ${describeError(error)}`.split("\n", 1);
    const step = { step: "handshake", ok: false, detail, ...(fix === undefined ? {} : { fix }) };
    throw new StepError(step, refused ? EXIT.refused : EXIT.unavailable);
  }
}

interface Grant {
  readonly connection: string;
  readonly path: string;
}

async function askWhoami(
  probe: GatewayProbe,
  url: string,
  tell: (step: Step) => void,
): Promise<{ readonly grants: readonly Grant[] | undefined }> {
  const answer = await probe.ask({ action: "whoami" });
  if (answer.type !== "whoami") {
    if (answer["code"] === "unauthenticated") {
      const fix = "this gateway wants a token: --token-file";
      throw new StepError({ step: "seen as", ok: false, detail: "no token was shown", fix }, EXIT.refused);
    }
    tell({ step: "seen as", ok: undefined, detail: "this gateway is too old to be asked" });
    return { grants: undefined };
  }
  const { address, origin, host, subject, expires } = answer;
  const grants = (answer["grants"] ?? []) as readonly Grant[];
  const detail = [
    `address ${String(address)}`,
    ...(origin === undefined ? [] : [`origin ${String(origin)}`]),
    ...(host === undefined ? [] : [`host ${String(host)}`]),
    ...(subject === undefined ? [] : [`token of ${String(subject)}`]),
    ...(expires === undefined ? [] : [`until ${String(expires)}`]),
  ].join(", ");
  tell({ step: "seen as", ok: true, detail, ...proxyFix(String(address), probe.peerAddress, url) });
  if (grants.length === 0) {
    const fix = "give the token grants: the claim smb, or grants in the tokens file";
    throw new StepError({ step: "rights", ok: false, detail: "the token grants nothing", fix }, EXIT.refused);
  }
  const rights = grants.map(({ connection, path }) => `${connection}:${path}`);
  tell({
    step: "rights",
    ok: true,
    detail: rights.slice(0, 5).join(", ") + (rights.length > 5 ? ", …" : ""),
  });
  return { grants };
}

/** A gateway that sees the address of what we have connected to, and is not that itself, takes a proxy for everyone. */
function proxyFix(seen: string, peer: string | undefined, url: string): { readonly fix?: string } {
  const local = /^(localhost|127\.|\[::1\])/.test(new URL(url).host);
  if (local || peer === undefined || seen !== peer.replace(/^::ffff:/, "")) return {};
  return {
    fix: "this is the proxy's own address: every client counts as one. Name it in gateway.trustedProxies, and let it send X-Forwarded-For",
  };
}

async function askConnections(probe: GatewayProbe, tell: (step: Step) => void): Promise<readonly string[]> {
  const answer = await probe.ask({ action: "connections" });
  const names = Array.isArray(answer["connections"]) ? answer["connections"].map(String) : [];
  if (names.length > 0) {
    tell({ step: "connections", ok: true, detail: names.join(", ") });
    return names;
  }
  const fix = "the gateway's configuration names none that the token may see: connections";
  throw new StepError({ step: "connections", ok: false, detail: "none", fix }, EXIT.failure);
}

/** @throws StepError */
function chosenConnection(wanted: string | undefined, names: readonly string[]): string {
  if (wanted === undefined) return names[0] as string;
  if (names.includes(wanted)) return wanted;
  const fix = "the gateway does not know it, or the token may not see it";
  throw new StepError(
    { step: "connections", ok: false, detail: `${wanted} is not among them`, fix },
    EXIT.failure,
  );
}

async function askWorkers(
  probe: GatewayProbe,
  connection: string,
  tell: (step: Step) => void,
): Promise<void> {
  const { current, workers = [] } = (await probe.ask({ action: "workers" })) as Frame & {
    readonly workers?: readonly {
      readonly state: string;
      readonly connections: readonly string[];
      readonly unreachable?: readonly string[];
    }[];
  };
  if (current === false) {
    const fix = "the gateway is cut off from NATS: see its log, and nats.servers";
    throw new StepError({ step: "workers", ok: false, detail: "not known", fix }, EXIT.unavailable);
  }
  const serving = workers.filter(({ connections }) => connections.includes(connection));
  const able = serving.filter(
    ({ state, unreachable = [] }) => state === "serving" && !unreachable.includes(connection),
  );
  const detail = `${able.length} of ${serving.length} serve ${connection}`;
  if (able.length > 0) return tell({ step: "workers", ok: true, detail });
  const fix =
    serving.length === 0
      ? `start a worker that has ${connection} in its configuration, on the same NATS account`
      : "its workers do not reach the file server: see their log (smb.dial-failed)";
  throw new StepError({ step: "workers", ok: false, detail, fix }, EXIT.unavailable);
}

/** The widest directory that the grants name; `/` where they are not known. */
function rootOf(grants: readonly Grant[] | undefined, connection: string): string {
  const own = (grants ?? []).filter((grant) => {
    const [head = ""] = grant.connection.split("*", 1);
    return grant.connection.includes("*") ? connection.startsWith(head) : grant.connection === connection;
  });
  const paths = own.map(({ path }) => path.split("/").filter((part) => part !== ""));
  const roots = paths.map((parts) => {
    const wild = parts.findIndex((part) => part.includes("*"));
    return `/${(wild < 0 ? parts : parts.slice(0, wild)).join("/")}`;
  });
  return roots.sort((a, b) => a.length - b.length)[0] ?? "/";
}

async function subscribe(
  probe: GatewayProbe,
  { connection, path }: { readonly connection: string; readonly path: string },
  tell: (step: Step) => void,
): Promise<void> {
  const started = performance.now();
  const answer = await probe.ask({ action: "subscribe", connection_id: connection, path, detail: "changes" });
  const detail = `${connection}:${path}`;
  if (answer.type === "subscribed") return tell({ step: "subscribe", ok: true, detail, ms: since(started) });
  const code = String(answer["code"]);
  const fix = SUBSCRIBE_FIXES[code];
  const step: Step = {
    step: "subscribe",
    ok: false,
    detail: `${detail}: ${code}, ${String(answer["message"])}`,
    ...(fix === undefined ? {} : { fix }),
  };
  throw new StepError(
    step,
    code === "denied" ? EXIT.refused : code === "unreachable" ? EXIT.unavailable : EXIT.failure,
  );
}

async function ping(probe: GatewayProbe, tell: (step: Step) => void): Promise<void> {
  const times: number[] = [];
  for (let n = 0; n < PINGS; n++) {
    const started = performance.now();
    await probe.ask({ action: "ping" });
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(PINGS / 2)] ?? 0;
  const detail = `median of ${PINGS}, slowest ${(times.at(-1) ?? 0).toFixed(1)} ms`;
  tell({ step: "ping", ok: true, detail, ms: Math.round(median * 10) / 10 });
}

function print(out: Output, { step, ok, detail, fix, ms }: Step): void {
  const mark =
    ok === undefined ? out.style("dim", "  - ") : ok ? out.style("green", " ok ") : out.style("red", "FAIL");
  const time = ms === undefined ? "" : `  ${out.style("dim", `${ms} ms`)}`;
  out.data(`${mark}  ${step.padEnd(12)}${printable(detail)}${time}`);
  if (fix !== undefined) out.data(`      ${" ".repeat(12)}${out.style("yellow", printable(fix))}`);
}
