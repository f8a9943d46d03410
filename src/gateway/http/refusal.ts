import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { RefusalFact } from "../facts.ts";

/** What would have to be set for this handshake to be let in, for whoever looks at the answer. */
const REASONS: Partial<Readonly<Record<RefusalFact["reason"], string>>> = {
  origin:
    "the page's origin is neither this gateway's own nor in gateway.allowedOrigins; behind a proxy its own name " +
    "counts if the proxy passes Host on, or X-Forwarded-Host and is in gateway.trustedProxies",
  host: "without authentication (gateway.auth.mode) only loopback names are answered, see gateway.auth.allowAnonymous",
  address:
    "too many connections from this address (gateway.limits.connectionsPerAddress); behind a proxy all clients have " +
    "its address unless it is in gateway.trustedProxies",
  connections: "the gateway is full (gateway.limits.connections)",
};

/** What would have to be set; `undefined` where the reason says it all. */
export function remedy(reason: RefusalFact["reason"]): string | undefined {
  return REASONS[reason];
}

/** Answers a handshake that is not wanted, and hangs up whether or not the answer is read. */
export function reject(
  socket: Duplex,
  status: number,
  reason?: RefusalFact["reason"],
  why: string | undefined = reason === undefined ? undefined : REASONS[reason],
): void {
  const text = `${STATUS_CODES[status] ?? ""}${why === undefined ? "" : `: ${why}`}\n`;
  const retry = status === 429 || status === 503 ? "Retry-After: 5\r\n" : "";
  const challenge = status === 401 ? "WWW-Authenticate: Bearer\r\n" : "";
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nConnection: close\r\n${retry}${challenge}` +
      `Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n` +
      `Content-Length: ${text.length}\r\n\r\n${text}`,
  );
}
