import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { Broker } from "../../broker/port.ts";
import { FleetMember } from "../../fleet/member.ts";
import { type ClientDesk, clientEndpoints } from "../../gateway/clients.ts";
import type {
  AskOptions,
  AuthOptions,
  JwtKeys,
  JwtOptions,
  ServedConnection,
  UpstreamOptions,
} from "../../gateway/options.ts";
import { createGateway, type Gateway } from "../../gateway/server.ts";
import type { AskConfig, Config, GatewayAuthConfig, UpstreamConfig } from "../../ops/config/index.ts";
import { readSecretFile } from "../../ops/secrets.ts";
import type { Service } from "./service.ts";
import { readTokensFile } from "./tokens-file.ts";

/** Starts a gateway for the configured connections and keeps it in step with the configuration. */
export async function startGateway(
  service: Service,
  { broker }: { readonly broker: Broker },
): Promise<{ readonly gateway: Gateway; readonly url: string }> {
  const { scope, log, ops, version, stopping } = service;
  const { config } = service.loaded;
  const caseSensitive = (name: string): boolean | undefined =>
    service.loaded.config.connections[name]?.caseSensitive;
  const auth = await gatewayAuth(config.gateway.auth);
  const upstream = await upstreamOptions(config.gateway.upstream);
  let desk: ClientDesk | undefined;
  const fleet = scope.use(
    await FleetMember.start(
      {
        broker,
        kind: "gateway",
        ttlMs: config.worker.leaseTtlMs,
        lingerMs: config.gateway.lingerSeconds * 1_000,
        host: hostname(),
        version: version.version,
        caseSensitive,
        endpoints: (lease) => clientEndpoints(broker.link, lease, () => desk),
      },
      { signal: stopping },
    ),
  );
  const { host, port, allowedOrigins, trustedProxies, limits, drainSeconds } = config.gateway;
  const gateway = scope.use(
    createGateway(
      {
        host,
        port,
        auth,
        connections: served(config),
        allowedOrigins,
        trustedProxies,
        upstream,
        limits,
        times: { drainMs: drainSeconds * 1_000 },
      },
      { fleet },
    ),
  );
  desk = gateway;
  scope.defer(
    ops.addCheck("keys", () =>
      gateway.ready ? { ready: true } : { ready: false, reason: "tokens cannot be checked yet" },
    ),
  );
  scope.defer(
    ops.addCheck("fleet", () =>
      fleet.ready ? { ready: true } : { ready: false, reason: "no lease: JetStream does not answer" },
    ),
  );
  scope.defer(ops.addAction("/auth/recheck", () => gateway.recheckAuth()));
  service.onReload(async ({ config: next }, { changedFiles }) => {
    await gateway.updateConnections(served(next));
    const { auth: wanted } = next.gateway;
    const files = [wanted.publicKeyFile, wanted.secretFile, wanted.tokensFile, wanted.ask.caFile];
    const touched = files.some((file) => file !== undefined && changedFiles.has(file));
    if (touched || JSON.stringify(wanted) !== JSON.stringify(current)) {
      await gateway.updateAuth(await gatewayAuth(wanted));
      current = wanted;
    }
  });
  let current = config.gateway.auth;
  const { url } = await gateway.listen();
  log.info("gateway.listening", "open to browsers", { url, auth: config.gateway.auth.mode });
  return { gateway, url };
}

function served(config: Config): ServedConnection[] {
  return Object.entries(config.connections).map(([name, { caseSensitive }]) => ({ name, caseSensitive }));
}

async function upstreamOptions({
  caFile,
  url,
  ...rest
}: UpstreamConfig): Promise<UpstreamOptions | undefined> {
  if (url === undefined) return undefined;
  return { ...rest, url, ...(caFile === undefined ? {} : { ca: await readFile(caFile, "utf8") }) };
}

/** Reads the files behind the settings. @throws SecretError, ConfigError */
export async function gatewayAuth(auth: GatewayAuthConfig): Promise<AuthOptions> {
  if (auth.mode === "none") return { mode: "none", allowAnonymous: auth.allowAnonymous };
  const { firstFrame } = auth;
  if (auth.mode === "tokens") {
    return { mode: "tokens", firstFrame, tokens: await readTokensFile(auth.tokensFile ?? "") };
  }
  if (auth.mode === "ask") return { mode: "ask", firstFrame, ...(await askOptions(auth.ask)) };
  if (auth.mode === "headers") {
    const { assertion, grants, sessionMinutes, user } = auth.headers;
    return {
      mode: "headers",
      sessionMs: sessionMinutes * 60_000,
      ...(assertion === undefined
        ? { user, grants }
        : { assertion: { header: assertion, jwt: await jwtOptions(auth) } }),
    };
  }
  return jwtOptions(auth);
}

async function askOptions({
  caFile,
  connection,
  keepSeconds,
  list,
  path,
  url,
  ...rest
}: AskConfig): Promise<Omit<AskOptions, "mode" | "firstFrame">> {
  return {
    ...rest,
    url: url ?? "",
    keepMs: keepSeconds * 1_000,
    grants: { list, connection, path },
    ...(caFile === undefined ? {} : { ca: await readFile(caFile, "utf8") }),
  };
}

async function jwtOptions(auth: GatewayAuthConfig): Promise<JwtOptions> {
  return {
    mode: "jwt",
    firstFrame: auth.firstFrame,
    keys: await jwtKeys(auth),
    ...(auth.issuer === undefined ? {} : { issuer: auth.issuer }),
    ...(auth.audience === undefined ? {} : { audience: auth.audience }),
    ...(auth.algorithms.length === 0 ? {} : { algorithms: auth.algorithms }),
  };
}

async function jwtKeys({ jwksUrl, publicKeyFile, secretFile }: GatewayAuthConfig): Promise<JwtKeys> {
  if (jwksUrl !== undefined) return { jwksUrl };
  if (publicKeyFile !== undefined) return { publicKey: await readFile(publicKeyFile, "utf8") };
  return { secret: (await readSecretFile(secretFile ?? "")).secret.reveal() };
}
