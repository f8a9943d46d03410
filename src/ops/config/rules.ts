import { isIP } from "node:net";
import type { Problem } from "../config-error.ts";
import { nearest } from "../nearest.ts";
import type { Config, ConnectionConfig } from "./types.ts";

export interface RuleOptions {
  /** A connection whose password is asked for on the terminal. */
  readonly promptedConnection?: string | undefined;
}

/** A broken rule, and the keys whose values it was judged by. */
interface Finding extends Problem {
  readonly by: readonly string[];
}

/**
 * What no value breaks alone. Values that are problems themselves stand as their defaults in `config`: a rule that looked
 * at one of those has nothing to say.
 */
export function brokenRules(
  config: RuledConfig,
  problems: readonly Problem[],
  options: RuleOptions,
): Problem[] {
  const unsound = problems.flatMap(({ key, nearest: meant }) => (meant === undefined ? [key] : [key, meant]));
  const sound = (key: string): boolean =>
    !unsound.some((one) => key === one || key.startsWith(`${one}.`) || key.startsWith(`${one}[`));
  return [
    ...natsRules(config),
    ...connectionRules(config, options),
    ...watchRules(config),
    ...gatewayRules(config),
  ].flatMap(({ by, ...problem }) => ([problem.key, ...by].every(sound) ? [problem] : []));
}

/** `connections` with those whose names are problems. */
export interface RuledConfig extends Omit<Config, "connections"> {
  readonly connections: readonly (readonly [name: string, connection: ConnectionConfig])[];
}

function natsRules({ nats }: RuledConfig): Finding[] {
  const problems: Finding[] = [];
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
      by: [ways[0]?.[0] ?? "nats"],
    });
  }
  if (nats.user !== undefined && nats.passwordFile === undefined) {
    problems.push({ key: "nats.passwordFile", reason: "is missing, with nats.user set", by: ["nats.user"] });
  }
  if (nats.user === undefined && nats.passwordFile !== undefined) {
    problems.push({
      key: "nats.user",
      reason: "is missing, with nats.passwordFile set",
      by: ["nats.passwordFile"],
    });
  }
  if ((nats.tls.certFile === undefined) !== (nats.tls.keyFile === undefined)) {
    const missing = nats.tls.certFile === undefined ? "nats.tls.certFile" : "nats.tls.keyFile";
    const by = ["nats.tls.certFile", "nats.tls.keyFile"];
    problems.push({ key: missing, reason: "is missing: certificate and key come together", by });
  }
  return problems;
}

function connectionRules({ connections }: RuledConfig, { promptedConnection }: RuleOptions): Finding[] {
  return connections.flatMap(([name, connection]) => {
    const problems: Finding[] = [];
    const { username, passwordFile, auth, ntlmFallback, keytabFile, ccache, spnHost } = connection;
    const ntlm = auth === "ntlm" || ntlmFallback;
    const key = (option: string): string => `connections.${name}.${option}`;
    const login = [key("auth"), key("ntlmFallback")];
    const account = ["account.username", "account.passwordFile"];
    if (ntlm && username === undefined) {
      problems.push({
        key: key("username"),
        reason: "is missing: anonymous and guest sessions are not spoken",
        by: [...login, ...account],
      });
    }
    if (ntlm && username !== undefined && passwordFile === undefined && name !== promptedConnection) {
      const by = [...login, ...account, key("username")];
      problems.push({ key: key("passwordFile"), reason: "is missing, with a username set", by });
    }
    // The password may be for NTLM alone.
    const forKerberos = ntlmFallback ? [keytabFile, ccache] : [passwordFile, keytabFile, ccache];
    if (auth !== "ntlm" && forKerberos.filter((one) => one !== undefined).length > 1) {
      problems.push({ key: key("auth"), reason: "takes one of passwordFile, keytabFile, ccache", by: login });
    }
    for (const [option, value] of Object.entries({ keytabFile, ccache, spnHost })) {
      if (auth === "ntlm" && value !== undefined) {
        problems.push({ key: key(option), reason: "is for auth kerberos", by: login });
      }
    }
    if (ntlmFallback && auth !== "negotiate") {
      problems.push({ key: key("ntlmFallback"), reason: "is for auth negotiate", by: login });
    }
    return problems;
  });
}

function watchRules({ connections, watches }: RuledConfig): Finding[] {
  const known = connections.map(([name]) => name);
  return watches.flatMap((watch, index) => {
    if (known.includes(watch.connection)) return [];
    const meant = nearest(watch.connection, known);
    return [
      {
        key: `watches[${index}].connection`,
        value: JSON.stringify(watch.connection),
        reason: "is not among the connections",
        ...(meant === undefined ? {} : { nearest: meant }),
        by: ["connections"],
      },
    ];
  });
}

function gatewayRules({ gateway }: RuledConfig): Finding[] {
  const { allowedOrigins, auth, host, trustedProxies } = gateway;
  const problems: Finding[] = [];
  const key = (option: string): string => `gateway.auth.${option}`;
  if (auth.mode === "ask" && auth.ask.url === undefined) {
    problems.push({ key: key("ask.url"), reason: "is missing, with mode ask", by: [key("mode")] });
  }
  if (auth.mode === "headers" && trustedProxies.length === 0) {
    problems.push({
      key: "gateway.trustedProxies",
      reason: "is empty, and mode headers believes whoever is in it",
      by: [key("mode")],
    });
  }
  if (auth.mode === "headers" && allowedOrigins.includes("*")) {
    problems.push({
      key: "gateway.allowedOrigins",
      value: '"*"',
      reason: "lets any page use the session that a browser has with the proxy, with mode headers",
      by: [key("mode")],
    });
  }
  if (auth.mode === "none" && !isLoopback(host) && !auth.allowAnonymous) {
    problems.push({
      key: "gateway.auth.mode",
      value: '"none"',
      reason: `is for loopback addresses, and gateway.host is ${host}; set jwt, tokens, ask or headers, or gateway.auth.allowAnonymous`,
      by: ["gateway.host", key("allowAnonymous")],
    });
  }
  const keys = [
    ["jwksUrl", auth.jwksUrl],
    ["publicKeyFile", auth.publicKeyFile],
    ["secretFile", auth.secretFile],
  ].filter(([, value]) => value !== undefined);
  const signed = auth.mode === "jwt" || (auth.mode === "headers" && auth.headers.assertion !== undefined);
  if (signed && keys.length !== 1) {
    problems.push({
      key: "gateway.auth",
      reason: `${auth.mode === "jwt" ? "mode jwt" : "headers.assertion"} needs exactly one of jwksUrl, publicKeyFile, secretFile`,
      by: ["mode", "jwksUrl", "publicKeyFile", "secretFile"].map(key),
    });
  }
  if (auth.mode === "tokens" && auth.tokensFile === undefined) {
    problems.push({ key: key("tokensFile"), reason: "is missing, with mode tokens", by: [key("mode")] });
  }
  // A public key accepted as an HMAC secret is the classic JWT hole.
  const hmac = auth.algorithms.filter((name) => name.startsWith("HS"));
  if (signed && auth.algorithms.length > 0) {
    if (auth.secretFile === undefined && hmac.length > 0) {
      const by = [key("mode"), key("secretFile")];
      problems.push({ key: key("algorithms"), reason: `has ${hmac[0]}, which needs secretFile`, by });
    }
    if (auth.secretFile !== undefined && hmac.length !== auth.algorithms.length) {
      problems.push({
        key: key("algorithms"),
        reason: "may only be HS256, HS384, HS512 with secretFile",
        by: [key("mode"), key("secretFile")],
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
