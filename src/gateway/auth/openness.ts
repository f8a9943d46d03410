import { GatewayOptionsError } from "../errors.ts";
import type { AuthOptions } from "../options.ts";
import { isLoopback } from "./address.ts";

export interface Surroundings {
  readonly host: string;
  readonly trustedProxies: readonly string[];
  readonly allowedOrigins: readonly string[];
}

/**
 * Refuses ways to authenticate that would let everyone in where the gateway stands. Returns whether only this machine may
 * connect. @throws GatewayOptionsError
 */
export function checkOpenness(
  auth: AuthOptions,
  { allowedOrigins, host, trustedProxies }: Surroundings,
): boolean {
  if (auth.mode === "headers") {
    if (trustedProxies.length === 0) {
      throw new GatewayOptionsError(
        "headers say who a client is only where the proxies that may set them are named",
      );
    }
    // A browser shows its session with the proxy to every page that opens a socket: only the origin tells them apart.
    if (allowedOrigins.includes("*")) {
      throw new GatewayOptionsError("with headers for authentication the origins of pages must be named");
    }
  }
  if (auth.mode !== "none" || auth.allowAnonymous === true) return false;
  if (isLoopback(host)) return true;
  throw new GatewayOptionsError(
    `without authentication the gateway listens on a loopback address only, not on ${host}`,
  );
}
