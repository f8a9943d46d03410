import type { ServerInfo } from "../server-info.ts";

export type PoolState = "idle" | "connecting" | "connected" | "waiting" | "refused" | "closed";

/** The servers that a pool speaks to. The same object as long as they are the same. */
export interface Servers extends Pick<PoolInfo, "server" | "others"> {}

export interface PoolInfo {
  /**
   * `idle`: never asked for anything. `waiting`: between two attempts. `refused`: the credentials were,
   * and nothing happens until `replaceAuth`.
   */
  readonly state: PoolState;
  /** Why it is not connected, or why the last further connection failed. */
  readonly error: Error | undefined;
  /** What the server was like when last connected. */
  readonly server: ServerInfo | undefined;
  /** Those that DFS links lead to, as far as they are in use. */
  readonly others?: readonly ServerInfo[];
  readonly connections: number;
  /** Open watch handles. */
  readonly watches: number;
  /** Watch handles that one connection may carry, as learnt so far. */
  readonly watchesPerConnection: number | undefined;
}
