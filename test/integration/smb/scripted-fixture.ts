import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { PoolOptions } from "../../../src/smb/pool/pool-options.ts";
import type { ScriptedServer } from "../../support/servers/scripted-server/server.ts";

/** A pool on a scripted server, with short pauses. */
export function poolOn(server: ScriptedServer, options: Partial<PoolOptions> = {}): SmbPool {
  return new SmbPool({
    host: server.host,
    port: server.port,
    share: "share",
    auth: createNtlmProvider({ username: server.user, password: server.password }),
    backoff: { initialMs: 20, maxMs: 200 },
    ...options,
  });
}
