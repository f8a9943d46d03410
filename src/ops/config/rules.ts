import { isIP } from "node:net";
import { nearest } from "../nearest.ts";
import type { Problem } from "./error.ts";
import type { Config } from "./types.ts";

export interface RuleOptions {
  /** A connection whose password is asked for on the terminal. */
  readonly promptedConnection?: string | undefined;
}

/** What no value breaks alone. Runs only over configurations whose values are all well-formed. */
export function brokenRules(config: Config, options: RuleOptions): Problem[] {
  return [
    ...natsRules(config),
    ...connectionRules(config, options),
    ...watchRules(config),
    ...gatewayRules(config),
  ];
}

function natsRules({ nats }: Config): Problem[] {
  const problems: Problem[] = [];
  const ways = [
    ["nats.credsFile", nats.credsFile],
    ["nats.nkeySeedFile", nats.nkeySeedFile],
    ["nats.tokenFile", nats.tokenFile],
    ["nats.user", nats.user],
  ].filter(([, value]) => value !== undefined);
  if (ways.length > 1) {
    problems.push({
      key: ways[1]?.[0] ?? "nats",
      reason: `is a second way to log in, beside ${ways[0]?.[0]}`,
    });
  }
  if (nats.user !== undefined && nats.passwordFile === undefined) {
    problems.push({ key: "nats.passwordFile", reason: "is missing, with nats.user set" });
  }
  if (nats.user === undefined && nats.passwordFile !== undefined) {
    problems.push({ key: "nats.user", reason: "is missing, with nats.passwordFile set" });
  }
  if ((nats.tls.certFile === undefined) !== (nats.tls.keyFile === undefined)) {
    const missing = nats.tls.certFile === undefined ? "nats.tls.certFile" : "nats.tls.keyFile";
    problems.push({ key: missing, reason: "is missing: certificate and key come together" });
  }
  return problems;
}

function connectionRules({ connections }: Config, { promptedConnection }: RuleOptions): Problem[] {
  return Object.entries(connections).flatMap(([name, connection]) => {
    const problems: Problem[] = [];
    const { username, passwordFile, auth, ntlmFallback, keytabFile, ccache, spnHost } = connection;
    const ntlm = auth === "ntlm" || ntlmFallback;
    const key = (option: string): string => `connections.${name}.${option}`;
    if (ntlm && username === undefined) {
      problems.push({
        key: key("username"),
        reason: "is missing: anonymous and guest sessions are not spoken",
      });
    }
    if (ntlm && username !== undefined && passwordFile === undefined && name !== promptedConnection) {
      problems.push({ key: key("passwordFile"), reason: "is missing, with a username set" });
    }
    // The password may be for NTLM alone.
    const forKerberos = ntlmFallback ? [keytabFile, ccache] : [passwordFile, keytabFile, ccache];
    if (auth !== "ntlm" && forKerberos.filter((one) => one !== undefined).length > 1) {
      problems.push({ key: key("auth"), reason: "takes one of passwordFile, keytabFile, ccache" });
    }
    for (const [option, value] of Object.entries({ keytabFile, ccache, spnHost })) {
      if (auth === "ntlm" && value !== undefined) {
        problems.push({ key: key(option), reason: "is for auth kerberos" });
      }
    }
    if (ntlmFallback && auth !== "negotiate") {
      problems.push({ key: key("ntlmFallback"), reason: "is for auth negotiate" });
    }
    return problems;
  });
}

function watchRules({ connections, watches }: Config): Problem[] {
  const known = Object.keys(connections);
  return watches.flatMap((watch, index) => {
    if (known.includes(watch.connection)) return [];
    const meant = nearest(watch.connection, known);
    return [
      {
        key: `watches[${index}].connection`,
        value: JSON.stringify(watch.connection),
        reason: "is not among the connections",
        ...(meant === undefined ? {} : { nearest: meant }),
      },
    ];
  });
}

function gatewayRules({ gateway }: Config): Problem[] {
  const { auth, host } = gateway;
  const problems: Problem[] = [];
  if (auth.mode === "none" && !isLoopback(host) && !auth.allowAnonymous) {
    problems.push({
      key: "gateway.auth.mode",
      value: '"none"',
      reason: `is for loopback addresses, and gateway.host is ${host}; set jwt or tokens, or gateway.auth.allowAnonymous`,
    });
  }
  const keys = [
    ["jwksUrl", auth.jwksUrl],
    ["publicKeyFile", auth.publicKeyFile],
    ["secretFile", auth.secretFile],
  ].filter(([, value]) => value !== undefined);
  if (auth.mode === "jwt" && keys.length !== 1) {
    problems.push({
      key: "gateway.auth",
      reason: "mode jwt needs exactly one of jwksUrl, publicKeyFile, secretFile",
    });
  }
  if (auth.mode === "tokens" && auth.tokensFile === undefined) {
    problems.push({ key: "gateway.auth.tokensFile", reason: "is missing, with mode tokens" });
  }
  // A public key accepted as an HMAC secret is the classic JWT hole.
  const hmac = auth.algorithms.filter((name) => name.startsWith("HS"));
  if (auth.mode === "jwt" && auth.algorithms.length > 0) {
    if (auth.secretFile === undefined && hmac.length > 0) {
      problems.push({ key: "gateway.auth.algorithms", reason: `has ${hmac[0]}, which needs secretFile` });
    }
    if (auth.secretFile !== undefined && hmac.length !== auth.algorithms.length) {
      problems.push({
        key: "gateway.auth.algorithms",
        reason: "may only be HS256, HS384, HS512 with secretFile",
      });
    }
  }
  return problems;
}

/** Whether only this machine reaches an address to listen on. */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}
