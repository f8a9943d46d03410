import { escapeJson } from "../../base/printable.ts";
import { CONFIG_OPTION, type Command, type Context, type Invocation, JSON_OPTION } from "../command.ts";
import { EXIT, type ExitCode, UnavailableError } from "../exit-codes.ts";
import { numberOption } from "../number-option.ts";

const DEADLINE_MS = 5_000;
const AGAIN_MS = 500;

export const health: Command = {
  spec: {
    name: "health",
    summary: "Ask the process on this host whether it is ready; for container health checks.",
    usage: "smb2nats health [--wait SECONDS] [--config FILE] [--json]",
    examples: [
      ["smb2nats health", "exit status 0 when ready, 1 when not, 69 when nothing answers"],
      ['HEALTHCHECK CMD ["smb2nats", "health"]', "in a Dockerfile"],
      ["smb2nats health --wait 60", "wait until it is ready, at most that long"],
    ],
    options: {
      wait: { type: "string", value: "SECONDS", doc: "ask again until it is ready, at most that long" },
      config: CONFIG_OPTION,
      json: JSON_OPTION,
    },
    operands: { min: 0, max: 0 },
  },
  run: async (invocation, context) => {
    const { loadFor } = await import("../load-config.ts");
    const { sleep } = await import("../../base/async.ts");
    const waitMs = (numberOption(invocation, "wait", { min: 0, max: 3_600 }) ?? 0) * 1_000;
    const { host, port } = loadFor(invocation, context).config.http;
    const address = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}/readyz`;
    const until = performance.now() + waitMs;
    for (;;) {
      const answer = await ask(url);
      const isLast = performance.now() + AGAIN_MS > until;
      if (answer.ready || isLast) return tell(answer, invocation, context, url);
      await sleep(AGAIN_MS);
    }
  },
};

interface Answer {
  readonly ready: boolean;
  /** Absent where nothing answered: `error` says why. */
  readonly body?: string;
  readonly error?: unknown;
}

async function ask(url: string): Promise<Answer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS), redirect: "error" });
    return { ready: response.ok, body: (await response.text()).trim() };
  } catch (error) {
    return { ready: false, error };
  }
}

/** @throws UnavailableError */
function tell(
  { ready, body, error }: Answer,
  invocation: Invocation,
  { out }: Context,
  url: string,
): ExitCode {
  if (body === undefined) throw new UnavailableError(`${url} does not answer`, error);
  if (invocation.flag("json")) out.data(escapeJson(body));
  else if (ready) out.data("ready");
  else out.error(`not ready: ${body}`);
  return ready ? EXIT.ok : EXIT.failure;
}
