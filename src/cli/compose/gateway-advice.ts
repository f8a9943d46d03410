import { HandshakeError } from "./gateway-probe.ts";

/** What to do about a handshake that did not succeed; `undefined` where the message says it all. */
export function handshakeFix(error: unknown, url: string): string | undefined {
  if (!(error instanceof HandshakeError)) return undefined;
  const { status, body } = error;
  if (status === undefined) return connectionFix(error, url);
  if (status >= 300 && status < 400) return "use the address it redirects to (wss:// where it is https://)";
  return FIXES[status] ?? (body === "" ? undefined : `it says: ${body.split("\n", 1)[0] ?? ""}`);
}

const FIXES: Readonly<Record<number, string>> = {
  200: "what answers is a page and no gateway, or a proxy that does not pass the upgrade on (Upgrade and Connection headers, HTTP/1.1)",
  400: "a proxy in between does not speak WebSocket here: it must pass Upgrade and Connection on, with HTTP/1.1",
  401: "the token is not believed: --token-file, and gateway.auth (mode, keys, issuer, audience) of the gateway",
  403: "the page's origin is not allowed (gateway.allowedOrigins), or without authentication the Host is no loopback name (gateway.auth.mode); a proxy must pass Host on",
  404: "no gateway under this path: it is /ws, or /api/ws, of the gateway's own port (gateway.port)",
  405: "something in between changes the method: a handshake is a GET",
  426: "a proxy in between does not pass the upgrade on",
  429: "too many connections from this address (gateway.limits.connectionsPerAddress); behind a proxy name it in gateway.trustedProxies, or all clients count as one",
  502: "the proxy does not reach the gateway: its address, gateway.host (127.0.0.1 by default) and gateway.port",
  503: "the gateway is full, draining, or cannot get the issuer's keys: see its log; or the proxy has no gateway behind it",
  504: "the proxy waits in vain for the gateway: its address, a firewall",
};

function connectionFix(error: HandshakeError, url: string): string | undefined {
  const code = codeOf(error.cause);
  if (code === "ECONNREFUSED")
    return "nothing listens there: gateway.host and gateway.port, or the proxy's port";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "the name is not known to DNS here";
  if (code === "EPROTO" || /wrong version number/i.test(error.message)) {
    return `${url} does not speak TLS: ws:// instead of wss://, or the proxy's own port`;
  }
  if (/certificate|self.signed|CERT_/i.test(`${code} ${error.message}`)) {
    return "the certificate is not believed: name its authority in NODE_EXTRA_CA_CERTS, or correct it at the proxy";
  }
  if (/handshake has timed out|ETIMEDOUT/i.test(`${code} ${error.message}`)) {
    return "something takes connections there and says nothing: a firewall, or another port";
  }
  return undefined;
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** What to do about an `error` frame that answers `subscribe`. */
export const SUBSCRIBE_FIXES: Readonly<Record<string, string>> = {
  bad_path: "the path is not one",
  unknown_connection:
    "the gateway's configuration has no connection of this name: connections, as the worker has it",
  denied:
    "the token has no grant for it (claim smb, or the tokens file), or the file server refuses the worker's account",
  not_found: "the directory does not exist, seen from the connection's root",
  not_a_directory: "it is a file",
  unreachable:
    "no worker serves this connection, or none reaches the file server: smb2nats status, and the worker's log",
  limit: "a limit of the gateway is reached: gateway.limits",
  internal: "see the gateway's log",
};
