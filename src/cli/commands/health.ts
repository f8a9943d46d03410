import { escapeJson } from "../../base/printable.ts";
import { CONFIG_OPTION, type Command, JSON_OPTION } from "../command.ts";
import { EXIT, UnavailableError } from "../exit-codes.ts";

const DEADLINE_MS = 5_000;

export const health: Command = {
  spec: {
    name: "health",
    summary: "Ask the process on this host whether it is ready; for container health checks.",
    usage: "smb2nats health [--config FILE] [--json]",
    examples: [
      ["smb2nats health", "exit status 0 when ready, 1 when not, 69 when nothing answers"],
      ['HEALTHCHECK CMD ["smb2nats", "health"]', "in a Dockerfile"],
    ],
    options: { config: CONFIG_OPTION, json: JSON_OPTION },
    operands: { min: 0, max: 0 },
  },
  run: async (invocation, context) => {
    const { loadFor } = await import("../load-config.ts");
    const { host, port } = loadFor(invocation, context).config.http;
    const address = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}/readyz`;
    let body: string;
    let ready: boolean;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS), redirect: "error" });
      body = (await response.text()).trim();
      ready = response.ok;
    } catch (error) {
      throw new UnavailableError(`${url} does not answer`, error);
    }
    if (invocation.flag("json")) context.out.data(escapeJson(body));
    else if (ready) context.out.data("ready");
    else context.out.error(`not ready: ${body}`);
    return ready ? EXIT.ok : EXIT.failure;
  },
};
